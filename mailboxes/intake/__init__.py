"""A fetched message becomes a stored one, in its thread (the second of the three transactions).

`deliver` works off what an account has waiting. An attempt is committed before a message is read; one
that cannot be read or stored is quarantined with its raw and the reason, and the next ones go on.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from uuid import UUID

import psycopg
import structlog
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from mailboxes.accounts import Account
from mailboxes.arrivals import Arrival
from mailboxes.crash_points import crash_point
from mailboxes.intake.arrived import (
    MOST_ATTEMPTS,
    Waiting,
    delivering,
    mark,
    mark_delivered,
    next_batch,
)
from mailboxes.intake.storing import Item, Stored, store
from mailboxes.raws import forget_objects, forget_raws
from mailboxes.reading import Reading, read_message
from mailboxes.reading.apart import PoisonError, ReaderApart, failure_text
from mailboxes.system_mailboxes import Mailbox
from tenants.database import db, inside
from tenants.errors import NotFoundError

log = structlog.get_logger()

Told = Callable[["Delivered"], None]


@dataclass(frozen=True, slots=True)
class Delivered:
    """One committed batch. ``has_work``: something in it waits to be converted or answered."""

    organization_id: UUID | None
    mailbox_id: UUID | None
    new_count: int = 0
    seen_again_count: int = 0
    quarantined_count: int = 0
    has_work: bool = False


@dataclass(frozen=True, slots=True)
class _Destination:
    """The mailbox that an account's arrivals go to; none: they are held (*unrouted*)."""

    organization_id: UUID | None
    mailbox_id: UUID | None
    trusted_authserv_id: str
    account: Account

    @property
    def is_moved(self) -> bool:
        """Whether the account is global, so that the bytes move into an organization."""
        return self.account.organization_id is None


def deliver(account_id: UUID, told: Told | None = None, *, most: int | None = None) -> list[Delivered]:
    """Deliver what waits for an account; commits in between. ``told`` hears of each batch.

    At most ``most`` batches, if that is given: as many of them as that means that more may wait.
    The session is bound to the account's owner: its organization, or the installation.
    """
    batches: list[Delivered] = []
    with delivering(account_id) as is_ours, ReaderApart() as apart:
        if not is_ours:
            return batches
        destination = _destination(account_id)
        for batch in islice(_batches(account_id), most):
            delivered = _deliver(destination, batch, apart)
            batches.append(delivered)
            if told is not None:
                told(delivered)
    return batches


def process_again(arrival_id: UUID) -> UUID:
    """Let a quarantined arrival of the bound owner try again; returns its account, to ring for.

    The caller commits. `NotFoundError` if there is no such arrival in quarantine.
    """
    arrival = db.session.scalar(
        select(Arrival).where(Arrival.id == arrival_id, Arrival.state == "quarantined").with_for_update()
    )
    if arrival is None or arrival.raw_id is None:
        raise NotFoundError
    arrival.state, arrival.attempts, arrival.failure = "stored", 1, ""
    return arrival.account_id


def _destination(account_id: UUID) -> _Destination:
    account = db.session.scalars(
        select(Account).where(Account.id == account_id).execution_options(populate_existing=True)
    ).one()
    organization_id = account.organization_id or account.home_organization_id
    if organization_id is None:
        return _Destination(None, None, "", account)
    query = select(Mailbox).where(Mailbox.account_id == account_id)
    if account.organization_id is not None:
        mailbox = db.session.scalar(query)
    else:
        with inside(organization_id) as session:
            mailbox = session.scalar(query)
    if mailbox is None:
        return _Destination(organization_id, None, "", account)
    return _Destination(organization_id, mailbox.id, mailbox.trusted_authserv_id, account)


def _batches(account_id: UUID) -> Iterator[list[Waiting]]:
    """Batches with their attempt committed, until nothing waits."""
    while (batch := next_batch(account_id)) is not None:
        db.session.commit()
        crash_point("attempts counted")
        if batch:
            yield batch
    db.session.commit()


def _deliver(destination: _Destination, batch: list[Waiting], apart: ReaderApart) -> Delivered:
    if destination.mailbox_id is None:
        return _hold(destination, batch)
    crash_point("before parsing")
    items, quarantined = _read_all(destination, batch, apart)
    crash_point("after parsing")
    stored = Stored()
    if items:
        stored, more = _store_all(destination, items)
        quarantined += more
    return Delivered(
        destination.organization_id,
        destination.mailbox_id,
        new_count=len(stored.new),
        seen_again_count=stored.seen_again,
        quarantined_count=quarantined,
        has_work=stored.has_work,
    )


