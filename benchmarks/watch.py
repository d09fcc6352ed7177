"""What one watcher weighs and takes with thousands of idling mailboxes, and how soon it rings."""

import random
import time
from typing import Any

import redis
from psycopg import Connection

from benchmarks.crowds import IdleServer, add_mailboxes, idle_server, permit
from benchmarks.processes import postgres_pids, processor_seconds, resident_megabytes
from benchmarks.tables import print_table, spread
from embedded.folders import temporary_folder
from tests.faults.installation import Installation, start_installation
from workers import queues

PATIENCE = 900.0
QUIET_SECONDS = 30.0
EVENTS = 50
SYNC_QUEUE = f"rq:queue:{queues.SYNC}"
GOALS = {"resident (MB)": "≤ 200", "event to job, p95 (s)": "≤ 0.3"}


def run(count: int) -> dict[str, Any]:
    """Watch so many mailboxes in one process, print the table and return the figures."""
    with (
        temporary_folder() as folder,
        idle_server() as server,
        start_installation(folder, with_dovecot=False, starting=()) as installation,
    ):
        permit(installation, server.port)
        add_mailboxes(installation, count, server.port, are_due=False)
        began = time.monotonic()
        installation.start("watch")
        pid = installation.processes["watch"].pid or 0
        _wait_until_idling(server, count)
        connected = time.monotonic() - began
        _wait_until_silent(installation)
        used, database = processor_seconds([pid]), processor_seconds(postgres_pids(folder))
        time.sleep(QUIET_SECONDS)
        share = (processor_seconds([pid]) - used) / QUIET_SECONDS
        database_share = (processor_seconds(postgres_pids(folder)) - database) / QUIET_SECONDS
        delays = spread(_delays(installation, server, count))
        figures = {
            "mailboxes": count,
            "resident (MB)": resident_megabytes(pid),
            "seconds until all idle": connected,
            "processor while nothing happens (share of a core)": share,
            "the same of PostgreSQL": database_share,
            "event to job, median (s)": delays["median"],
            "event to job, p95 (s)": delays["p95"],
        }
    rows = [[name, figure, GOALS.get(name, "")] for name, figure in figures.items()]
    print_table("One watcher, idling at a scripted server", ("what", "figure", "goal"), rows)
    return figures


def _wait_until_idling(server: IdleServer, count: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while server.idling_count() < count and time.monotonic() < deadline:
        time.sleep(0.5)


def _wait_until_silent(installation: Installation) -> None:
    """Every mailbox is rung for when its watch begins; then its pass is over, and nothing is to be done."""
    with _redis(installation) as client:
        before, deadline = -1, time.monotonic() + PATIENCE
        while (waiting := client.llen(SYNC_QUEUE)) != before and time.monotonic() < deadline:
            before = waiting
            time.sleep(5)
        client.flushall()
    with installation.connection() as connection:
        _end_passes(connection)


def _end_passes(connection: Connection[tuple[Any, ...]]) -> None:
    """No worker gives the leases back, and an organization may have so many passes and no more."""
    connection.execute(
        "UPDATE accounts SET lease_expires_at = now() - interval '1 second' WHERE lease_expires_at >= now()"
    )


def _delays(installation: Installation, server: IdleServer, count: int) -> list[float]:
    chance, delays = random.Random(1), []
    with _redis(installation) as client, installation.connection() as connection:
        for number in chance.sample(range(count), min(EVENTS, count)):
            client.delete(SYNC_QUEUE)
            began = time.monotonic()
            server.ring(number)
            while not client.llen(SYNC_QUEUE) and time.monotonic() < began + 10:
                time.sleep(0.002)
            delays.append(time.monotonic() - began)
            _end_passes(connection)
    return delays


def _redis(installation: Installation) -> "redis.Redis":
    return redis.Redis.from_url(installation.services.redis.url)
