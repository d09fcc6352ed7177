"""Who has read what. A message is unread for a member who has no row saying otherwise.

A read mark remembers, for a member and a mailbox, up to which message nothing is unread, so that
counting looks at what is new and not at everything that was ever read. It is a shortcut and no truth:
the rows of `MessageRead` stay, and marking something unread moves the mark back.
"""

from collections import Counter
from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    ScalarSelect,
    Select,
    Subquery,
    UniqueConstraint,
    Uuid,
    case,
    delete,
    func,
    literal,
    or_,
    select,
    text,
    true,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped

from mailboxes.access import readable_ids
from mailboxes.accounts import Account
from mailboxes.inbox.selection import Selection, is_snoozed
from mailboxes.messages import Message, MessageRead, settled_id
from mailboxes.system_mailboxes import Mailbox, hold_mailboxes
from mailboxes.threads import Thread
from tenants.database import (
    Base,
    OrganizationScoped,
    current_organization_id,
    db,
    is_one_of,
    now,
    scoped_key,
    uuid7,
)
from tenants.organizations import Membership

MOST_COUNTED = 1000  # a thousand and more is "999+"
MOST_NAMED = 5000  # messages whose conversations are named one by one
_NOTHING = UUID(int=0)


class ReadMark(OrganizationScoped, Base):
    """A member has nothing unread in a mailbox up to and including this message id."""

    __tablename__ = "read_marks"
    __table_args__ = (
        UniqueConstraint("organization_id", "membership_id", "mailbox_id"),
        scoped_key("membership_id", "memberships", ondelete="CASCADE"),
        scoped_key("mailbox_id", "mailboxes", ondelete="CASCADE"),
    )

    membership_id: Mapped[UUID]
    mailbox_id: Mapped[UUID]
    read_through: Mapped[UUID]


def is_unread_by(member: Membership) -> ColumnElement[bool]:
    """Whether a `Message` is new to a member: came in, and neither they nor everybody has read it."""
    # A subquery for a value, and no NOT EXISTS: the planner would turn that into a join, and a wrong
    # guess about how much was read lately into a scan of all that ever was.
    read_row = (
        select(MessageRead.id)
        .where(
            MessageRead.organization_id == Message.organization_id,
            MessageRead.message_id == Message.id,
            MessageRead.membership_id == member.id,
        )
        .limit(1)
        .correlate(Message)
        .scalar_subquery()
    )
    return (
        (Message.direction == "in")
        & ~Message.is_read_by_all
        & Message.box.in_(("inbox", "other"))
        & read_row.is_(None)
    )


def unread_counts(member: Membership, mailbox_ids: Collection[UUID]) -> dict[UUID, int]:
    """Unread conversations of these mailboxes, if they are readable, each counted up to `MOST_COUNTED`.

    Only the newest unread messages are looked at; where there are that many, nobody counts. What is put
    away is not counted.
    """
    boxes = readable_ids(member).where(is_one_of(Mailbox.id, mailbox_ids)).subquery()
    newest = _newest_unread(member, boxes).where(is_not_away()).correlate(boxes).subquery()
    threads = func.count(newest.c.thread_id.distinct())
    counted = select(case((func.count() >= MOST_COUNTED, MOST_COUNTED), else_=threads)).select_from(newest)
    rows = db.session.execute(select(boxes.c.id, counted.correlate(boxes).scalar_subquery()))
    return {row[0]: row[1] for row in rows}


def unread_count(member: Membership, mailbox_id: UUID | None = None, *, is_of_followed: bool = False) -> int:
    """Unread conversations in all readable mailboxes, the followed, or one, counted up to `MOST_COUNTED`.

    No more mailboxes are looked at than it takes to have that many messages. What is put away is not counted.
    """
    boxes = Selection(member, mailbox_id, is_of_followed=is_of_followed).mailbox_ids().subquery()
    unread = _newest_unread(member, boxes).where(is_not_away()).lateral()
    some = select(unread.c.thread_id).select_from(boxes.join(unread, true())).limit(MOST_COUNTED).subquery()
    threads = func.count(some.c.thread_id.distinct())
    counted = case((func.count() >= MOST_COUNTED, MOST_COUNTED), else_=threads)
    return db.session.scalar(select(counted).select_from(some)) or 0


