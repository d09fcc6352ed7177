"""How fast a full mailbox is taken over by the whole product: stored, parsed, threaded and indexed."""

import time
from datetime import UTC, datetime
from typing import Any

from benchmarks.messages import Author
from benchmarks.processes import family_of, resident_megabytes
from benchmarks.tables import print_table
from embedded.folders import temporary_folder
from tests.faults.installation import ADDRESS, Installation, has_dovecot, start_installation

PATIENCE = 600.0
LONG_AGO = datetime(2026, 1, 5, tzinfo=UTC)  # history: it makes no records and gets no answers
POLL_SECONDS = 0.1


def run(count: int, *, with_dovecot: bool = True) -> dict[str, Any]:
    """Take over so many messages, print the table and return the figures."""
    is_real = with_dovecot and has_dovecot()
    with (
        temporary_folder() as folder,
        start_installation(folder, with_dovecot=is_real, history="all", starting=()) as installation,
    ):
        size = 0
        for raw in Author(ADDRESS).messages(count):
            installation.append(raw, received_at=LONG_AGO)
            size += len(raw)
        figures = _measured(installation, count) | {"mean size (KB)": size / count / 1024}
    server = "Dovecot" if is_real else "the embedded mail server"
    print_table(
        f"First sync of {count:,} messages from {server}, durable", ("what", "figure"), list(figures.items())
    )
    return figures


def _measured(installation: Installation, count: int) -> dict[str, Any]:
    installation.start("worker")
    while len(installation.queue_workers()) < 4:
        time.sleep(POLL_SECONDS)
    installation.start("schedule")
    while not installation.value("SELECT max(lease_fence) FROM accounts"):
        time.sleep(0.02)
    began, stored_at, heaviest = time.monotonic(), 0.0, 0.0
    while (counts := _counts(installation))[1] < count and time.monotonic() < began + PATIENCE:
        stored_at = stored_at or (time.monotonic() if counts[0] >= count else 0.0)
        heaviest = max(heaviest, *(resident_megabytes(pid) for pid in _workers(installation)))
        time.sleep(POLL_SECONDS)
    ended = time.monotonic()
    return {
        "stored (messages/s)": count / ((stored_at or ended) - began),
        "readable (messages/s)": counts[1] / (ended - began),
        "seconds": ended - began,
        "heaviest process (MB)": heaviest,
    }


def _counts(installation: Installation) -> tuple[int, int]:
    """How many are stored, and how many of them delivered."""
    query = "SELECT count(*), count(*) FILTER (WHERE state <> 'stored') FROM arrivals WHERE account_id = %s"
    stored, delivered = installation.rows(query, installation.ours.account_id)[0]
    return stored, delivered


def _workers(installation: Installation) -> list[int]:
    pid = installation.processes["worker"].pid
    return family_of(pid) if pid is not None else [0]
