"""Whatever is killed, and whenever: nothing is lost, and nothing is done twice (reliability G1 to G3).

    SEED=7 KILLS=300 pytest tests/faults/test_killing.py      replays a run, or makes a longer one
    ./dev bench kills --only worker --seconds 200             much longer ones

The moments are drawn from the seed. The machine adds its own chance, so that a replay is alike, not equal.
"""

import os
import random
from pathlib import Path

import pytest

from embedded.folders import temporary_folder
from tests.faults.installation import start_installation
from tests.faults.letters import Post
from tests.faults.seeding import ADDRESS
from tests.faults.seeds import SEED
from tests.faults.storm import Storm, demand_all_is_as_it_should_be

KILLS = int(os.environ.get("KILLS") or 30)
LETTERS = max(48, KILLS)
# What is killed, and how often in thirty times: what runs jobs most of all.
TARGETS = {
    "queue worker": 13,
    "forget": 4,
    "redis": 3,
    "postgres": 4,
    "worker": 2,
    "worker alone": 1,
    "web": 1,
    "schedule": 1,
    "watch": 1,
}


@pytest.mark.dovecot
@pytest.mark.long
@pytest.mark.timeout(240 + 8 * KILLS)
def test_nothing_is_lost_or_doubled_whatever_is_killed(cluster: Path) -> None:
    """Thirty kills while mail comes in, at moments that the seed draws; then all is as it should be."""
    letters = list(Post(ADDRESS, SEED).letters(LETTERS))
    with temporary_folder() as folder, start_installation(folder, cluster=cluster) as installation:
        installation.settle()
        storm = Storm(installation, random.Random(SEED))
        storm.blow(letters, storm.targets(TARGETS, KILLS))
        installation.settle(120)
        print(f"SEED={SEED} KILLS={KILLS} {dict(storm.killed)} {storm.progress}")  # noqa: T201  # if it fails
        demand_all_is_as_it_should_be(installation, letters, KILLS)
        assert installation.check() == ""
