"""Kill -9 for minutes, at random, while mail comes in: what was killed, and what was lost or doubled.

    ./dev bench kills --seconds 240                       worker (and its processes), postgres, redis in turn
    ./dev bench kills --only worker --seconds 600         one kind of them

After a storm everything has to come to rest, be checked by ``postroom check --server`` and be counted:
messages against the server, answers at the SMTP sink.
"""

import random
import time
from collections.abc import Sequence
from typing import Any

from benchmarks.tables import print_table
from embedded.folders import temporary_folder
from tests.faults.installation import Installation, start_installation
from tests.faults.letters import Letter, Post
from tests.faults.seeding import ADDRESS
from tests.faults.seeds import SEED
from tests.faults.storm import Storm, demand_all_is_as_it_should_be

KINDS = {
    "worker": {"queue workers": 98, "worker": 1, "worker alone": 1},  # a new parent takes seconds
    "postgres": {"postgres": 1},
    "redis": {"redis": 1, "forget": 1},
}
# How long between two kills: most moments of a job, and what PostgreSQL takes to be ready again.
PAUSES = {"worker": (0.002, 0.3), "postgres": (0.0, 1.5), "redis": (0.0, 0.8)}
KILLS_PER_LETTER = 3
MOST_AT_ONCE = 4  # of those who run jobs
TIME_PASSES_EVERY = 20
PATIENCE = 240.0


def run(only: Sequence[str], seconds: float) -> dict[str, Any]:
    """A storm of each kind for so long; print the table and return the figures."""
    figures = {kind: _storm(kind, seconds) for kind in only or KINDS}
    columns = ("killed", "kills", "letters", "lost or doubled", "in doubt", "at rest after (s)")
    rows = [(kind, *(one[name] for name in columns[1:])) for kind, one in figures.items()]
    print_table(f"Kills for {seconds:.0f} s each, SEED={SEED}", columns, rows)
    return figures


def _storm(kind: str, seconds: float) -> dict[str, Any]:
    with temporary_folder() as folder, start_installation(folder) as installation:
        installation.settle()
        storm = Storm(installation, random.Random(SEED))
        letters = _blown(storm, kind, seconds)
        began = time.monotonic()
        installation.settle(PATIENCE)
        rested = time.monotonic() - began
        kills = storm.killed.total()
        demand_all_is_as_it_should_be(installation, letters, kills)
        broken = installation.check()
        assert broken == "", broken
        doubt = installation.value("SELECT count(*) FROM outgoing WHERE state = 'unknown'")
    return {
        "kills": kills,
        "letters": len(letters),
        "lost or doubled": 0,  # else we would not be here
        "in doubt": doubt,
        "at rest after (s)": rested,
        "of them": dict(storm.killed),
    }


def _blown(storm: Storm, kind: str, seconds: float) -> list[Letter]:
    letters: list[Letter] = []
    post = Post(ADDRESS, SEED).letters(1_000_000)
    targets = storm.targets(KINDS[kind], 100_000)
    ends = time.monotonic() + seconds
    for number, target in enumerate(targets):
        if time.monotonic() > ends:
            break
        while len(letters) * KILLS_PER_LETTER <= storm.killed.total():
            letters.append(next(post))
            storm.installation.append(letters[-1].raw)
        if number % TIME_PASSES_EVERY == 0:
            _let_time_pass(storm.installation)
        time.sleep(storm.chance.uniform(*PAUSES[kind]))
        if target == "queue workers":
            storm.strike_several(MOST_AT_ONCE)
        else:
            storm.strike(target)
    return letters


def _let_time_pass(installation: Installation) -> None:
    installation.start()
    installation.let_time_pass()
