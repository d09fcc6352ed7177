"""Pages of conversations, by key and never by number, and how many there are in each view."""

import base64
import binascii
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CTE,
    ColumnElement,
    FromClause,
    SelectBase,
    exists,
    func,
    literal,
    select,
    true,
    tuple_,
    union_all,
)

from mailboxes.access import is_readable
from mailboxes.drafts import Draft
from mailboxes.inbox.read_state import MOST_COUNTED, is_unread_by, unread_count, unread_counts
from mailboxes.inbox.rows import Row, rows_of_drafts, rows_of_messages, rows_of_threads
from mailboxes.inbox.searching import found_first, message_conditions, thread_conditions
from mailboxes.inbox.selection import DRAFTS, UNREAD, VIEWS, Selection, View, is_snoozed
from mailboxes.messages import Message
from mailboxes.search import MOST_FOUND
from mailboxes.threads import Thread
from tenants.database import current_organization_id, db

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
class Page:
    """Some rows in their order; ``older`` and ``newer`` are keys of further pages.

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
        span = replace(span, is_soonest_first=selection.view.is_soonest_first)
        threads = _walk(selection, Thread, _stretches(selection.view), thread_conditions(selection), span)
        rows = rows_of_threads(selection.member, threads)
        times = (_listed_at(selection, thread) for thread in threads)
        return _page(selection, [replace(row, at=at) for row, at in zip(rows, times, strict=True)], span)
    messages = _walk(selection, Message, _BY_MESSAGE, _conditions_of_messages(selection), span)
    return _page(selection, rows_of_messages(selection.member, messages), span)


def conversation_below(selection: Selection, thread: Thread) -> UUID | None:
    """The conversation that stands below this one in a list of conversations; None below the last.

    None among drafts, too: these stand by when they were written, not by their conversations.
    """
    if selection.view.name == DRAFTS:
        return None
    rows = page(selection, size=1, before=Key(_listed_at(selection, thread), thread.id)).rows
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
    is_soonest_first: bool = False

    @property
    def is_back(self) -> bool:
        """Towards rows above: the page ends above a key."""
        return self.before is None and self.after is not None

    def within(self, at: Any, id: Any) -> list[ColumnElement[bool]]:
        """The rows beyond the key."""
        key = self.after if self.is_back else self.before
        if key is None:
            return []
        there = tuple_(literal(key.at), literal(key.id))
        return [tuple_(at, id) > there if self._is_ascending else tuple_(at, id) < there]

    def order(self, at: Any, id: Any) -> tuple[Any, Any]:
        """The way the rows are walked."""
        return (at.asc(), id.asc()) if self._is_ascending else (at.desc(), id.desc())

    @property
    def _is_ascending(self) -> bool:
        return self.is_back is not self.is_soonest_first


@dataclass(frozen=True)
class _Stretch:
    """Rows that stand by one time, in the order of one index."""

    at: Any
    conditions: tuple[ColumnElement[bool], ...] = ()


_BY_MESSAGE = (_Stretch(Message.shown_at),)
_BY_LAST_MESSAGE = (_Stretch(Thread.last_at),)
_WITH_BACK = (  # what is back from snooze is few, and stands by the time when it came back
    _Stretch(Thread.last_at, (Thread.snoozed_until.is_(None),)),
    _Stretch(Thread.snoozed_until, (Thread.snoozed_until.is_not(None),)),
)


def _stretches(view: View) -> tuple[_Stretch, ...]:
    if view.is_soonest_first:
        return (_Stretch(Thread.snoozed_until, (is_snoozed(),)),)
    return _WITH_BACK if view.brings_back else _BY_LAST_MESSAGE


def _at(stretches: Sequence[_Stretch]) -> Any:
    """By which time a row of any of them stands."""
    first, *others = (stretch.at for stretch in stretches)
    return func.coalesce(*others, first) if others else first


def _listed_at(selection: Selection, thread: Thread) -> datetime:
    """By which time a conversation stands in the list."""
    view = selection.view
    return (thread.snoozed_until if view.brings_back or view.is_soonest_first else None) or thread.last_at


def _walk(
    selection: Selection,
    entity: type[Any],
    stretches: Sequence[_Stretch],
    conditions: Sequence[ColumnElement[bool]],
    span: _Span,
) -> list[Any]:
    """Rows of a page and one more. Of each mailbox the indexes are read no further than that.

    What an index found for a search is few, and looked through as it is.
    """
    inside = (entity.organization_id == current_organization_id(), *conditions)
    at = _at(stretches)
    in_order = span.order(at, entity.id)
    if found_first(selection) is not None or selection.query.values("tag"):
        statement = select(entity).where(entity.mailbox_id.in_(selection.mailbox_ids()), *inside)
        statement = statement.where(*span.within(at, entity.id))
        return list(db.session.scalars(statement.order_by(*in_order).limit(span.size + 1)))
    if selection.mailbox_id is None and entity is Thread:
        found = _among_newest(selection, stretches, inside, span)
        if len(found) > span.size:
            return found
    boxes = selection.mailbox_ids().subquery()
    here = (entity.mailbox_id == boxes.c.id, *inside)
    newest = _first(entity, stretches, here, span, span.size + 1, boxes).lateral()
    chosen = (
        select(newest.c.id)
        .select_from(boxes.join(newest, true()))
        .order_by(*span.order(newest.c.at, newest.c.id))
        .limit(span.size + 1)
    )
    statement = select(entity).where(entity.organization_id == current_organization_id())
    return list(db.session.scalars(statement.where(entity.id.in_(chosen)).order_by(*in_order)))


def _among_newest(
    selection: Selection,
    stretches: Sequence[_Stretch],
    inside: Sequence[ColumnElement[bool]],
    span: _Span,
) -> list[Thread]:
    """What a page shows of the organization's newest conversations: all, for whoever reads most mailboxes.

    Where it is less than a page, that says nothing about older ones.
    """
    here = (Thread.organization_id == current_organization_id(),)
    newest = _first(Thread, stretches, here, span, MOST_NEWEST).subquery()
    among = select(newest.c.id).order_by(*span.order(newest.c.at, newest.c.id)).limit(MOST_NEWEST)
    readable = is_readable(selection.member, Thread.mailbox_id)
    statement = select(Thread).where(Thread.id.in_(among), *inside, readable)
    in_order = span.order(_at(stretches), Thread.id)
    return list(db.session.scalars(statement.order_by(*in_order).limit(span.size + 1)))


def _first(
    entity: type[Any],
    stretches: Sequence[_Stretch],
    conditions: Sequence[ColumnElement[bool]],
    span: _Span,
    most: int,
    *outside: FromClause,
) -> SelectBase:
    """Ids and times of the first rows of each stretch; ``outside`` is what the conditions speak of, too."""
    firsts = [
        select(entity.id, stretch.at.label("at"))
        .where(*conditions, *stretch.conditions, *span.within(stretch.at, entity.id))
        .order_by(*span.order(stretch.at, entity.id))
        .limit(most)
        .correlate(*outside)
        for stretch in stretches
    ]
    return union_all(*firsts) if len(firsts) > 1 else firsts[0]


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


def _drafts(selection: Selection, span: _Span) -> Page:
    statement = (
        select(Draft)
        .where(*_own_drafts(selection), *span.within(Draft.updated_at, Draft.id))
        .order_by(*span.order(Draft.updated_at, Draft.id))
        .limit(span.size + 1)
    )
    drafts = db.session.scalars(statement).all()
    return _page(selection, rows_of_drafts(drafts), span)


def _own_drafts(selection: Selection) -> tuple[ColumnElement[bool], ...]:
    return (
        Draft.membership_id == selection.member.id,
        Draft.outgoing_id.is_(None),
        Draft.mailbox_id.in_(selection.mailbox_ids()),
    )


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
