"""Who may read which mailbox and message, and why (wall four).

Every list, search, count, event and download goes through `readable_mailboxes`. Access is the union
of what a member's roles and the member themselves are granted.
"""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, Select, exists, or_, select

from mailboxes.messages import Message
from mailboxes.system_mailboxes import Mailbox, MailboxGrant
from mailboxes.threads import Thread
from tenants.database import db
from tenants.errors import ForbiddenError, NotFoundError
from tenants.organizations import Membership, MembershipRole, active_members
from tenants.permissions import Role

REPLY = "reply"


@dataclass(frozen=True)
class Access:
    """A person who may see a mailbox: how far, and the reasons in words."""

    member: Membership
    level: str
    reasons: tuple[str, ...]


def readable_mailboxes(member: Membership) -> Select[Mailbox]:
    """Enabled mailboxes that this member may read, by label."""
    return (
        select(Mailbox)
        .where(Mailbox.is_enabled, exists(_grants_of(member).where(_is_on_mailbox())))
        .order_by(Mailbox.label)
    )


def readable_mailbox(member: Membership, id: UUID) -> Mailbox:
    """The mailbox, if this member may read it; `NotFoundError` otherwise."""
    mailbox = db.session.scalar(readable_mailboxes(member).where(Mailbox.id == id))
    if mailbox is None:
        raise NotFoundError
    return mailbox


def readable_thread(member: Membership, id: UUID) -> Thread:
    """The conversation, if this member may read its mailbox; `NotFoundError` otherwise."""
    thread = db.session.scalar(
        select(Thread).where(Thread.id == id, Thread.mailbox_id.in_(readable_ids(member)))
    )
    if thread is None:
        raise NotFoundError
    return thread


def readable_message(member: Membership, id: UUID) -> Message:
    """The message, if this member may read its mailbox; `NotFoundError` otherwise."""
    message = db.session.scalar(
        select(Message).where(Message.id == id, Message.mailbox_id.in_(readable_ids(member)))
    )
    if message is None:
        raise NotFoundError
    return message


def readable_ids(member: Membership) -> Select[UUID]:
    """Ids of the mailboxes this member may read, as a subquery."""
    return readable_mailboxes(member).order_by(None).with_only_columns(Mailbox.id)


def may_reply(member: Membership, mailbox_id: UUID) -> bool:
    """Whether this member may answer from this mailbox."""
    granted = _grants_of(member).where(MailboxGrant.mailbox_id == mailbox_id, MailboxGrant.level == REPLY)
    return member.is_active and db.session.scalar(select(exists(granted))) is True


def demand_reply(member: Membership, mailbox_id: UUID) -> None:
    """`NotFoundError` without read access, `ForbiddenError` without the right to reply."""
    readable_mailbox(member, mailbox_id)
    if not may_reply(member, mailbox_id):
        raise ForbiddenError("You may read this mailbox, but not reply from it.")


def people_with_access(mailbox: Mailbox) -> list[Access]:
    """Everybody who may see a mailbox, by name, each with all reasons ("through role Sales")."""
    return [
        Access(member, level, reasons)
        for member in db.session.scalars(active_members())
        for level, reasons in [_reasons(member, mailbox)]
        if reasons
    ]


def is_granted(member: Membership, mailbox: Mailbox) -> bool:
    """Whether an active member has access to a mailbox, be it paused or not."""
    return member.is_active and bool(_reasons(member, mailbox)[1])


def explain(member: Membership, mailbox: Mailbox) -> tuple[str, ...]:
    """Why a member may see a mailbox; ``("not granted",)`` if not."""
    return _reasons(member, mailbox)[1] or ("not granted",)


def _reasons(member: Membership, mailbox: Mailbox) -> tuple[str, tuple[str, ...]]:
    rows = db.session.execute(
        select(MailboxGrant.level, Role.name)
        .outerjoin(
            Role,
            (Role.organization_id == MailboxGrant.organization_id) & (Role.id == MailboxGrant.role_id),
        )
        .where(MailboxGrant.mailbox_id == mailbox.id, _is_granted_to(member))
        .order_by(Role.name)
    ).all()
    level = REPLY if any(row.level == REPLY for row in rows) else "read"
    return level, tuple(f"through role {row.name}" if row.name else "granted personally" for row in rows)


def _grants_of(member: Membership) -> Select[UUID]:
    return select(MailboxGrant.id).where(_is_granted_to(member))


def _is_granted_to(member: Membership) -> ColumnElement[bool]:
    held = select(MembershipRole.role_id).where(MembershipRole.membership_id == member.id)
    return or_(MailboxGrant.membership_id == member.id, MailboxGrant.role_id.in_(held))


def _is_on_mailbox() -> ColumnElement[bool]:
    return (MailboxGrant.organization_id == Mailbox.organization_id) & (MailboxGrant.mailbox_id == Mailbox.id)
