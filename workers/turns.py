"""Whose turn it is: an organization has a few jobs of a queue under way, and no more.

A server or a name that takes long holds the process of its job; without a limit one organization would hold
them all. A place is a lock of the database that ends with the process, or soon after the time of its job,
so that nobody waits for the dead.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from typing import Any
from uuid import UUID

from tenants.database import current_organization_id
from tenants.database.locks import lock_holder, try_lock
from workers import queues

PLACES = {
    queues.ACTION: 1,
    queues.OUTGOING: 2,
    queues.WEBHOOKS: 1,
}  # fewer than `workers.processes.PROCESSES`
SECONDS_TO_END = 60  # after the time of a job, before its place is taken back


def in_its_turn(queue: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Run a job of this queue where its organization has a place left; else whoever has one rings again."""

    def limited(function: Callable[[], None]) -> Callable[[], None]:
        @wraps(function)
        def run(*args: Any) -> None:
            organization_id = current_organization_id()
            queues.begun(queue, organization_id)
            work = partial(function, *args)
            if not _is_done_in_a_place(queue, organization_id, work):
                queues.put_off(queue, organization_id)
                _is_done_in_a_place(queue, organization_id, work)  # whoever had it may have ended meanwhile

        return run

    return limited


@contextmanager
def place_of(queue: str, organization_id: UUID) -> Iterator[bool]:
    """Take a place until the end of the block: whether there was one."""
    with lock_holder(queues.SECONDS[queue] + SECONDS_TO_END) as connection:
        names = [f"{queue}:{organization_id}:{number}" for number in range(PLACES[queue])]
        yield any(try_lock(connection, name) for name in names)


def _is_done_in_a_place(queue: str, organization_id: UUID, work: Callable[[], None]) -> bool:
    is_mine = False
    try:
        with place_of(queue, organization_id) as is_mine:
            if is_mine:
                work()
    finally:
        if is_mine:
            queues.ring_for_put_off(queue, organization_id)
    return is_mine
