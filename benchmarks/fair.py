"""Whether others can delay a message: by first syncs, a flood of messages, or thousands of due mailboxes.

While others are busy, single messages come in for the neighbour; what counts is how long each of them takes
until it is delivered, beside the same while nothing else happens.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.crowds import add_mailboxes, idle_server, permit
from benchmarks.messages import Author
from benchmarks.tables import print_table, spread
from embedded.folders import temporary_folder
from tests.certificates import Certificates
from tests.dovecot import has_dovecot
from tests.faults.imap_server import ScriptedImap
from tests.faults.installation import Installation, start_installation
from tests.faults.seeding import ADDRESS, NEIGHBOURS_ADDRESS
from tests.faults.seeds import SEED
from tests.faults.truth import Folder

PROBES = 10
PATIENCE = 300.0
BETWEEN_SECONDS = 1.0
FIRST_SYNCS = 3  # of ours, and as many of the neighbour's own
HISTORY = 100_000  # messages of each of them: more than is taken over meanwhile
LEAST_GOAL, TIMES_IDLE = 10.0, 2  # no later than the greater of both


def run(messages: int, mailboxes: int, *, with_dovecot: bool = True) -> dict[str, Any]:
    """Measure the neighbour's delay beside nothing, a flood, a crowd and first syncs; print and return it."""
    is_real = with_dovecot and has_dovecot()
    with (
        temporary_folder() as folder,
        idle_server() as server,
        _full_server(folder / "full") as full,
        start_installation(folder, with_dovecot=is_real, starting=()) as installation,
    ):
        permit(installation, server.port)
        permit(installation, full.port)
        installation.start()
        installation.settle()
        probe = _Probe(installation)
        figures = {"idle": probe.spread()}
        with _flooding(installation, messages):
            figures[f"beside {messages:,} new messages"] = probe.spread(lambda: _waiting(installation))
        _let_be(installation)
        installation.settle(PATIENCE, in_a_hurry=False)
        add_mailboxes(installation, mailboxes, server.port, are_due=True)
        figures[f"beside {mailboxes:,} due mailboxes"] = probe.spread(lambda: _due(installation))
        _begin_first_syncs(installation, full)
        figures[f"beside {2 * FIRST_SYNCS} first syncs"] = probe.spread(lambda: _left(installation))
    goal = max(LEAST_GOAL, TIMES_IDLE * figures["idle"]["max"])
    rows = [[name, *one.values(), f"≤ {goal:.0f}"] for name, one in figures.items()]
    spreads = ("min", "median", "p95", "max")
    columns = ("seconds", *spreads, "stored: median", "stored: max", "busy with after it", "goal (max)")
    print_table("From append to delivered, for a neighbour", columns, rows)
    return figures | {"goal": goal}


class _Probe:
    """Single messages for the neighbour."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        theirs = installation.theirs
        self._account = replace(installation.account, user=f"neighbour-{installation.account.user}")
        self._author = Author(NEIGHBOURS_ADDRESS, seed=7)
        self._account_id, self._mailbox_id = theirs.account_id, theirs.mailbox_id

    def spread(self, busy: Callable[[], int] = lambda: 0) -> dict[str, float]:
        """How long messages take, until they are stored and until they are delivered; and with how much the
        others were still busy after the last one."""
        delays: list[float] = []
        stored: list[float] = []
        with self._account.session() as session:
            for _ in range(PROBES):
                arrived, delivered = self._arrived(), self._delivered()
                self._account.append(session, self._author.question()[1])
                began = time.monotonic()
                stored.append(self._seconds(began, self._arrived, arrived))
                delays.append(self._seconds(began, self._delivered, delivered))
                time.sleep(BETWEEN_SECONDS)
        until_stored = {f"stored {name}": spread(stored)[name] for name in ("median", "max")}
        return spread(delays) | until_stored | {"busy with": busy()}

    def _seconds(self, began: float, count: Callable[[], int], before: int) -> float:
        while count() == before and time.monotonic() < began + PATIENCE:
            time.sleep(0.01)
        return time.monotonic() - began

    def _arrived(self) -> int:
        query = "SELECT count(*) FROM arrivals WHERE account_id = %s"
        return int(self._installation.value(query, self._account_id))

    def _delivered(self) -> int:
        query = "SELECT count(*) FROM messages WHERE mailbox_id = %s AND direction = 'in'"
        return int(self._installation.value(query, self._mailbox_id))


@contextmanager
def _full_server(folder: Path) -> Iterator[ScriptedImap]:
    """A server whose inbox is large, for whoever comes."""
    folder.mkdir()
    with ScriptedImap(Certificates(folder).good) as server:
        server.keeps_transcript = False
        server.user, server.password = "box", ""
        server.folders = {b"INBOX": Folder.synthetic(HISTORY, SEED)}
        yield server


@contextmanager
def _flooding(installation: Installation, count: int) -> Iterator[None]:
    """So many messages come in for us meanwhile; the end waits until all of them are delivered."""

    def append() -> None:
        for raw in Author(ADDRESS).messages(count):
            installation.append(raw)

    flood = threading.Thread(target=append, daemon=True)
    flood.start()
    yield
    flood.join()
    until = time.monotonic() + PATIENCE
    while _waiting(installation) and time.monotonic() < until:
        time.sleep(BETWEEN_SECONDS)


def _let_be(installation: Installation) -> None:
    """Records and answers of a flood take many minutes, and are not what is measured."""
    with installation.connection() as connection:
        connection.execute("UPDATE messages SET work = 'none' WHERE work = 'pending'")


def _begin_first_syncs(installation: Installation, server: ScriptedImap) -> None:
    for seeded, domain in ((installation.ours, "acme.test"), (installation.theirs, "neighbour.test")):
        add_mailboxes(
            installation,
            FIRST_SYNCS,
            server.port,
            are_due=True,
            of=seeded.organization_id,
            domain=f"full.{domain}",
            imap_user=server.user,
            history="all",
        )


def _left(installation: Installation) -> int:
    """Messages of histories that are not stored yet."""
    return int(installation.value("SELECT coalesce(sum(history_left), 0) FROM folders"))


def _waiting(installation: Installation) -> int:
    """Messages of ours on the server that are not delivered yet."""
    query = "SELECT count(*) FROM messages WHERE mailbox_id = %s AND direction = 'in'"
    return installation.account.count() - int(installation.value(query, installation.ours.mailbox_id))


def _due(installation: Installation) -> int:
    """Mailboxes of ours whose first pass is still to come."""
    query = "SELECT count(*) FROM accounts WHERE organization_id = %s AND synced_at IS NULL"
    return int(installation.value(query, installation.ours.organization_id))