def unread_thread_ids(selection: Selection) -> list[UUID] | None:
    """The conversations with something unread; None where they are too many to be named."""
    boxes = selection.mailbox_ids().subquery()
    unread = _newest_unread(selection.member, boxes).lateral()
    query = select(boxes.c.id, unread.c.thread_id).select_from(boxes.join(unread, true()))
    rows = db.session.execute(query.limit(MOST_NAMED + 1)).all()
    if len(rows) > MOST_NAMED or any(
        number >= MOST_COUNTED for number in Counter(row.id for row in rows).values()
    ):
        return None
    return list({row.thread_id for row in rows})


def mark_read(member: Membership, messages: Select[Message]) -> int:
    """Note that a member has read these messages of mailboxes they may read; how many were new.

    Where the account mirrors the read state, the sync reads these rows and sets the flag on the server.
    """
    unread = messages.where(is_unread_by(member), Message.mailbox_id.in_(readable_ids(member)))
    rows = db.session.execute(unread.with_only_columns(Message.id, Message.mailbox_id).order_by(None)).all()
    if not rows:
        return 0
    _note_read([(row.id, member.id) for row in rows])
    for mailbox_id in sorted({row.mailbox_id for row in rows}):
        _move_mark(member, mailbox_id)
    return len(rows)


def mark_unread(member: Membership, messages: Select[Message]) -> int:
    """Make these messages new again for this member, and for nobody else; how many there are.

    Where the account mirrors the read state there is one for everybody: the server is told that it is unread.
    """
    ours = messages.where(Message.direction == "in", Message.mailbox_id.in_(readable_ids(member)))
    hold_mailboxes(Mailbox.id.in_(ours.with_only_columns(Message.mailbox_id).order_by(None)))
    found = list(db.session.scalars(ours))
    mirrored = _mirrored({message.mailbox_id for message in found})
    for_all = [message.id for message in found if message.mailbox_id in mirrored]
    if for_all:
        forget_reads(for_all)
        db.session.execute(
            update(Message)
            .where(Message.id.in_(for_all))
            .values(is_read_by_all=False, unread_at=now())
            .execution_options(synchronize_session="fetch")
        )
    rows = [message for message in found if message.mailbox_id not in mirrored]
    _tell_the_others_apart(member, [message for message in rows if message.is_read_by_all])
    db.session.execute(
        delete(MessageRead).where(
            MessageRead.membership_id == member.id,
            MessageRead.message_id.in_([message.id for message in rows]),
        )
    )
    for mailbox_id in sorted({message.mailbox_id for message in rows}):
        _move_marks_back(mailbox_id, min(m.id for m in rows if m.mailbox_id == mailbox_id))
    return len(found)


def forget_reads(message_ids: Collection[UUID]) -> None:
    """Nobody has read these messages, whoever had."""
    ids = list(message_ids)
    db.session.execute(
        delete(MessageRead)
        .where(MessageRead.message_id.in_(ids))
        .execution_options(synchronize_session=False)
    )
    query = select(Message.mailbox_id, Message.id).where(Message.id.in_(ids)).order_by(Message.id.desc())
    first = {row.mailbox_id: row.id for row in db.session.execute(query)}
    for mailbox_id in sorted(first):
        _move_marks_back(mailbox_id, first[mailbox_id])


def _mirrored(mailbox_ids: Collection[UUID]) -> set[UUID]:
    """Those whose account mirrors the read state; that of a global one, the mailbox knows itself."""
    own = (Account.owner_id == Mailbox.account_owner_id) & (Account.id == Mailbox.account_id)
    query = (
        select(Mailbox.id)
        .outerjoin(Account, own)
        .where(Mailbox.id.in_(mailbox_ids), or_(Account.mirrors_read_state, Mailbox.is_mirrored))
    )
    return set(db.session.scalars(query))


