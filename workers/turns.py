"""Whose turn it is: an organization has a few jobs of a queue under way, and no more.

A server or a name that takes long holds the process of its job; without a limit one organization would hold
them all. A place is a lock of the database that ends with the process, so that nobody waits for the dead.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any
from uuid import UUID

from sqlalchemy import text

from tenants.database import current_organization_id, db
from workers import queues

PLACES = {queues.ACTION: 1, queues.OUTGOING: 2}  # fewer than `workers.processes.PROCESSES`

_TAKE = text("SELECT pg_try_advisory_xact_lock(hashtextextended(:name, 0))")


def in_its_turn(queue: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Run a job of this queue where its organization has a place left; else whoever has one rings again."""

    def limited(function: Callable[[], None]) -> Callable[[], None]:
        @wraps(function)
        def run(*args: Any) -> None:
            organization_id = current_organization_id()
            queues.begun(queue, organization_id)
            with place_of(queue, organization_id) as is_mine:
                if is_mine:
                    function(*args)
                else:
                    queues.put_off(queue, organization_id)
            if is_mine:
                queues.ring_for_put_off(queue, organization_id)

        return run

    return limited


@contextmanager
def place_of(queue: str, organization_id: UUID) -> Iterator[bool]:
    """Take a place until the end of the block: whether there was one."""
    with db.engine.connect() as connection, connection.begin():
        names = [f"{queue}:{organization_id}:{number}" for number in range(PLACES[queue])]
        yield any(connection.scalar(_TAKE, {"name": name}) for name in names)
