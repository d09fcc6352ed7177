"""Mailboxes whose messages come late, and why."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import aliased

from mailboxes.access import is_readable
from mailboxes.accounts import IN_TROUBLE, Account
from mailboxes.system_mailboxes import Mailbox
from tenants.database import db
from tenants.organizations import Membership


@dataclass(frozen=True)
class Delay:
    """A mailbox that is not synchronized at the moment; ``reason`` is a sentence."""

    mailbox_id: UUID
    label: str
    since: datetime | None
    reason: str


def delays(member: Membership) -> list[Delay]:
    """The readable mailboxes whose own account fails or is refused, by label."""
    box = aliased(Mailbox)
    rows = db.session.execute(
        select(box.id, box.label, Account.failing_since, Account.last_error)
        .join(Account, (Account.id == box.account_id) & (Account.owner_id == box.account_owner_id))
        .where(Account.state.in_(IN_TROUBLE), is_readable(member, box.id))
        .order_by(box.label)
    )
    return [Delay(row.id, row.label, row.failing_since, row.last_error) for row in rows]