def _hold(destination: _Destination, batch: list[Waiting]) -> Delivered:
    """No organization takes these messages: they are kept outside all of them."""
    for waiting in batch:
        mark(waiting.id, "unrouted", "No mailbox reads this account.")
    db.session.commit()
    return Delivered(destination.organization_id, None)


# --- reading ---------------------------------------------------------------------------------


def _read_all(destination: _Destination, batch: list[Waiting], apart: ReaderApart) -> tuple[list[Item], int]:
    """What could be read, and how many were quarantined (committed) instead."""
    items = []
    for waiting in batch:
        try:
            items.append(Item(waiting, _read(destination, waiting, apart)))
        except PoisonError as error:
            _quarantine(waiting, str(error))
    return items, len(batch) - len(items)


def _read(destination: _Destination, waiting: Waiting, apart: ReaderApart) -> Reading:
    with_language = not waiting.is_history
    if waiting.attempts >= MOST_ATTEMPTS:
        raise PoisonError(f"{waiting.attempts} attempts to deliver it ended with the death of the process")
    if waiting.attempts:
        return apart.read(waiting.raw, destination.trusted_authserv_id, with_language=with_language)
    try:
        return read_message(waiting.raw, destination.trusted_authserv_id, with_language=with_language)
    except Exception as error:
        log.warning("message cannot be read", arrival=str(waiting.id), error=type(error).__name__)
        raise PoisonError(failure_text(error)) from error


def _quarantine(waiting: Waiting, failure: str) -> None:
    log.warning("message quarantined", arrival=str(waiting.id), failure=failure)
    mark(waiting.id, "quarantined", f"{failure[:1].upper()}{failure[1:]}.")
    db.session.commit()


# --- storing ---------------------------------------------------------------------------------


def _store_all(destination: _Destination, items: list[Item]) -> tuple[Stored, int]:
    """Store a batch in one transaction; if one of its messages breaks that, each in its own."""
    try:
        return _stored(destination, items), 0
    except Exception as error:
        if not _is_fault_of_message(error):
            raise
        db.session.rollback()
        if len(items) == 1:
            _quarantine(items[0].arrival, f"storing it failed ({type(error).__name__})")
            log.warning("message cannot be stored", arrival=str(items[0].arrival.id), exc_info=True)
            return Stored(), 1
    return _stored_singly(destination, items)


def _stored_singly(destination: _Destination, items: list[Item]) -> tuple[Stored, int]:
    total, quarantined = Stored(), 0
    for item in items:
        stored, failed = _store_all(destination, [item])
        total.new += stored.new
        total.seen_again += stored.seen_again
        total.has_work = total.has_work or stored.has_work
        quarantined += failed
    return total, quarantined


def _stored(destination: _Destination, items: Sequence[Item]) -> Stored:
    arrivals = [item.arrival for item in items]
    if destination.mailbox_id is None or destination.organization_id is None:
        raise RuntimeError("there is no mailbox to store into")
    if not destination.is_moved:
        stored = store(destination.mailbox_id, destination.account, items)
        mark_delivered(arrivals)
        crash_point("before commit of delivery")
        db.session.commit()
        crash_point("after commit of delivery")
        return stored
    with inside(destination.organization_id) as session:
        stored = store(destination.mailbox_id, destination.account, items)
        crash_point("before commit of delivery")
        session.commit()
    crash_point("between organization and installation")
    _let_go(arrivals)
    return stored


def _let_go(arrivals: Sequence[Waiting]) -> None:
    """The bytes have moved into the organization: the installation keeps the arrivals and their hashes."""
    mark_delivered(arrivals, keeps_raw=False)
    objects = forget_raws([arrival.raw_id for arrival in arrivals])
    db.session.commit()
    if objects:
        forget_objects(objects)
        db.session.commit()


def _is_fault_of_message(error: Exception) -> bool:
    """Whether another message could be stored: no lost connection, no lock, no full disk."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, psycopg.Error):
        return not isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError)
    return not isinstance(cause, OSError | MemoryError)
