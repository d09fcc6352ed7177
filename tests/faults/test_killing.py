"""Whatever is killed, and whenever: nothing is lost, and nothing is done twice (reliability G1 to G3).

    SEED=7 KILLS=300 pytest tests/faults/test_killing.py      replays a run, or makes a longer one

The moments are drawn from the seed. The machine adds its own chance, so that a replay is alike, not equal.
"""

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
import redis

from embedded.folders import temporary_folder
from mailboxes.parsing import parse, stable_hash
from tests.faults.installation import ADDRESS, Installation, content_hash, start_installation
from tests.faults.letters import Letter, Post

SEED = int(os.environ.get("SEED") or random.randrange(10**6))
KILLS = int(os.environ.get("KILLS") or 30)
LETTERS = max(48, KILLS)
SECONDS_A_KILL = 0.8  # about; mail is spread over as much time
# What is killed, and how often in thirty times: what runs jobs most of all.
TARGETS = {
    "horse": 8,
    "queue worker": 5,
    "forget": 4,
    "redis": 3,
    "postgres": 4,
    "worker": 2,
    "worker alone": 1,
    "web": 1,
    "schedule": 1,
    "watch": 1,
}


@dataclass
class Storm:
    """Kills one thing after another while mail comes in, and starts again what was killed."""

    installation: Installation
    chance: random.Random
    killed: Counter[str] = field(default_factory=Counter)

    def blow(self, count: int) -> None:
        """So many kills, each after a moment of work."""
        for number, target in enumerate(self._targets(count)):
            if number % 5 == 0:
                self._when_possible(self.installation.let_time_pass)
            time.sleep(self.chance.uniform(0.0, 0.4))  # the moment, not a wait for anything
            self.installation.revive()
            self._kill(target)
            self.killed[target] += 1

    def _targets(self, count: int) -> list[str]:
        bag = [name for name, share in TARGETS.items() for _ in range(share)]
        targets = [bag[number % len(bag)] for number in range(count)]
        self.chance.shuffle(targets)
        return targets

    def _kill(self, target: str) -> None:
        if target == "forget":
            self._when_possible(self.installation.flush_redis)
        elif target in ("horse", "queue worker"):
            self._kill_one_of(
                self.installation.horses if target == "horse" else self.installation.queue_workers
            )
        elif target == "worker alone":
            self.installation.kill_alone("worker")
            self.installation.processes["worker"].launch()
        elif target in ("redis", "postgres"):
            self.installation.kill(target)
            self.installation.restart(target)
        else:
            self.installation.kill(target)
            self.installation.processes[target].launch()

    def _kill_one_of(self, living: Callable[[], list[int]]) -> None:
        """As soon as there is one, a little into its life."""
        gives_up_at = time.monotonic() + 2.0
        while not (pids := living()) and time.monotonic() < gives_up_at:
            self._when_possible(self.installation.let_time_pass)
            time.sleep(0.02)
        time.sleep(self.chance.uniform(0.0, 0.1))
        for pid in pids[:1]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _when_possible(self, act: Callable[[], None]) -> None:
        with suppress(redis.RedisError):
            act()


@pytest.mark.dovecot
@pytest.mark.timeout(240 + 8 * KILLS)
def test_nothing_is_lost_or_doubled_whatever_is_killed() -> None:
    """Thirty kills while mail comes in, at moments that the seed draws; then all is as it should be."""
    letters = list(Post(ADDRESS, SEED).letters(LETTERS))
    with temporary_folder() as folder, start_installation(folder) as installation:
        installation.settle()
        storm = _blow_while_mail_comes_in(installation, letters)
        installation.settle(120)
        print(f"SEED={SEED} KILLS={KILLS} {dict(storm.killed)}")  # noqa: T201  # shown when this fails
        _everything_is_stored_once(installation, letters)
        _every_eligible_conversation_has_one_record(installation, letters)
        _nobody_is_answered_twice(installation)
        _everybody_is_answered_or_in_doubt(installation, letters)
        _the_neighbour_has_nothing(installation)
        assert installation.check() == ""


