"""One conversation, opened: its messages with all that hangs on them, and its status."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from sqlalchemy import Select, func, or_, select, tuple_, update

from mailboxes import timeline
from mailboxes.access import (
    is_granted,
    is_readable,
    mailboxes_to_write_from,
    may_reply,
    members_with_access,
    readable_ids,
    readable_mailbox,
    readable_thread,
)
from mailboxes.crm.remarks import demand_author, rewrite
from mailboxes.drafts import Draft, own_drafts
from mailboxes.inbox.listing import Key
from mailboxes.inbox.read_state import is_unread_by
from mailboxes.messages import Attachment, Message
from mailboxes.outgoing import Outgoing
from mailboxes.search import index_note
from mailboxes.system_mailboxes import Mailbox, hold_mailboxes
from mailboxes.threads import Thread
from mailboxes.threads.notes import Note, notes_of, write_note
from mailboxes.timeline import Event
from mailboxes.webhooks.telling import tell_of_conversations
from tenants.database import db
from tenants.database.locks import hold_row
from tenants.errors import ForbiddenError, InvalidError, NotFoundError
from tenants.organizations import Membership

MESSAGES_AT_ONCE = 30
STATUSES = {"open": "Open", "waiting": "Waiting", "done": "Done"}
MOST_RELATED = 10
MAY_NOT_REPLY = "You may read some of these conversations, but not reply to them: nothing was changed."

Item = TypeVar("Item", Attachment, Event)


@dataclass(frozen=True)
class Opened:
    """A message with what hangs on it. ``is_folded``: only its first line is shown at first."""

    message: Message
    attachments: list[Attachment] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    outgoing: Outgoing | None = None
    author: str = ""
    is_unread: bool = False
    is_folded: bool = False


@dataclass(frozen=True)
class Conversation:
    """A thread with its newest messages, oldest first, and the notes written since the first of these.

    ``earlier`` leads to what was before them. ``parts``: what people split from it, or it from, if readable.
    """

    thread: Thread
    mailbox: Mailbox
    messages: list[Opened]
    earlier_count: int
    earlier: Key | None
    linked: list[Thread]
    parts: list[Thread]
    related: list[Thread]
    notes: list[Note]
    assignee: Membership | None
    drafts: list[Draft]
    may_reply: bool
    is_unread: bool

    @property
    def split_from(self) -> Thread | None:
        """The part that the others were split from, where this one is another."""
        return next((part for part in self.parts if part.id == self.thread.split_family), None)


def open_conversation(
    member: Membership, thread_id: UUID, *, before: Key | None = None, at_once: int = MESSAGES_AT_ONCE
) -> Conversation:
    """The conversation, if this member may read its mailbox; `NotFoundError` otherwise.

    Takes the same number of queries however long it is. Reading marks nothing: that is a POST.
    """
    thread = readable_thread(member, thread_id)
    messages = _newest(thread, before, at_once + 1)
    has_earlier = len(messages) > at_once
    messages = messages[:at_once][::-1]
    opened = _opened(member, messages)
    drafts = own_drafts(member).where(Draft.thread_id == thread.id).order_by(Draft.updated_at.desc())
    return Conversation(
        thread=thread,
        mailbox=readable_mailbox(member, thread.mailbox_id),
        messages=opened,
        earlier_count=_earlier_count(thread, messages[0]) if has_earlier else 0,
        earlier=Key(messages[0].shown_at, messages[0].id) if has_earlier else None,
        linked=_linked(member, thread),
        parts=_parts(member, thread),
        related=_related(member, thread),
        notes=_notes(thread, messages[0].shown_at if has_earlier else None),
        assignee=db.session.scalar(select(Membership).where(Membership.id == thread.assignee_id)),
        drafts=list(db.session.scalars(drafts)),
        may_reply=may_reply(member, thread.mailbox_id),
        is_unread=any(one.is_unread for one in opened),
    )


def may_be_assigned(mailbox: Mailbox, words: str = "") -> Select[Membership]:
    """Who may work on the conversations of a mailbox, by name; with words, those of that name."""
    return members_with_access(mailbox, words)


def change_status(member: Membership, thread_ids: Sequence[UUID], status: str) -> int:
    """Open conversations, let them wait, or be done with them; how many changed."""
    if status not in STATUSES:
        raise InvalidError("Choose a status from the list.", field="status")
    away = {"snoozed_until": None} if status == "done" else {}
    changed = change_threads(readable_ids(member), thread_ids, "status", status, **away)
    for thread in changed:
        remember(thread, status, f"{member.acting_name} set the status to {STATUSES[status].lower()}.")
    tell_of_conversations("conversation.status_changed", _mailbox_ids(changed), status=status)
    return len(changed)


def assign(member: Membership, thread_ids: Sequence[UUID], assignee_id: UUID | None) -> int:
    """Give conversations to somebody who may read them, or to nobody; how many changed."""
    name = "nobody"
    if assignee_id is not None:
        assignee = db.session.scalar(select(Membership).where(Membership.id == assignee_id))
        mailboxes = db.session.scalars(
            select(Mailbox).where(Mailbox.id.in_(select(Thread.mailbox_id).where(Thread.id.in_(thread_ids))))
        )
        if assignee is None or not all(is_granted(assignee, mailbox) for mailbox in mailboxes):
            raise InvalidError(
                "This person may not read the mailbox. Choose somebody else.", field="assignee_id"
            )
        name = assignee.name
    changed = change_threads(readable_ids(member), thread_ids, "assignee_id", assignee_id)
    for thread in changed:
        remember(thread, "assigned", f"{member.acting_name} assigned the conversation to {name}.")
    tell_of_conversations("conversation.assigned", _mailbox_ids(changed), assignee=assignee_id)
    return len(changed)


def note(member: Membership, thread_id: UUID, text: str) -> Note:
    """Write a note on a conversation that this member may read; `InvalidError` without a text."""
    hold_mailboxes(Mailbox.id.in_(select(Thread.mailbox_id).where(Thread.id == thread_id)))
    thread = readable_thread(member, thread_id)
    written = write_note(thread, text, member)
    index_note(written)
    remember(thread, "noted", f"{member.acting_name} wrote a note.")
    return written


def readable_note(member: Membership, id: UUID) -> tuple[Note, Thread]:
    """A note and its conversation, if this member may read that; `NotFoundError` otherwise."""
    found = db.session.scalar(select(Note).where(Note.id == id))
    if found is None:
        raise NotFoundError("This note is not here any more.")
    return found, readable_thread(member, found.thread_id)


def change_note(member: Membership, id: UUID, text: str) -> Thread:
    """Let its author write a note anew; its conversation."""
    found, thread = _held_note(member, id)
    if rewrite(found, text, member):
        index_note(found)
        remember(thread, "noted", f"{member.acting_name} changed a note.")
    return thread


def remove_note(member: Membership, id: UUID) -> Thread:
    """Let its author take a note away; its conversation."""
    found, thread = _held_note(member, id)
    demand_author(found, member)
    db.session.delete(found)
    db.session.flush()
    remember(thread, "noted", f"{member.acting_name} removed a note.")
    return thread


def _held_note(member: Membership, id: UUID) -> tuple[Note, Thread]:
    """The same, in the conversation where it stays: nobody splits or joins it meanwhile."""
    found, thread = readable_note(member, id)
    hold_mailboxes(Mailbox.id == thread.mailbox_id)
    hold_row(found)
    return found, readable_thread(member, found.thread_id)


def answerable(member: Membership, thread_ids: Sequence[UUID]) -> Select[UUID]:
    """The mailboxes that this member may answer from; `ForbiddenError` where one of these is only read."""
    answered = mailboxes_to_write_from(member).order_by(None).with_only_columns(Mailbox.id)
    these = Thread.id.in_(thread_ids) & Thread.mailbox_id.in_(readable_ids(member))
    only_read = select(Thread.id).where(these, Thread.mailbox_id.not_in(answered))
    if db.session.scalar(only_read.limit(1)) is not None:
        raise ForbiddenError(MAY_NOT_REPLY)
    return answered


def change_threads(
    mailbox_ids: Select[UUID], thread_ids: Sequence[UUID], name: str, value: object, **along: object
) -> list[Thread]:
    """Those of these conversations in these mailboxes of which ``name`` said something else until now."""
    these = Thread.id.in_(thread_ids) & Thread.mailbox_id.in_(mailbox_ids)
    hold_mailboxes(Mailbox.id.in_(select(Thread.mailbox_id).where(these)))
    changed = db.session.scalars(
        update(Thread)
        .where(these, getattr(Thread, name).is_distinct_from(value))
        .values({name: value, **along})
        .returning(Thread)
    )
    return list(changed)


def remember(thread: Thread, result: str, reason: str) -> None:
    """Say on the timeline what was done with a conversation."""
    message = newest_message(thread)
    if message is not None:
        timeline.record(message, "changed", result, reason)


def _mailbox_ids(threads: Iterable[Thread]) -> dict[UUID, UUID]:
    return {thread.id: thread.mailbox_id for thread in threads}


def newest_message(thread: Thread) -> Message | None:
    """The message that was shown last."""
    return db.session.scalar(_messages_of(thread).limit(1))


def _messages_of(thread: Thread) -> Select[Message]:
    return (
        select(Message)
        .where(Message.organization_id == thread.organization_id, Message.thread_id == thread.id)
        .order_by(Message.shown_at.desc(), Message.id.desc())
    )


def _newest(thread: Thread, before: Key | None, most: int) -> list[Message]:
    statement = _messages_of(thread)
    if before is not None:
        statement = statement.where(tuple_(Message.shown_at, Message.id) < (before.at, before.id))
    return list(db.session.scalars(statement.limit(most)))


def _earlier_count(thread: Thread, first: Message) -> int:
    earlier = _messages_of(thread).where(tuple_(Message.shown_at, Message.id) < (first.shown_at, first.id))
    return db.session.scalar(select(func.count()).select_from(earlier.order_by(None).subquery())) or 0


def _opened(member: Membership, messages: Sequence[Message]) -> list[Opened]:
    ids = [message.id for message in messages]
    attachments = _by_message(
        db.session.scalars(
            select(Attachment).where(Attachment.message_id.in_(ids)).order_by(Attachment.position)
        ).all()
    )
    events = _by_message(timeline.events_of_all(ids))
    sent = {
        one.message_id: one
        for one in db.session.scalars(select(Outgoing).where(Outgoing.message_id.in_(ids)))
    }
    unread = set(db.session.scalars(select(Message.id).where(Message.id.in_(ids), is_unread_by(member))))
    authors = _names({message.sent_by_id for message in messages})
    open_at_first = unread | _latest(messages)
    return [
        Opened(
            message=message,
            attachments=attachments.get(message.id, []),
            events=events.get(message.id, []),
            outgoing=sent.get(message.id),
            author=authors.get(message.sent_by_id, "") if message.sent_by_id else "",
            is_unread=message.id in unread,
            is_folded=message.id not in open_at_first,
        )
        for message in messages
    ]


def _latest(messages: Sequence[Message]) -> set[UUID]:
    """The last message, and the last that a person wrote: what robots say folds no question away."""
    by_people = [one for one in messages if not one.is_automatic]
    written = by_people or [one for one in messages if one.direction == "in"]
    return {one.id for one in (*messages[-1:], *written[-1:])}


def _notes(thread: Thread, since: datetime | None) -> list[Note]:
    """The notes of a conversation, with ``since`` those that are written later."""
    notes = notes_of(thread)
    return list(db.session.scalars(notes if since is None else notes.where(Note.written_at >= since)))


def _by_message(items: Sequence[Item]) -> dict[UUID, list[Item]]:
    found: dict[UUID, list[Item]] = {}
    for item in items:
        found.setdefault(item.message_id, []).append(item)
    return found


def _names(ids: set[UUID | None]) -> dict[UUID, str]:
    members = db.session.scalars(select(Membership).where(Membership.id.in_(ids - {None})))
    return {member.id: member.name for member in members}


def _linked(member: Membership, thread: Thread) -> list[Thread]:
    """Conversations of other mailboxes that this one answers or is answered by, if readable."""
    return list(
        db.session.scalars(
            select(Thread)
            .where(
                or_(Thread.id == thread.linked_thread_id, Thread.linked_thread_id == thread.id),
                is_readable(member, Thread.mailbox_id),
            )
            .order_by(Thread.last_at.desc())
            .limit(MOST_RELATED)
        )
    )


def _parts(member: Membership, thread: Thread) -> list[Thread]:
    """Conversations that people split from this one, or this one from."""
    if thread.split_family is None:
        return []
    parts = select(Thread).where(
        Thread.split_family == thread.split_family,
        Thread.id != thread.id,
        is_readable(member, Thread.mailbox_id),
    )
    first = Thread.id == thread.split_family
    return list(db.session.scalars(parts.order_by(first.desc(), Thread.last_at.desc()).limit(MOST_RELATED)))


def _related(member: Membership, thread: Thread) -> list[Thread]:
    """Other readable conversations with whoever wrote last, newest first; without the parts of this one."""
    writer = (
        select(Message.sender_address)
        .where(Message.thread_id == thread.id, Message.direction == "in", Message.sender_address != "")
        .order_by(Message.shown_at.desc())
        .limit(1)
        .scalar_subquery()
    )
    theirs = (
        select(Message.thread_id)
        .where(
            Message.organization_id == thread.organization_id,
            Message.sender_address == writer,
            Message.thread_id != thread.id,
            is_readable(member, Message.mailbox_id),
        )
        .order_by(Message.shown_at.desc())
        .limit(5 * MOST_RELATED)
    )
    family = thread.split_family or thread.id
    return list(
        db.session.scalars(
            select(Thread)
            .where(Thread.id.in_(theirs), func.coalesce(Thread.split_family, Thread.id) != family)
            .order_by(Thread.last_at.desc())
            .limit(MOST_RELATED)
        )
    )
