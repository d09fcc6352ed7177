"""Pages of conversations, by key and never by number, and how many there are in each view."""

import base64
import binascii
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import CTE, ColumnElement, exists, func, literal, or_, select, true, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from mailboxes.access import is_readable
from mailboxes.drafts import Draft
from mailboxes.inbox.reading import MOST_COUNTED, is_unread_by, unread_count, unread_counts
from mailboxes.inbox.searching import found_first, message_conditions, thread_conditions
from mailboxes.inbox.selection import DRAFTS, UNREAD, VIEWS, Selection, View
from mailboxes.messages import Message
from mailboxes.search import MOST_FOUND
from mailboxes.system_mailboxes import labels_of
from mailboxes.threads import Thread, ThreadRecord
from tenants.database import current_organization_id, db
from tenants.organizations import Membership

MOST_NEWEST = 500  # conversations of the organization that are looked at before each mailbox is
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Key:
    """Where in a list one stands: the time and the id of a row. As text it is opaque."""

    at: datetime
    id: UUID

    def __str__(self) -> str:
        """For a URL."""
        micros = (self.at - _EPOCH) // timedelta(microseconds=1)
        packed = micros.to_bytes(8, signed=True) + self.id.bytes
        return base64.urlsafe_b64encode(packed).decode()

    @classmethod
    def of(cls, text: str | None) -> "Key | None":
        """The key that this text is; None for any other text."""
        try:
            packed = base64.urlsafe_b64decode((text or "").encode())
            at = _EPOCH + timedelta(microseconds=int.from_bytes(packed[:8], signed=True))
            return cls(at, UUID(bytes=packed[8:]))
        except (binascii.Error, ValueError, OverflowError):
            return None


