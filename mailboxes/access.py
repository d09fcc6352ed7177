"""Who may read which mailbox and message, and why (wall four).

Access is the union of what a member's roles and the member themselves are granted. `grants_in_effect` says
so, once: every list, search, count, event and download asks it through `readable_mailboxes`, and whoever
explains access (`explained`, `members_with_access`, `mailboxes.setup.granting`) reads the same rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    SQLColumnExpression,
    Subquery,
    Uuid,
    cast,
    exists,
    func,
    null,
    select,
    true,
    union_all,
)
from sqlalchemy.orm import Session

from mailboxes.messages import Message
from mailboxes.system_mailboxes import Mailbox, MailboxGrant
from mailboxes.threads import Thread
from tenants.database import db, is_one_of, searching
from tenants.errors import ForbiddenError, NotFoundError
from tenants.organizations import Membership, MembershipRole, active_members, members_found
from tenants.people import demand_for_grants
from tenants.permissions import Role

READ, REPLY = "read", "reply"
PERSONALLY = "granted personally"
MOST_COUNTED = 250
MANAGES_MAILBOXES = "mailbox.manage"


@dataclass(frozen=True)
class Access:
    """A person who may see a mailbox: how far, and the reasons in words."""

    member: Membership
    level: str
    reasons: tuple[str, ...]


def grants_in_effect(thought_of: FromClause | None = None) -> Subquery:
    """Every grant for every member whom it reaches: personally, or through a role that they hold.

    Of the stored grants, or of others with the same columns that are only ``thought_of``. Its columns:
    organization_id, mailbox_id, membership_id, level, role_id (null where it is personal).
    """
    grants: Any = MailboxGrant if thought_of is None else thought_of.c
    personal = select(
        grants.organization_id,
        grants.mailbox_id,
        grants.membership_id,
        grants.level,
        cast(null(), Uuid).label("role_id"),
    ).where(grants.membership_id.is_not(None))
    by_role = select(
        grants.organization_id, grants.mailbox_id, MembershipRole.membership_id, grants.level, grants.role_id
    ).join(
        MembershipRole,
        (MembershipRole.organization_id == grants.organization_id)
        & (MembershipRole.role_id == grants.role_id),
    )
    return union_all(personal, by_role).subquery("in_effect")


@demand_for_grants
def roles_that_open_mailboxes(chosen: Sequence[Role], by: frozenset[str]) -> dict[UUID, str]:
    """A role may open mailboxes: only who may grant mailboxes gives or takes such a role."""
    if MANAGES_MAILBOXES in by:
        return {}
    opening = exists().where(
        MailboxGrant.role_id == Role.id, MailboxGrant.organization_id == Role.organization_id
    )
    query = select(Role.id, Role.name).where(Role.id.in_([role.id for role in chosen]), opening)
    return {
        id: f"You cannot give or take the role {name}: it opens mailboxes, and you may not grant those."
        for id, name in db.session.execute(query.order_by(Role.name))
    }


def readable_mailboxes(member: Membership) -> Select[Mailbox]:
    """Enabled mailboxes that this member may read, by label, and those that only the system stopped."""
    is_open = Mailbox.is_enabled | ~Mailbox.is_served
    return select(Mailbox).where(is_open, _is_granted(member)).order_by(Mailbox.label)


def mailboxes_to_write_from(member: Membership, words: str = "") -> Select[Mailbox]:
    """Mailboxes that this member may send from, and that have all the words, by label."""
    query = readable_mailboxes(member).where(Mailbox.is_served, _is_granted(member, REPLY))
    return query.where(*has_words(words))


def has_words(words: str) -> list[ColumnElement[bool]]:
    """Whether a `Mailbox` has each of these words in its label or address."""
    return searching.has_words(words, Mailbox.label, Mailbox.address)


def readable_mailbox(member: Membership, id: UUID) -> Mailbox:
    """The mailbox, if this member may read it; `NotFoundError` otherwise."""
    mailbox = db.session.scalar(readable_mailboxes(member).where(Mailbox.id == id))
    if mailbox is None:
        raise NotFoundError
    return mailbox


def readable_thread(member: Membership, id: UUID) -> Thread:
    """The conversation, if this member may read its mailbox; `NotFoundError` otherwise."""
    thread = db.session.scalar(select(Thread).where(Thread.id == id, is_readable(member, Thread.mailbox_id)))
    if thread is None:
        raise NotFoundError
    return thread


def readable_message(member: Membership, id: UUID) -> Message:
    """The message, if this member may read its mailbox; `NotFoundError` otherwise."""
    message = db.session.scalar(
        select(Message).where(Message.id == id, is_readable(member, Message.mailbox_id))
    )
    if message is None:
        raise NotFoundError
    return message


def readable_ids(member: Membership) -> Select[UUID]:
    """Ids of the mailboxes this member may read, as a subquery."""
    return readable_mailboxes(member).order_by(None).with_only_columns(Mailbox.id)


def is_readable(member: Membership, mailbox_id: SQLColumnExpression[UUID]) -> ColumnElement[bool]:
    """Whether a row is in a mailbox that this member may read, asked of one row after the other.

    For a few rows that an order or an index finds: then nobody goes through thousands of mailboxes. Of a
    mailbox's own row, `aliased` is asked.
    """
    box = readable_ids(member).where(Mailbox.id == mailbox_id).limit(1)
    return box.correlate_except(Mailbox).scalar_subquery().is_not(None)


def may_reply(member: Membership, mailbox_id: UUID) -> bool:
    """Whether this member may answer from this mailbox."""
    if not member.is_active or access_of(mailbox_id, [member])[0].level != REPLY:
        return False
    return bool(db.session.scalar(select(Mailbox.is_served).where(Mailbox.id == mailbox_id)))


def demand_reply(member: Membership, mailbox_id: UUID) -> None:
    """`NotFoundError` without read access, `ForbiddenError` without the right to reply."""
    mailbox = readable_mailbox(member, mailbox_id)
    if not mailbox.is_served:
        raise ForbiddenError("The system no longer serves this mailbox: nothing is sent from it.")
    if not may_reply(member, mailbox_id):
        raise ForbiddenError("You may read this mailbox, but not reply from it.")


def members_with_access(mailbox: Mailbox, words: str = "") -> Select[Membership]:
    """Active members of a name who may see a mailbox (once it is not paused), by name."""
    reaching = grants_in_effect()
    return members_found(words).where(
        Membership.id.in_(select(reaching.c.membership_id).where(reaching.c.mailbox_id == mailbox.id))
    )


def access_of(
    mailbox_id: UUID, members: Sequence[Membership], reaching: Subquery | None = None
) -> list[Access]:
    """What these members may do in a mailbox and why, in their order; who has no access has no reasons.

    ``reaching`` are other grants in effect than the stored ones.
    """
    found = _reasons(mailbox_id, [member.id for member in members], reaching)
    return [_access(member, found.get(member.id, [])) for member in members]


def people_counts(session: Session, mailbox_ids: Sequence[UUID]) -> dict[UUID, int]:
    """How many active members may see each of these mailboxes; above `MOST_COUNTED`, some number above it.

    A role may have many members and be granted everywhere: each role is only looked into so far.
    """
    granted = select(MailboxGrant).where(is_one_of(MailboxGrant.mailbox_id, mailbox_ids)).subquery()
    active = active_members().order_by(None)
    granted_roles = select(granted.c.organization_id, granted.c.role_id).distinct().subquery()
    holders = (
        active.with_only_columns(MembershipRole.organization_id, MembershipRole.role_id, Membership.id)
        .join(
            MembershipRole,
            (MembershipRole.organization_id == Membership.organization_id)
            & (MembershipRole.membership_id == Membership.id),
        )
        .where(
            MembershipRole.organization_id == granted_roles.c.organization_id,
            MembershipRole.role_id == granted_roles.c.role_id,
        )
        .limit(MOST_COUNTED + 1)
        .lateral()
    )
    of_role = (granted.c.organization_id == holders.c.organization_id) & (
        granted.c.role_id == holders.c.role_id
    )
    of_member = (granted.c.organization_id == Membership.organization_id) & (
        granted.c.membership_id == Membership.id
    )
    reached = union_all(
        select(granted.c.mailbox_id, holders.c.id)
        .select_from(granted_roles.join(holders, true()))
        .join(granted, of_role),
        active.with_only_columns(granted.c.mailbox_id, Membership.id).join(granted, of_member),
    ).subquery()
    query = select(reached.c.mailbox_id, func.count(reached.c.id.distinct()))
    return {row[0]: row[1] for row in session.execute(query.group_by(reached.c.mailbox_id))}


def mailboxes_of_role(role_id: UUID) -> Select[Mailbox]:
    """Mailboxes that a role is granted, by label."""
    granted = select(MailboxGrant.mailbox_id).where(MailboxGrant.role_id == role_id)
    return select(Mailbox).where(Mailbox.id.in_(granted)).order_by(Mailbox.label)


def is_granted(member: Membership, mailbox: Mailbox) -> bool:
    """Whether an active member has access to a mailbox, be it paused or not."""
    return member.is_active and bool(explained(member, mailbox).reasons)


def explained(member: Membership, mailbox: Mailbox) -> Access:
    """How far a member may see a mailbox, and why; without reasons they may not."""
    return access_of(mailbox.id, [member])[0]


def _is_granted(member: Membership, level: str | None = None) -> ColumnElement[bool]:
    """Whether a grant of this level (or of any) opens a `Mailbox` to a member."""
    reaching = grants_in_effect()
    query = exists().where(
        reaching.c.membership_id == member.id,
        reaching.c.organization_id == Mailbox.organization_id,
        reaching.c.mailbox_id == Mailbox.id,
    )
    return query if level is None else query.where(reaching.c.level == level)


def _reasons(
    mailbox_id: UUID, members: Sequence[UUID], reaching: Subquery | None = None
) -> dict[UUID, list[tuple[str, str]]]:
    """(level, reason in words) of every grant that reaches each of these members in a mailbox."""
    source = grants_in_effect() if reaching is None else reaching
    query = (
        select(source.c.membership_id, source.c.level, Role.name)
        .outerjoin(Role, (Role.organization_id == source.c.organization_id) & (Role.id == source.c.role_id))
        .where(source.c.mailbox_id == mailbox_id, source.c.membership_id.in_(members))
        .order_by(Role.name)
    )
    found: dict[UUID, list[tuple[str, str]]] = {}
    for membership_id, level, role in db.session.execute(query):
        found.setdefault(membership_id, []).append((level, f"through role {role}" if role else PERSONALLY))
    return found


def _access(member: Membership, reaching: list[tuple[str, str]]) -> Access:
    level = REPLY if any(level == REPLY for level, _ in reaching) else READ
    return Access(member, level, tuple(reason for _, reason in reaching))
