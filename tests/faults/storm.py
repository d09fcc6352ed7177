"""A storm of kills over a whole installation, and what must be so when it is over."""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import psycopg
import redis

from mailboxes.parsing import parse, stable_hash
from tests.faults.installation import Installation, content_hash
from tests.faults.letters import Letter

LONGEST_PAUSE = 4.0


@dataclass
class Storm:
    """Kills one thing after another while mail comes in, and starts again what was killed."""

    installation: Installation
    chance: random.Random
    killed: Counter[str] = field(default_factory=Counter)
    progress: tuple[int, ...] = (0, 0, 0)  # messages, leads, sent messages

    def targets(self, shares: Mapping[str, int], count: int) -> list[str]:
        """So many things to kill, each as often as its share, in any order."""
        bag = [name for name, share in shares.items() for _ in range(share)]
        targets = [bag[number % len(bag)] for number in range(count)]
        self.chance.shuffle(targets)
        return targets

    def blow(self, letters: Sequence[Letter], targets: Sequence[str]) -> None:
        """A kill of each, with new mail before it and in the middle of some work."""
        kills = len(targets)
        for number, target in enumerate(targets):
            for letter in letters[len(letters) * number // kills : len(letters) * (number + 1) // kills]:
                self.installation.append(letter.raw)
            if number % 5 == 0:
                self._when_possible(self.installation.let_time_pass)
            self._await_work()
            time.sleep(self.chance.uniform(0.0, 0.2))  # the moment, not a wait for anything
            self.strike(target)

    def strike(self, target: str) -> None:
        """Kill this now, and start again what has ended."""
        self._kill(target)
        self.killed[target] += 1
        self.installation.revive()

    def _await_work(self) -> None:
        """Until one more thing of a kind is done; not for ever: some kills stop everything."""
        gives_up_at = time.monotonic() + LONGEST_PAUSE
        kind, before = self.chance.randrange(len(self.progress)), self.progress
        while self.progress[kind] == before[kind] and time.monotonic() < gives_up_at:
            with suppress(psycopg.OperationalError):
                self.progress = self.installation.rows(_PROGRESS)[0]
            time.sleep(0.02)

    def strike_several(self, most: int) -> None:
        """Kill up to so many queue workers at the same moment."""
        living = self.installation.queue_workers()
        for pid in self.chance.sample(living, min(self.chance.randint(1, most), len(living))):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                self.killed["queue worker"] += 1
        self.installation.revive()

    def _kill(self, target: str) -> None:
        if target == "forget":
            self._when_possible(self.installation.flush_redis)
        elif target == "queue worker":
            self._kill_a_queue_worker()
        elif target == "worker alone":
            self.installation.kill_alone("worker")
            self.installation.processes["worker"].launch()
        elif target in ("redis", "postgres"):
            self.installation.kill(target)
            self.installation.restart(target)
        else:
            self.installation.kill(target)
            self.installation.processes[target].launch()

    def _kill_a_queue_worker(self) -> None:
        """Any of those that live; each finds other jobs under way."""
        living = self.installation.queue_workers()
        if living:
            with suppress(ProcessLookupError):
                os.kill(self.chance.choice(living), signal.SIGKILL)

    def _when_possible(self, act: Callable[[], None]) -> None:
        with suppress(redis.RedisError):
            act()


def demand_all_is_as_it_should_be(installation: Installation, letters: Sequence[Letter], kills: int) -> None:
    """Every letter is here once, with one record and one answer; the neighbour has got nothing."""
    _everything_is_stored_once(installation, letters)
    _every_eligible_conversation_has_one_record(installation, letters)
    _nobody_is_answered_twice(installation)
    _everybody_is_answered_or_in_doubt(installation, letters, kills)
    _the_neighbour_has_nothing(installation)


def _everything_is_stored_once(installation: Installation, letters: Sequence[Letter]) -> None:
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


def _every_eligible_conversation_has_one_record(
    installation: Installation, letters: Sequence[Letter]
) -> None:
    made = installation.rows(
        "SELECT m.stable_hash FROM leads l LEFT JOIN messages m ON m.id = l.opening_message_id"
    )
    records = Counter(bytes(row[0] or b"") for row in made)
    expected = {stable_hash(letter.raw) for letter in letters if letter.is_eligible}
    assert [one for one, count in records.items() if count > 1] == [], "made twice"
    assert records.keys() - expected == set(), "made of what is to make none"
    missing = expected - records.keys()
    assert not missing, _told_of(installation, missing)


def _told_of(installation: Installation, hashes: set[bytes]) -> list[tuple[Any, ...]]:
    """What these messages wait for, how often they were tried, and why they were left to people, if so."""
    query = "SELECT subject, work, work_attempts, work_error FROM messages WHERE stable_hash = ANY(%s)"
    return installation.rows(query, list(hashes))


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


def _everybody_is_answered_or_in_doubt(
    installation: Installation, letters: Sequence[Letter], kills: int
) -> None:
    """Only between the last byte and the server's answer a response may be lost, and people see that."""
    taken = {recipient for one in installation.sink.messages for recipient in one.recipients}
    wanted = {letter.sender for letter in letters if letter.is_eligible}
    doubtful = installation.rows(_DOUBTFUL)
    assert taken <= wanted
    assert wanted - taken <= {row[0] for row in doubtful}
    assert len(doubtful) <= kills
    assert all(row[1] == "unknown" for row in doubtful)  # on the timeline of the message it answers


def _the_neighbour_has_nothing(installation: Installation) -> None:
    for table in ("messages", "threads", "leads", "cases", "contacts", "outgoing"):
        query = f"SELECT count(*) FROM {table} WHERE organization_id = %s"
        assert installation.value(query, installation.theirs.organization_id) == 0, table


_PROGRESS = """
SELECT (SELECT count(*) FROM messages), (SELECT count(*) FROM leads),
       (SELECT count(*) FROM outgoing WHERE state = 'sent')
"""
_OUTGOING = """
SELECT o.header_id, o.trigger_id, m.thread_id FROM outgoing o
JOIN messages m ON m.organization_id = o.organization_id AND m.id = o.message_id
"""
_DOUBTFUL = """
SELECT o.recipients[1], e.result FROM outgoing o
LEFT JOIN events e ON e.message_id = o.trigger_id AND e.stage = 'sent'
WHERE o.state = 'unknown'
"""