def _blow_while_mail_comes_in(installation: Installation, letters: list[Letter]) -> Storm:
    """What has not come when the storm is over comes at once."""
    storm, is_over, chance = Storm(installation, random.Random(SEED)), threading.Event(), random.Random(SEED)

    def deliver() -> None:
        for letter in letters:
            is_over.wait(chance.uniform(0.0, 2.0 * SECONDS_A_KILL * KILLS / len(letters)))
            installation.append(letter.raw)

    postman = threading.Thread(target=deliver, name="postman")
    postman.start()
    try:
        storm.blow(KILLS)
    finally:
        is_over.set()
        postman.join()
    return storm


def _everything_is_stored_once(installation: Installation, letters: list[Letter]) -> None:
    there = installation.account.raws()
    assert len(there) == len(letters)
    arrived = installation.rows(
        "SELECT a.sha256 FROM arrivals a JOIN folders f ON f.id = a.folder_id"
        " WHERE a.account_id = %s AND f.name = 'INBOX'",
        installation.ours.account_id,
    )
    assert Counter(bytes(row[0]) for row in arrived) == Counter(content_hash(raw) for raw in there)
    stored = installation.rows("SELECT stable_hash FROM messages WHERE direction = 'in'")
    assert sorted(bytes(row[0]) for row in stored) == sorted({stable_hash(raw) for raw in there})
    sent = "SELECT count(*) FROM messages WHERE direction = 'out'"  # copies in Sent are known again
    assert installation.value(sent) == installation.value("SELECT count(*) FROM outgoing")


def _every_eligible_conversation_has_one_record(installation: Installation, letters: list[Letter]) -> None:
    made = installation.rows(
        "SELECT m.stable_hash FROM leads l LEFT JOIN messages m ON m.id = l.opening_message_id"
    )
    expected = {stable_hash(letter.raw) for letter in letters if letter.is_eligible}
    assert sorted(bytes(row[0] or b"") for row in made) == sorted(expected)


def _nobody_is_answered_twice(installation: Installation) -> None:
    """Counted at the sink: by Message-ID, by recipient (each wrote once), by trigger and by conversation."""
    taken = [(parse(one.content), one.recipients) for one in installation.sink.messages]
    known = {row[0]: row[1:] for row in installation.rows(_OUTGOING)}
    ids = Counter(parsed.message_id for parsed, _ in taken)
    assert set(ids) <= set(known)
    for counted in (
        ids,
        Counter(recipient for _, people in taken for recipient in people),
        Counter(known[id][0] for id in ids),
        Counter(known[id][1] for id in ids),
    ):
        assert [one for one, count in counted.items() if count > 1] == []


def _everybody_is_answered_or_in_doubt(installation: Installation, letters: list[Letter]) -> None:
    """Only between the last byte and the server's answer a response may be lost, and people see that."""
    taken = {recipient for one in installation.sink.messages for recipient in one.recipients}
    wanted = {letter.sender for letter in letters if letter.is_eligible}
    doubtful = installation.rows(_DOUBTFUL)
    assert taken <= wanted
    assert wanted - taken <= {row[0] for row in doubtful}
    assert len(doubtful) <= KILLS
    assert all(row[1] == "unknown" for row in doubtful)  # on the timeline of the message it answers


def _the_neighbour_has_nothing(installation: Installation) -> None:
    for table in ("messages", "threads", "leads", "cases", "contacts", "outgoing"):
        query = f"SELECT count(*) FROM {table} WHERE organization_id = %s"
        assert installation.value(query, installation.theirs.organization_id) == 0, table


_OUTGOING = """
SELECT o.header_id, o.trigger_id, m.thread_id FROM outgoing o
JOIN messages m ON m.organization_id = o.organization_id AND m.id = o.message_id
"""
_DOUBTFUL = """
SELECT o.recipients[1], e.result FROM outgoing o
LEFT JOIN events e ON e.message_id = o.trigger_id AND e.stage = 'sent'
WHERE o.state = 'unknown'
"""
