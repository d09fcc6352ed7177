"""A fetched message becomes a stored one, in its thread (the second of the three transactions).

`deliver` works off what an account has waiting. An attempt is committed before a message is read; one
that cannot be read or stored is quarantined with its raw and the reason, and the next ones go on.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from uuid import UUID

from sqlalchemy import select

from mailboxes.accounts import Account, account_now
from mailboxes.arrivals import SHARES, Bells, delivering_a_share
from mailboxes.crash_points import crash_point
from mailboxes.intake.arrived import Waiting, mark_delivered, mark_unrouted, next_batch
from mailboxes.intake.batches import Delivered, as_of_now, delivered_to, read_all, store_all
from mailboxes.intake.counted import count_delivered
from mailboxes.intake.routed import deliver_to_organizations
from mailboxes.intake.storing import Item, Stored, held_mailbox, store
from mailboxes.reading.apart import ReaderApart
from mailboxes.system_mailboxes import Mailbox
from tenants.database import db

__all__ = ["Delivered", "deliver"]

Told = Callable[[Delivered], None]
Turn = Callable[[int], bool]


def deliver(
    account_id: UUID,
    told: Told | None = None,
    *,
    is_turn_over: Turn = lambda batches: False,
    bells: Bells | None = None,
) -> list[Delivered]:
    """Deliver what waits for an account; commits in between. ``told`` hears of each organization's batch.

    ``is_turn_over``: asked after each batch, with how many there were; more may wait where it says so.
    Two may do so at once: each has its share of the history. ``bells``: what others have is left to them, who
    ring when they have ended; without it, they are waited for. The session is bound to the account's owner:
    its organization, or the installation.
    """
    all_delivered: list[Delivered] = []
    had: set[int] = set()
    batches = 0
    with ReaderApart() as apart:
        while len(had) < SHARES:
            with delivering_a_share(account_id, had, bells) as share:
                if share is None:
                    break
                had.add(share)
                account = account_now(account_id)
                for batch in _batches(account_id, share):
                    for delivered in _delivered(account, batch, apart):
                        all_delivered.append(delivered)
                        if told is not None:
                            told(delivered)
                    batches += 1
                    if is_turn_over(batches):
                        return all_delivered
    return all_delivered


def _batches(account_id: UUID, share: int) -> Iterator[list[Waiting]]:
    """Batches with their attempt committed, until nothing waits."""
    while (batch := next_batch(account_id, share)) is not None:
        db.session.commit()
        crash_point("attempts counted")
        if batch:
            yield batch
    db.session.commit()


def _delivered(account: Account, batch: list[Waiting], apart: ReaderApart) -> Iterable[Delivered]:
    if account.organization_id is None:
        return deliver_to_organizations(account, batch, apart)
    mailbox = db.session.scalar(select(Mailbox).where(Mailbox.account_id == account.id))
    return [_hold(account, batch) if mailbox is None else _deliver(mailbox, account, batch, apart)]


def _deliver(mailbox: Mailbox, account: Account, batch: list[Waiting], apart: ReaderApart) -> Delivered:
    organization_id, mailbox_id = mailbox.organization_id, mailbox.id
    crash_point("before parsing")
    items, quarantined = read_all(batch, mailbox.trusted_authserv_id, apart)
    crash_point("after parsing")
    outcome = store_all(items, partial(_stored, mailbox_id, account))
    return delivered_to(organization_id, mailbox_id, outcome, quarantined)


def _hold(account: Account, batch: list[Waiting]) -> Delivered:
    """The mailbox is gone, and its account is about to go: nothing is thrown away meanwhile."""
    for waiting in batch:
        mark_unrouted(waiting.id, "No mailbox reads this account.")
    db.session.commit()
    return Delivered(account.organization_id, None)


def _stored(mailbox_id: UUID, account: Account, items: Sequence[Item]) -> Stored:
    mailbox = held_mailbox(mailbox_id)
    items = as_of_now(items)
    stored = store(mailbox, account, items)
    mark_delivered([item.arrival for item in items])
    count_delivered(account, items, stored)
    crash_point("before commit of delivery")
    db.session.commit()
    crash_point("after commit of delivery")
    return stored
