"""Mailboxes whose messages come late, and why."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, literal, or_, select
from sqlalchemy.orm import aliased

from mailboxes.access import is_readable
from mailboxes.accounts import IN_TROUBLE, Account
from mailboxes.system_mailboxes import Mailbox
from tenants.database import db, now
from tenants.organizations import Membership

SYSTEMS = "The system cannot read this mailbox at the moment. Its administrators look after it."
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


def delays(member: Membership, *, may_manage: bool) -> list[Delay]:
    """Mailboxes whose account fails or is refused, by label: those that the member reads, or may mend.

    Of a global account nothing is known but that the system cannot read it.
    """
    box = aliased(Mailbox)
    rows = db.session.execute(
        select(
            box.id,
            box.label,
            func.coalesce(Account.failing_since, box.unfetched_since).label("since"),
            func.coalesce(Account.last_error, SYSTEMS).label("reason"),
            Account.id.is_not(None).label("is_own"),
        )
        .outerjoin(Account, (Account.id == box.account_id) & (Account.owner_id == box.account_owner_id))
        .where(
            box.is_enabled,
            box.is_served,
            or_(Account.state.in_(IN_TROUBLE), box.unfetched_since.is_not(None)),
            or_(is_readable(member, box.id), literal(may_manage)),
        )
        .order_by(box.label)
    )
    return [Delay(row.id, row.label, row.since, row.reason, may_manage and row.is_own) for row in rows]


def recoveries(member: Membership, *, may_manage: bool) -> list[Recovery]:
    """Mailboxes that administrators were told of and that work again since a moment ago, by label."""
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
        )
        .order_by(box.label)
    )
    return [Recovery(row.id, row.label, row.recovered_at) for row in rows]
