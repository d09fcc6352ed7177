"""The lines of a list of conversations, messages or drafts, with what stands beside the text of each."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import or_, select

from mailboxes.drafts import Draft
from mailboxes.inbox.read_state import is_unread_by
from mailboxes.messages import Message
from mailboxes.system_mailboxes import labels_of
from mailboxes.threads import Thread, ThreadRecord
from mailboxes.threads.notes import Note
from mailboxes.threads.tags import Tag, tags_of
from tenants.database import current_organization_id, db
from tenants.organizations import Membership


@dataclass(frozen=True)
class Row:
    """One line of a list; `thread` is None for a draft that begins a conversation.

    ``is_removed``: the server has no more of what it has sent here.
    ``message_id`` names the message where messages are listed each by itself.
    """

    id: UUID
    at: datetime
    subject: str
    teaser: str
    senders: tuple[str, ...]
    mailbox_label: str
    thread: Thread | None = None
    message_id: UUID | None = None
    draft_id: UUID | None = None
    has_attachments: bool = False
    is_unread: bool = False
    has_draft: bool = False
    has_note: bool = False
    is_from_new_sender: bool = False
    is_removed: bool = False
    records: tuple[str, ...] = ()
    assignee: str = ""
    tags: tuple[Tag, ...] = ()


def rows_of_threads(member: Membership, threads: Sequence[Thread]) -> list[Row]:
    """Conversations, each with what a member sees beside it."""
    marks = _marks(member, [thread.id for thread in threads])
    labels, names = labels_of({thread.mailbox_id for thread in threads}), _names(threads)
    return [_row_of_thread(thread, marks, labels, names) for thread in threads]


def rows_of_messages(member: Membership, messages: Sequence[Message]) -> list[Row]:
    """Messages each by itself, with what stands beside their conversation."""
    threads = _threads({message.thread_id for message in messages})
    marks = _marks(member, list(threads), [message.id for message in messages])
    labels = labels_of({message.mailbox_id for message in messages})
    return [
        replace(
            _row_of_thread(threads[message.thread_id], marks, labels, names={}),
            id=message.id,
            message_id=message.id,
            at=message.shown_at,
            subject=message.subject,
            teaser=message.teaser,
            senders=(message.sender_name or message.sender_address,),
            has_attachments=message.attachment_count > 0,
            is_unread=message.id in marks.unread_messages,
            is_from_new_sender=message.is_from_new_sender,
            is_removed=message.removed_on_server_at is not None,
        )
        for message in messages
    ]


def rows_of_drafts(drafts: Sequence[Draft]) -> list[Row]:
    """What a member has written and not sent."""
    threads = _threads({draft.thread_id for draft in drafts if draft.thread_id})
    labels = labels_of({draft.mailbox_id for draft in drafts})
    return [_row_of_draft(draft, threads, labels) for draft in drafts]


def _row_of_thread(thread: Thread, marks: "_Marks", labels: dict[UUID, str], names: dict[UUID, str]) -> Row:
    return Row(
        id=thread.id,
        at=thread.last_at,
        subject=thread.subject,
        teaser=thread.teaser,
        senders=tuple(thread.senders),
        mailbox_label=labels.get(thread.mailbox_id, ""),
        thread=thread,
        has_attachments=thread.has_attachments,
        is_unread=thread.id in marks.unread,
        has_draft=thread.id in marks.drafts,
        has_note=thread.id in marks.noted,
        is_from_new_sender=thread.id in marks.new_senders,
        is_removed=thread.id in marks.removed,
        records=marks.records.get(thread.id, ()),
        assignee=names.get(thread.assignee_id, "") if thread.assignee_id else "",
        tags=marks.tags.get(thread.id, ()),
    )


def _row_of_draft(draft: Draft, threads: dict[UUID, Thread], labels: dict[UUID, str]) -> Row:
    recipients = tuple(one.strip() for one in (draft.to or draft.cc).split(",") if one.strip())
    return Row(
        id=draft.id,
        at=draft.updated_at,
        subject=draft.subject,
        teaser=" ".join(draft.body.split())[:200],
        senders=recipients[:3] or ("(nobody yet)",),
        mailbox_label=labels.get(draft.mailbox_id, ""),
        thread=threads.get(draft.thread_id) if draft.thread_id else None,
        draft_id=draft.id,
        has_draft=True,
    )


def _threads(ids: set[UUID]) -> dict[UUID, Thread]:
    return {thread.id: thread for thread in db.session.scalars(select(Thread).where(Thread.id.in_(ids)))}


@dataclass(frozen=True)
class _Marks:
    unread: set[UUID]
    unread_messages: set[UUID]
    new_senders: set[UUID]
    removed: set[UUID]
    drafts: set[UUID]
    noted: set[UUID]
    records: dict[UUID, tuple[str, ...]]
    tags: dict[UUID, tuple[Tag, ...]]


def _marks(member: Membership, thread_ids: list[UUID], message_ids: list[UUID] | None = None) -> _Marks:
    """What rows of a list say beside their text, in a few queries however many there are."""
    is_new, is_unread = Message.is_from_new_sender, is_unread_by(member)
    is_removed = Message.removed_on_server_at.is_not(None)
    among = Message.thread_id.in_(thread_ids) if message_ids is None else Message.id.in_(message_ids)
    messages = db.session.execute(
        select(
            Message.id,
            Message.thread_id,
            is_new,
            is_unread.label("is_unread"),
            is_removed.label("is_removed"),
        ).where(
            Message.organization_id == current_organization_id(), among, or_(is_new, is_unread, is_removed)
        )
    ).all()
    drafts = db.session.scalars(
        select(Draft.thread_id).where(
            Draft.thread_id.in_(thread_ids),
            Draft.membership_id == member.id,
            Draft.outgoing_id.is_(None),
        )
    )
    records: dict[UUID, tuple[str, ...]] = {}
    for record in db.session.scalars(select(ThreadRecord).where(ThreadRecord.thread_id.in_(thread_ids))):
        records[record.thread_id] = (*records.get(record.thread_id, ()), record.kind)
    return _Marks(
        unread={row.thread_id for row in messages if row.is_unread},
        unread_messages={row.id for row in messages if row.is_unread},
        new_senders={row.thread_id for row in messages if row.is_from_new_sender},
        removed=_wholly_removed({row.thread_id for row in messages if row.is_removed}),
        drafts={thread_id for thread_id in drafts if thread_id},
        noted=set(
            db.session.scalars(select(Note.thread_id).where(Note.thread_id.in_(thread_ids)).distinct())
        ),
        records=records,
        tags={id: tuple(borne) for id, borne in tags_of(thread_ids).items()},
    )


def _wholly_removed(thread_ids: set[UUID]) -> set[UUID]:
    """Those of these conversations of which the server has no incoming message any more."""
    if not thread_ids:
        return set()
    there = select(Message.thread_id).where(
        Message.organization_id == current_organization_id(),
        Message.thread_id.in_(thread_ids),
        Message.direction == "in",
        Message.removed_on_server_at.is_(None),
    )
    return thread_ids - set(db.session.scalars(there))


def _names(threads: Sequence[Thread]) -> dict[UUID, str]:
    ids = {thread.assignee_id for thread in threads if thread.assignee_id}
    if not ids:
        return {}
    members = db.session.scalars(select(Membership).where(Membership.id.in_(ids)))
    return {member.id: member.name for member in members}
