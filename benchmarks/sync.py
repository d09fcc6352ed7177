"""How fast a full mailbox is taken over by the whole product, and by others from the same server in one run.

Ours is stored, parsed, threaded, indexed and readable, durably. On a machine that does other things, too, the
processor time of a message says more than any rate.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from redis import Redis
from rq import Worker

from benchmarks.messages import Author
from benchmarks.peers import DJANGO, MBSYNC, RAW, django_mailbox, peers
from benchmarks.processes import family_of, peak_megabytes, postgres_pids, processor_seconds
from benchmarks.tables import print_table
from embedded.folders import temporary_folder
from tests.dovecot import has_dovecot
from tests.faults.installation import Installation, start_installation
from tests.faults.seeding import ADDRESS
from workers.processes import PROCESSES
from workers.queues import QUEUES

PATIENCE = 600.0
LONG_AGO = datetime(2026, 1, 5, tzinfo=UTC)  # history: it makes no records and gets no answers
POLL_SECONDS = 0.1
PROCESSES_IN_ALL = sum(PROCESSES.get(name, 1) for name in QUEUES)
OURS = "Postroom"
GOALS = {
    "÷ mbsync with fsync, at least 2": MBSYNC,
    "÷ the raw limit, at least 1/9 = 0.111": RAW,
    "÷ django-mailbox, at least 20": DJANGO,
}


def run(count: int, *, with_dovecot: bool = True, django: Path | None = None) -> dict[str, Any]:
    """Take over so many messages, print the tables and return the figures.

    ``django``: a Python that has django-mailbox, which then takes part.
    """
    is_real = with_dovecot and has_dovecot()
    with (
        temporary_folder() as folder,
        start_installation(folder, with_dovecot=is_real, history="all", starting=()) as installation,
    ):
        size = installation.account.file_all(Author(ADDRESS).messages(count), LONG_AGO)
        rates = _peers(installation, count, folder) if is_real else {}
        figures = _measured(installation, count, folder) | {"mean size (KB)": size / count / 1024}
        if is_real and django:
            rates[DJANGO] = count / _django_mailbox(django, installation, count, folder)
    server = "Dovecot" if is_real else "the embedded mail server"
    print_table(
        f"First sync of {count:,} messages from {server}, durable", ("what", "figure"), list(figures.items())
    )
    ours = figures["readable (messages/s)"]
    rows = [[name, rate, ours / rate] for name, rate in (rates | {OURS: ours}).items()]
    print_table("Side by side", ("who", "messages/s", f"{OURS} ÷ this"), rows)
    reached = {goal: ours / rates[name] for goal, name in GOALS.items() if name in rates}
    print_table("The goals", ("goal", "reached"), list(reached.items()))
    return {"ours": figures, "messages a second": rates | {OURS: ours}, "goals": reached}


def _peers(installation: Installation, count: int, folder: Path) -> dict[str, float]:
    found = peers(installation.account, count, folder)
    next(iter(found.values()))()  # so that the first one does not pay for what the server keeps
    return {name: count / peer() for name, peer in found.items()}


def _django_mailbox(python: Path, installation: Installation, count: int, folder: Path) -> float:
    installation.stop()
    with installation.connection() as connection:
        connection.execute("CREATE DATABASE django_mailbox")
    url = installation.services.postgres.url(database="django_mailbox").replace("+psycopg", "")
    return django_mailbox(python, installation.account, count, url, folder)


def _measured(installation: Installation, count: int, folder: Path) -> dict[str, Any]:
    installation.start("worker")
    with Redis.from_url(installation.services.redis.url) as redis:
        while Worker.count(redis) < PROCESSES_IN_ALL:  # each waits for jobs
            time.sleep(POLL_SECONDS)
    installation.start("schedule")
    while not installation.value("SELECT max(lease_fence) FROM accounts"):
        time.sleep(0.02)
    used = _used(installation, folder)
    began, stored_at = time.monotonic(), 0.0
    while (told := _told(installation))[1] < count and time.monotonic() < began + PATIENCE:
        stored_at = stored_at or (time.monotonic() if told[0] >= count else 0.0)
        time.sleep(POLL_SECONDS)
    ended = time.monotonic()
    processor = {name: 1000 * (now - used[name]) / count for name, now in _used(installation, folder).items()}
    return {
        "stored (messages/s)": count / ((stored_at or ended) - began),
        "readable (messages/s)": _readable(installation) / (ended - began),
        "seconds": ended - began,
        **{f"processor time of a message, {name} (ms)": used for name, used in processor.items()},
        "processor time of a message (ms)": sum(processor.values()),
        "heaviest process (MB)": max(map(peak_megabytes, _workers(installation))),
    }


def _used(installation: Installation, folder: Path) -> dict[str, float]:
    """Seconds of processor time that each of those has used who have a part in it."""
    of: dict[str, Callable[[], list[int]]] = {
        "workers and schedule": lambda: _workers(installation) + _pids(installation, "schedule"),
        "PostgreSQL": lambda: postgres_pids(folder),
    }
    return {name: processor_seconds(pids()) for name, pids in of.items()}


def _told(installation: Installation) -> tuple[int, int]:
    """How many are stored, and how many of them delivered, as the product says.

    Two rows tell: to count arrivals ten times a second would take from what is measured.
    """
    query = """
        SELECT (SELECT coalesce(sum(history_total - history_left), 0) FROM folders WHERE account_id = %s),
               (SELECT coalesce(sum(history_count), 0) FROM account_hours WHERE account_id = %s)
    """
    account_id = installation.ours.account_id
    stored, delivered = installation.rows(query, account_id, account_id)[0]
    return int(stored), int(delivered)


def _readable(installation: Installation) -> int:
    """How many are delivered, counted one by one in the end."""
    query = "SELECT count(*) FROM arrivals WHERE account_id = %s AND state = 'delivered'"
    return int(installation.value(query, installation.ours.account_id))


def _workers(installation: Installation) -> list[int]:
    return _pids(installation, "worker")


def _pids(installation: Installation, name: str) -> list[int]:
    pid = installation.processes[name].pid
    return family_of(pid) if pid is not None else [0]
