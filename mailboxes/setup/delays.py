"""Mailboxes whose messages come late, and why."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, literal, or_, select
from sqlalchemy.orm import aliased

from mailboxes.access import is_readable
from mailboxes.accounts import IN_TROUBLE, Account
from mailboxes.setup.states import STATES, states_of, why_no_pass
from mailboxes.system_mailboxes import Mailbox
from tenants.database import db, now
from tenants.organizations import Membership

SYSTEMS = "The system cannot read this mailbox at the moment. Its administrators look after it."
MOST_FOUND = 100  # whoever may mend them may have thousands: nobody reads so many, and a page asks often
NEWS = timedelta(minutes=15)  # so long it is said that a mailbox works again


@dataclass(frozen=True)
class Delay:
    """A mailbox that is not synchronized at the moment; ``reason`` is a sentence.

    ``may_act``: whether this member may mend it, on the page of the mailbox.
    """

    mailbox_id: UUID
    label: str
    since: datetime | None
    reason: str
    may_act: bool = False


@dataclass(frozen=True)
class Recovery:
    """A mailbox that was not synchronized, and is again."""

    mailbox_id: UUID
    label: str
    since: datetime


def delays(member: Membership, *, may_manage: bool, mailbox_id: UUID | None = None) -> list[Delay]:
    """Mailboxes whose account fails or is refused, by label: those that the member reads, or may mend.

    One of them, or all, the first `MOST_FOUND`. Of a global account nothing is known but that the system
    cannot read it.
    """
    box = aliased(Mailbox)
    rows = db.session.execute(
        select(
            box.id,
            box.label,
            box.account_id,
            func.coalesce(Account.failing_since, box.unfetched_since).label("since"),
            Account.last_error,
            Account.id.is_not(None).label("is_own"),
        )
        .outerjoin(Account, (Account.id == box.account_id) & (Account.owner_id == box.account_owner_id))
        .where(
            box.is_enabled,
            box.is_served,
            or_(Account.imap_enabled & Account.state.in_(IN_TROUBLE), box.unfetched_since.is_not(None)),
            or_(is_readable(member, box.id), literal(may_manage)),
            literal(mailbox_id is None) | (box.id == mailbox_id),
        )
        .order_by(box.label)
        .limit(MOST_FOUND)
    ).all()
    states = states_of([row.account_id for row in rows]) if rows else {}
    return [_delay(row, states.get(row.account_id, "failing"), may_manage=may_manage) for row in rows]


def recoveries(member: Membership, *, may_manage: bool, mailbox_id: UUID | None = None) -> list[Recovery]:
    """Mailboxes that administrators were told of and that work again since a moment ago, by label; one of
    them, or all, the first `MOST_FOUND`."""
    box = aliased(Mailbox)
    rows = db.session.execute(
        select(box.id, box.label, Account.recovered_at)
        .join(Account, (Account.id == box.account_id) & (Account.owner_id == box.account_owner_id))
        .where(
            box.is_enabled,
            box.is_served,
            Account.state == "ok",
            Account.recovered_at > now() - NEWS,
            or_(is_readable(member, box.id), literal(may_manage)),
            literal(mailbox_id is None) | (box.id == mailbox_id),
        )
        .order_by(box.label)
        .limit(MOST_FOUND)
    )
    return [Recovery(row.id, row.label, row.recovered_at) for row in rows]


def _delay(row: Any, state: str, *, may_manage: bool) -> Delay:
    """As the grid says it: what is switched off is not said to be tried again, nor since when."""
    may_act = may_manage and row.is_own
    if STATES[state][0] == "paused":
        return Delay(row.id, row.label, None, why_no_pass(state), may_act)
    return Delay(row.id, row.label, row.since, row.last_error or SYSTEMS, may_act)