@dataclass(frozen=True)
class Row:
    """One line of a list; `thread` is None for a draft that begins a conversation.

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
    is_from_new_sender: bool = False
    records: tuple[str, ...] = ()
    assignee: str = ""


@dataclass(frozen=True)
class Page:
    """Some rows, newest first; ``older`` and ``newer`` are keys of further pages.

    ``is_cut``: more messages have the words than a search looks at.
    """

    rows: tuple[Row, ...]
    older: Key | None = None
    newer: Key | None = None
    is_cut: bool = False


@dataclass(frozen=True)
class Counts:
    """Numbers for the left pane, each up to `MOST_COUNTED`: by view; unread anywhere, and by mailbox."""

    views: dict[str, int]
    unread: int
    mailboxes: dict[UUID, int]


def page(
    selection: Selection,
    *,
    size: int = 50,
    before: Key | None = None,
    after: Key | None = None,
    is_threaded: bool = True,
) -> Page:
    """One page of the selection, starting below ``before``, or ending above ``after``."""
    span = _Span(size, before, after)
    if selection.view.name == DRAFTS:
        return _drafts(selection, span)
    if is_threaded:
        threads = _walk(selection, Thread, Thread.last_at, thread_conditions(selection), span)
        rows = _rows_of_threads(selection.member, threads)
        return _page(selection, rows, span)
    messages = _walk(selection, Message, Message.shown_at, _conditions_of_messages(selection), span)
    return _page(selection, _rows_of_messages(selection.member, messages), span)


def conversation_below(selection: Selection, thread: Thread) -> UUID | None:
    """The conversation that stands below this one in a list of conversations; None below the last.

    None among drafts, too: these stand by when they were written, not by their conversations.
    """
    if selection.view.name == DRAFTS:
        return None
    rows = page(selection, size=1, before=Key(thread.last_at, thread.id)).rows
    return rows[0].thread.id if rows and rows[0].thread is not None else None


def counts(selection: Selection, mailbox_ids: Collection[UUID] = ()) -> Counts:
    """How many conversations the counted views of a mailbox (or of all) hold, and what is unread in some."""
    member, mailbox_id = selection.member, selection.mailbox_id
    unread = unread_count(member)
    numbers = {UNREAD: unread_count(member, mailbox_id) if mailbox_id is not None else unread}
    counted = [view for view in VIEWS.values() if view.is_counted and view.name != UNREAD]
    boxes = selection.mailbox_ids().cte("boxes")
    row = db.session.execute(select(*(_counted(selection, view, boxes) for view in counted))).one()
    numbers.update(zip((view.name for view in counted), row, strict=True))
    return Counts(numbers, unread, unread_counts(member, mailbox_ids))


@dataclass(frozen=True)
class _Span:
    """Which rows a page holds."""

    size: int
    before: Key | None
    after: Key | None

    @property
    def is_back(self) -> bool:
        """Towards newer rows: the page ends above a key."""
        return self.before is None and self.after is not None

    def within(self, at: Any, id: Any) -> list[ColumnElement[bool]]:
        """The rows beyond the key."""
        key = self.after if self.is_back else self.before
        if key is None:
            return []
        there = tuple_(literal(key.at), literal(key.id))
        return [tuple_(at, id) > there if self.is_back else tuple_(at, id) < there]

    def order(self, at: Any, id: Any) -> tuple[Any, Any]:
        """The way the rows are walked."""
        return (at.asc(), id.asc()) if self.is_back else (at.desc(), id.desc())


def _walk(
    selection: Selection,
    entity: type[Any],
    at: InstrumentedAttribute[datetime],
    conditions: Sequence[ColumnElement[bool]],
    span: _Span,
) -> list[Any]:
    """Rows of a page and one more. Of each mailbox the index is read no further than that.

    What an index found for a search is few, and looked through as it is.
    """
    inside = (entity.organization_id == current_organization_id(), *span.within(at, entity.id), *conditions)
    if found_first(selection) is not None:
        statement = select(entity).where(entity.mailbox_id.in_(selection.mailbox_ids()), *inside)
        return list(db.session.scalars(statement.order_by(*span.order(at, entity.id)).limit(span.size + 1)))
    if selection.mailbox_id is None and entity is Thread:
        found = _among_newest(selection, inside, span)
        if len(found) > span.size:
            return found
    boxes = selection.mailbox_ids().subquery()
    newest = (
        select(entity.id, at.label("at"))
        .where(entity.mailbox_id == boxes.c.id, *inside)
        .order_by(*span.order(at, entity.id))
        .limit(span.size + 1)
        .lateral()
    )
    chosen = (
        select(newest.c.id)
        .select_from(boxes.join(newest, true()))
        .order_by(*span.order(newest.c.at, newest.c.id))
        .limit(span.size + 1)
    )
    statement = select(entity).where(entity.organization_id == current_organization_id())
    statement = statement.where(entity.id.in_(chosen)).order_by(*span.order(at, entity.id))
    return list(db.session.scalars(statement))


def _among_newest(selection: Selection, inside: Sequence[ColumnElement[bool]], span: _Span) -> list[Thread]:
    """What a page shows of the organization's newest conversations: all, for whoever reads most mailboxes.

    Where it is less than a page, that says nothing about older ones.
    """
    here = (Thread.organization_id == current_organization_id(), *span.within(Thread.last_at, Thread.id))
    order = span.order(Thread.last_at, Thread.id)
    newest = select(Thread.id).where(*here).order_by(*order).limit(MOST_NEWEST)
    readable = is_readable(selection.member, Thread.mailbox_id)
    statement = select(Thread).where(Thread.id.in_(newest), *inside, readable)
    return list(db.session.scalars(statement.order_by(*order).limit(span.size + 1)))


def _page(selection: Selection, rows: Sequence[Row], span: _Span) -> Page:
    has_more = len(rows) > span.size
    shown = list(rows[: span.size])
    if span.is_back:
        shown.reverse()
    if not shown:
        return Page((), is_cut=_is_cut(selection))
    older, newer = Key(shown[-1].at, shown[-1].id), Key(shown[0].at, shown[0].id)
    has_older = span.is_back or has_more
    has_newer = has_more if span.is_back else span.before is not None
    is_cut = not has_older and _is_cut(selection)
    return Page(tuple(shown), older if has_older else None, newer if has_newer else None, is_cut)


def _is_cut(selection: Selection) -> bool:
    found = found_first(selection)
    if found is None:
        return False
    return (db.session.scalar(select(func.count()).select_from(found.subquery())) or 0) >= MOST_FOUND


def _conditions_of_messages(selection: Selection) -> list[ColumnElement[bool]]:
    """Where each message is listed by itself: what its thread and it must be."""
    about_messages = message_conditions(selection.query)
    found = found_first(selection)
    if found is not None:
        about_messages.append(Message.id.in_(found))
    if selection.view.name == UNREAD or "unread" in selection.query.values("is"):
        about_messages.append(is_unread_by(selection.member))
    of_thread = exists().where(
        Thread.organization_id == Message.organization_id,
        Thread.id == Message.thread_id,
        *thread_conditions(selection, is_about_messages=False),
    )
    return [*about_messages, of_thread]


def _rows_of_threads(member: Membership, threads: Sequence[Thread]) -> list[Row]:
    marks = _marks(member, [thread.id for thread in threads])
    names = _names(threads)
    labels = labels_of({thread.mailbox_id for thread in threads})
    return [
        Row(
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
            is_from_new_sender=thread.id in marks.new_senders,
            records=marks.records.get(thread.id, ()),
            assignee=names.get(thread.assignee_id, "") if thread.assignee_id else "",
        )
        for thread in threads
    ]


def _rows_of_messages(member: Membership, messages: Sequence[Message]) -> list[Row]:
    thread_ids = {message.thread_id for message in messages}
    threads = {
        thread.id: thread for thread in db.session.scalars(select(Thread).where(Thread.id.in_(thread_ids)))
    }
    marks = _marks(member, list(thread_ids), [message.id for message in messages])
    labels = labels_of({message.mailbox_id for message in messages})
    return [
        Row(
            id=message.id,
            at=message.shown_at,
            subject=message.subject,
            teaser=message.teaser,
            senders=(message.sender_name or message.sender_address,),
            mailbox_label=labels.get(message.mailbox_id, ""),
            thread=threads[message.thread_id],
            message_id=message.id,
            has_attachments=message.attachment_count > 0,
            is_unread=message.id in marks.unread_messages,
            has_draft=message.thread_id in marks.drafts,
            is_from_new_sender=message.is_from_new_sender,
            records=marks.records.get(message.thread_id, ()),
        )
        for message in messages
    ]


def _drafts(selection: Selection, span: _Span) -> Page:
    statement = (
        select(Draft)
        .where(*_own_drafts(selection), *span.within(Draft.updated_at, Draft.id))
        .order_by(*span.order(Draft.updated_at, Draft.id))
        .limit(span.size + 1)
    )
    drafts = list(db.session.scalars(statement))
    thread_ids = {draft.thread_id for draft in drafts if draft.thread_id}
    threads = {
        thread.id: thread for thread in db.session.scalars(select(Thread).where(Thread.id.in_(thread_ids)))
    }
    labels = labels_of({draft.mailbox_id for draft in drafts})
    rows = [_row_of_draft(draft, threads, labels) for draft in drafts]
    return _page(selection, rows, span)


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


def _own_drafts(selection: Selection) -> tuple[ColumnElement[bool], ...]:
    return (
        Draft.membership_id == selection.member.id,
        Draft.outgoing_id.is_(None),
        Draft.mailbox_id.in_(selection.mailbox_ids()),
    )


@dataclass(frozen=True)
class _Marks:
    unread: set[UUID]
    unread_messages: set[UUID]
    new_senders: set[UUID]
    drafts: set[UUID]
    records: dict[UUID, tuple[str, ...]]


def _marks(member: Membership, thread_ids: list[UUID], message_ids: list[UUID] | None = None) -> _Marks:
    """What rows of a list say beside their text, in three queries however many there are."""
    is_new, is_unread = Message.is_from_new_sender, is_unread_by(member)
    among = Message.thread_id.in_(thread_ids) if message_ids is None else Message.id.in_(message_ids)
    messages = db.session.execute(
        select(Message.id, Message.thread_id, is_new, is_unread.label("is_unread")).where(
            Message.organization_id == current_organization_id(), among, or_(is_new, is_unread)
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
        drafts={thread_id for thread_id in drafts if thread_id},
        records=records,
    )


def _names(threads: Sequence[Thread]) -> dict[UUID, str]:
    ids = {thread.assignee_id for thread in threads if thread.assignee_id}
    if not ids:
        return {}
    members = db.session.scalars(select(Membership).where(Membership.id.in_(ids)))
    return {member.id: member.name for member in members}


def _counted(selection: Selection, view: View, boxes: CTE) -> ColumnElement[int]:
    if view.name == DRAFTS:
        some = select(Draft.id).where(*_own_drafts(selection)).limit(MOST_COUNTED).subquery()
    elif view.is_of_few:
        few = (Thread.organization_id == current_organization_id(), view.condition(selection.member))
        readable = Thread.mailbox_id.in_(select(boxes.c.id))
        some = select(Thread.id).where(*few, readable).limit(MOST_COUNTED).subquery()
    else:
        some_of_each = (
            select(Thread.id)
            .where(
                Thread.organization_id == current_organization_id(),
                Thread.mailbox_id == boxes.c.id,
                view.condition(selection.member),
            )
            .limit(MOST_COUNTED)
            .lateral()
        )
        joined = boxes.join(some_of_each, true())
        some = select(some_of_each.c.id).select_from(joined).limit(MOST_COUNTED).subquery()
    return select(func.count()).select_from(some).scalar_subquery()