def messages_of_threads(thread_ids: Collection[UUID]) -> Select[Message]:
    """All messages of some conversations, for marking them."""
    return select(Message).where(Message.thread_id.in_(thread_ids))


def _tell_the_others_apart(member: Membership, messages: list[Message]) -> None:
    """What counted as read by all becomes read by each of the others."""
    others = db.session.scalars(select(Membership.id).where(Membership.id != member.id)).all()
    _note_read([(message.id, other) for message in messages for other in others])
    for message in messages:
        message.is_read_by_all = False
    db.session.flush()


def _note_read(pairs: list[tuple[UUID, UUID]]) -> None:
    """Rows for (message, member); those already there stay."""
    if pairs:
        organization_id = current_organization_id()
        db.session.execute(
            insert(MessageRead).on_conflict_do_nothing(),
            [
                {
                    "organization_id": organization_id,
                    "id": uuid7(),
                    "message_id": message_id,
                    "membership_id": member_id,
                    "read_at": now(),
                }
                for message_id, member_id in sorted(pairs)  # one order: nobody waits in a circle
            ],
        )


def _newest_unread(member: Membership, boxes: Subquery) -> Select[Any]:
    return (
        select(Message.thread_id)
        .where(
            Message.mailbox_id == boxes.c.id,
            Message.organization_id == current_organization_id(),
            Message.id > _mark_of(member, boxes.c.id),
            is_unread_by(member),
        )
        .order_by(Message.id.desc())
        .limit(MOST_COUNTED)
    )


def is_not_away() -> ColumnElement[bool]:
    """Whether the conversation of a `Message` is not put away: the few that are, are looked up once."""
    away = select(Thread.id).where(Thread.organization_id == current_organization_id(), is_snoozed())
    return Message.thread_id.not_in(away)


def _mark_of(member: Membership, mailbox_id: ColumnElement[UUID] | UUID) -> ScalarSelect[UUID]:
    """How far a member has read a mailbox. A plain value to the planner, so that the index is used."""
    mark = (
        select(ReadMark.read_through)
        .where(
            ReadMark.organization_id == current_organization_id(),
            ReadMark.membership_id == member.id,
            ReadMark.mailbox_id == mailbox_id,
        )
        .correlate_except(ReadMark)
    )
    either = union_all(mark, select(literal(_NOTHING, Uuid).label("read_through")))
    return either.order_by(text("read_through DESC")).limit(1).scalar_subquery()


def _move_mark(member: Membership, mailbox_id: UUID) -> None:
    """Up to just before the oldest message that is still unread, or to where deliveries are settled."""
    oldest = db.session.scalar(
        select(Message.id)
        .where(
            Message.mailbox_id == mailbox_id,
            Message.id > _mark_of(member, mailbox_id),
            is_unread_by(member),
        )
        .order_by(Message.id)
        .limit(1)
    )
    settled = settled_id()
    through = settled if oldest is None else min(UUID(int=oldest.int - 1), settled)
    statement = insert(ReadMark).values(
        organization_id=current_organization_id(),
        id=uuid7(),
        membership_id=member.id,
        mailbox_id=mailbox_id,
        read_through=through,
    )
    db.session.execute(
        statement.on_conflict_do_update(
            index_elements=["organization_id", "membership_id", "mailbox_id"],
            set_={"read_through": func.greatest(ReadMark.read_through, statement.excluded.read_through)},
        )
    )


def _move_marks_back(mailbox_id: UUID, message_id: UUID) -> None:
    """Nobody's shortcut may skip this message any more."""
    for mark in db.session.scalars(
        select(ReadMark)
        .where(ReadMark.mailbox_id == mailbox_id, ReadMark.read_through >= message_id)
        .with_for_update()
    ):
        mark.read_through = UUID(int=message_id.int - 1)
    db.session.flush()
