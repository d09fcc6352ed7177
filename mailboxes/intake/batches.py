"""A batch is read and stored, whoever owns the account: what breaks is set aside, and the others go on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

import psycopg
import structlog
from sqlalchemy.exc import DBAPIError

from mailboxes.intake.arrived import MOST_ATTEMPTS, Waiting, held, mark
from mailboxes.intake.storing import Item, Stored
from mailboxes.parsing import stub_hash
from mailboxes.reading import Reading, read_message
from mailboxes.reading.apart import PoisonError, ReaderApart, failure_text
from mailboxes.reading.limits import ProcessorLimitError, processor_limit
from tenants.database import db

CIRCLES = 3  # tries of a batch that waits in a circle with others: the database sends one of them back
FIRST_READING_SECONDS = 3.0  # of processor, a hundred times what a long message takes; then it is read apart

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Delivered:
    """One committed batch. ``has_work``: something in it waits to be converted or answered; ``is_told``: to
    be told to webhooks."""

    organization_id: UUID | None
    mailbox_id: UUID | None
    new_count: int = 0
    seen_again_count: int = 0
    quarantined_count: int = 0
    has_work: bool = False
    is_told: bool = False


@dataclass(slots=True)
class Outcome:
    """What came of storing a batch; ``failed``: arrivals that are in quarantine instead."""

    stored: Stored = field(default_factory=Stored)
    failed: set[UUID] = field(default_factory=set)

    def add(self, other: "Outcome") -> None:
        """Count another part of the batch."""
        self.stored.new += other.stored.new
        self.stored.made_by |= other.stored.made_by
        self.stored.seen_again += other.stored.seen_again
        self.stored.has_work = self.stored.has_work or other.stored.has_work
        self.stored.is_told = self.stored.is_told or other.stored.is_told
        self.stored.thread_milliseconds += other.stored.thread_milliseconds
        self.stored.store_milliseconds += other.stored.store_milliseconds
        self.failed |= other.failed


def delivered_to(
    organization_id: UUID | None, mailbox_id: UUID, outcome: Outcome, quarantined_count: int = 0
) -> Delivered:
    """What is told of a batch that was stored."""
    return Delivered(
        organization_id,
        mailbox_id,
        new_count=len(outcome.stored.new),
        seen_again_count=outcome.stored.seen_again,
        quarantined_count=quarantined_count + len(outcome.failed),
        has_work=outcome.stored.has_work,
        is_told=outcome.stored.is_told,
    )


def read_all(
    batch: Sequence[Waiting], trusted_authserv_id: str, apart: ReaderApart
) -> tuple[list[Item], int]:
    """What could be read, and how many were quarantined (committed) instead."""
    items = []
    for waiting in batch:
        try:
            reading = _read(waiting, trusted_authserv_id, apart)
        except PoisonError as error:
            _quarantine(waiting, str(error))
        else:
            items.append(Item(waiting, _told_apart(waiting, reading)))
    return items, len(batch) - len(items)


def as_of_now(items: Sequence[Item]) -> list[Item]:
    """The same with what has happened to them on the server since they were taken, `held` as they are."""
    arrivals = held([item.arrival for item in items])
    return [replace(item, arrival=arrivals[item.arrival.id]) for item in items if item.arrival.id in arrivals]


def store_all(items: Sequence[Item], stored: Callable[[Sequence[Item]], Stored]) -> Outcome:
    """Store a batch in one transaction; if one of its messages breaks that, each in its own.

    ``stored`` stores and commits. Nothing for no items.
    """
    if not items:
        return Outcome()
    try:
        return Outcome(_stored_at_last(items, stored))
    except Exception as error:
        if not _is_fault_of_message(error):
            raise
        db.session.rollback()
        if len(items) == 1:
            _quarantine(items[0].arrival, f"storing it failed ({type(error).__name__})")
            log.warning("message cannot be stored", arrival=str(items[0].arrival.id), exc_info=True)
            return Outcome(failed={items[0].arrival.id})
    total = Outcome()
    for item in items:
        total.add(store_all([item], stored))
    return total


def _stored_at_last(items: Sequence[Item], stored: Callable[[Sequence[Item]], Stored]) -> Stored:
    """Stored, if need be after others: what was read is still here, and no message becomes a suspect."""
    for _ in range(CIRCLES - 1):
        try:
            return stored(items)
        except DBAPIError as error:
            if not isinstance(error.orig, psycopg.errors.DeadlockDetected):
                raise
            log.warning("a batch is stored again after a deadlock")
            db.session.rollback()
    return stored(items)


def _read(waiting: Waiting, trusted_authserv_id: str, apart: ReaderApart) -> Reading:
    is_answerable = not waiting.is_history
    if waiting.attempts >= MOST_ATTEMPTS:
        raise PoisonError(f"{waiting.attempts} attempts to deliver it ended with the death of the process")
    if waiting.attempts:
        return apart.read(waiting.raw, trusted_authserv_id, is_answerable=is_answerable)
    try:
        with processor_limit(FIRST_READING_SECONDS):
            return read_message(waiting.raw, trusted_authserv_id, is_answerable=is_answerable)
    except (ProcessorLimitError, MemoryError) as error:
        log.warning("message is read apart", arrival=str(waiting.id), error=type(error).__name__)
        return apart.read(waiting.raw, trusted_authserv_id, is_answerable=is_answerable)
    except Exception as error:
        log.warning("message cannot be read", arrival=str(waiting.id), error=type(error).__name__)
        raise PoisonError(failure_text(error)) from error


def _told_apart(waiting: Waiting, reading: Reading) -> Reading:
    """Of a stub only the header is here, and two messages may have the same: their sizes tell them apart."""
    if not waiting.is_stub:
        return reading
    return replace(reading, stable_hash=stub_hash(reading.stable_hash, waiting.size))


def _quarantine(waiting: Waiting, failure: str) -> None:
    log.warning("message quarantined", arrival=str(waiting.id), failure=failure)
    mark(waiting.id, "quarantined", f"{failure[:1].upper()}{failure[1:]}.")
    db.session.commit()


def _is_fault_of_message(error: Exception) -> bool:
    """Whether another message could be stored: no lost connection, no lock, no full disk."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, psycopg.errors.ProgramLimitExceeded):
        return True  # a value that is too long for an index: PostgreSQL counts it among operational errors
    if isinstance(cause, psycopg.Error):
        return not isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError)
    return not isinstance(cause, OSError | MemoryError)
