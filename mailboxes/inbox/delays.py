"""Mailboxes whose messages come late, and why."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from mailboxes.access import readable_ids
from mailboxes.accounts import Account
from mailboxes.system_mailboxes import Mailbox
from tenants.database import db
from tenants.organizations import Membership

NOT_WELL = ("failing", "refused", "disconnected")


@dataclass(frozen=True)
class Delay:
    """A mailbox that is not synchronized at the moment; ``reason`` is a sentence."""

    mailbox_id: UUID
    label: str
    since: datetime | None
    reason: str


def delays(member: Membership) -> list[Delay]:
    """The readable mailboxes whose own account fails or is refused, by label."""
    rows = db.session.execute(
        select(Mailbox.id, Mailbox.label, Account.failing_since, Account.last_error)
        .join(Account, (Account.id == Mailbox.account_id) & (Account.owner_id == Mailbox.account_owner_id))
        .where(
            Mailbox.id.in_(readable_ids(member)), Account.state.in_(("failing", "refused", "disconnected"))
        )
        .order_by(Mailbox.label)
    )
    return [Delay(row.id, row.label, row.failing_since, row.last_error) for row in rows]
