"""A search as conditions on threads and their messages."""

import re
from datetime import UTC, date, datetime
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Select,
    Text,
    and_,
    cast,
    exists,
    false,
    func,
    or_,
    select,
    true,
    union_all,
)

from mailboxes.drafts import Draft, own_drafts
from mailboxes.inbox.read_state import is_unread_by, unread_thread_ids
from mailboxes.inbox.selection import UNREAD, Selection, is_snoozed
from mailboxes.inbox.subscriptions import unfollowed_ids
from mailboxes.messages import Message
from mailboxes.search import MOST_FOUND, messages_with_words, threads_noted_with
from mailboxes.search_terms import BOXES, Query
from mailboxes.system_mailboxes import Mailbox
from mailboxes.threads import Thread, ThreadRecord
from mailboxes.threads.notes import Note
from mailboxes.threads.tags import id_of_tag, threads_with
from tenants.database import current_organization_id, is_one_of
from tenants.organizations import Membership

_WHOLE_ADDRESS = re.compile(r"[^\s@<>]+@[^\s@<>]+\.[^\s@<>.]{2,}")
_PART = re.compile(r"[^\W_]+")
_LAST_PART = re.compile(r"[^\W_]+\Z")
_ELSEWHERE = ("drafts", "spam", "trash", "other")
SHORTEST_BEGINNING = 3  # letters; fewer begin too many words
_EVERYWHERE = ("all", "anywhere")


def thread_conditions(selection: Selection, *, is_about_messages: bool = True) -> list[ColumnElement[bool]]:
    """What a `Thread` must be, to be in the selection. May look up tags, and what is unread.

    Without ``is_about_messages`` what the search says about messages is left to the caller.
    """
    # A tag that is looked up before is one of which the planner knows how many conversations bear it.
    ids = [id_of_tag(name) for name in selection.query.values("tag")]
    conditions = [*conditions_of_thread(selection), *(_bears(id) if id else false() for id in ids)]
    return [*conditions, *_through_messages(selection)] if is_about_messages else conditions


def conditions_of_thread(selection: Selection) -> list[ColumnElement[bool]]:
    """The same without messages and tags."""
    query, member = selection.query, selection.member
    conditions = [selection.view.condition(member)]
    conditions += [state(value, member) for value in query.values("is") if value not in ("unread", "read")]
    conditions += [_possession(value, member) for value in query.values("has")]
    conditions += [_mailbox(value) for value in query.values("in") if _is_label(value)]
    if selection.is_of_followed:
        conditions.append(Thread.mailbox_id.not_in(unfollowed_ids(member)))
    if "read" in query.values("is"):
        conditions.append(~_has_unread(member))
    return conditions


def _through_messages(selection: Selection) -> list[ColumnElement[bool]]:
    query = selection.query
    conditions: list[ColumnElement[bool]] = []
    if selection.view.name == UNREAD or "unread" in query.values("is"):
        conditions.append(_unread(selection))
    about_messages = message_conditions(query)
    found = found_first(selection)
    if found is not None:
        hits = select(Message.thread_id).where(Message.id.in_(found), *about_messages)
        noted = _noted(selection) if not about_messages else None
        conditions.append(Thread.id.in_(hits if noted is None else union_all(hits, noted)))
    elif about_messages:
        conditions.append(_has_message(*about_messages))
    return conditions


def says_of_messages(query: Query) -> bool:
    """Whether a search says something of single messages, for which they would be looked at."""
    return bool(query.words or message_conditions(query) or {"unread", "read"} & set(query.values("is")))


def found_first(selection: Selection) -> Select[UUID] | None:
    """The messages an index knows for a search, the newest, at most `MOST_FOUND`.

    None where what is asked for is so frequent that the lists are walked until a page is full.
    """
    by_words = _found_by_words(selection)
    return by_words if by_words is not None else _found_by_place_or_time(selection)


def _noted(selection: Selection) -> Select[UUID] | None:
    """The conversations whose notes have the words."""
    finished, beginnings = _typed_words(selection)
    if not finished and not beginnings:
        return None
    return threads_noted_with(finished, selection.mailbox_ids(), beginnings)


def _typed_words(selection: Selection) -> tuple[list[str], list[str]]:
    """The words of a search, and those of which only the beginning may be typed yet."""
    finished = list(selection.query.words)
    return finished, [finished.pop()] if finished and _may_be_half_typed(finished[-1]) else []


def _found_by_words(selection: Selection) -> Select[UUID] | None:
    """By words, also those of the names and subjects that are asked for."""
    finished, beginnings = _typed_words(selection)
    for name in ("from", "to", "subject"):
        for value in selection.query.values(name):
            if _WHOLE_ADDRESS.fullmatch(value):
                finished.append(value)  # nothing of it is typed only half
            else:
                beginnings += _PART.findall(value)
    if not finished and not beginnings:
        return None
    return messages_with_words(finished, selection.mailbox_ids(), beginnings)


def _may_be_half_typed(word: str) -> bool:
    """Whether the last word may go on: also a part of an address, such as ``ada.lovel``; no phrase."""
    if " " in word or _WHOLE_ADDRESS.fullmatch(word):
        return False
    last = _LAST_PART.search(word)
    return last is not None and len(last[0]) >= SHORTEST_BEGINNING


def _found_by_place_or_time(selection: Selection) -> Select[UUID] | None:
    """By a folder that few messages lie in, or by a day long ago."""
    query = selection.query
    if not query.before and not set(_ELSEWHERE) & set(query.values("in")):
        return None
    boxes = selection.mailbox_ids().subquery()
    newest = (
        select(Message.id, Message.shown_at)
        .where(
            Message.organization_id == current_organization_id(),
            Message.mailbox_id == boxes.c.id,
            *message_conditions(query),
        )
        .order_by(Message.shown_at.desc(), Message.id.desc())
        .limit(MOST_FOUND)
        .lateral()
    )
    found = select(newest.c.id).select_from(boxes.join(newest, true()))
    return found.order_by(newest.c.shown_at.desc(), newest.c.id.desc()).limit(MOST_FOUND)


def message_conditions(query: Query) -> list[ColumnElement[bool]]:
    """What one `Message` must be, apart from its words: all of it holds for the same message."""
    return [
        *(_from(value) for value in query.values("from")),
        *(_to(value) for value in query.values("to")),
        *(Message.subject.icontains(value, autoescape=True) for value in query.values("subject")),
        *(_box(value) for value in query.values("in") if value in BOXES),
        *([Message.is_automatic.is_(True)] if "automatic" in query.values("is") else []),
        *([Message.shown_at < _start_of(query.before)] if query.before else []),
        *([Message.shown_at >= _start_of(query.after)] if query.after else []),
    ]


def state(value: str, member: Membership) -> ColumnElement[bool]:
    """What a `Thread` must be, for ``is:`` with this value."""
    if value in ("open", "waiting", "done"):
        return Thread.status == value
    if value == "snoozed":
        return is_snoozed()
    if value == "mine":
        return Thread.assignee_id == member.id
    if value == "auto-replied":
        return Thread.is_auto_replied.is_(True)
    if value == "automatic":
        return Thread.message_count > 0  # said of its messages
    is_assigned = Thread.assignee_id.is_not(None)
    return is_assigned if value == "assigned" else ~is_assigned


def _possession(value: str, member: Membership) -> ColumnElement[bool]:
    if value == "attachment":
        return Thread.has_attachments == true()
    if value == "note":
        return exists().where(Note.organization_id == Thread.organization_id, Note.thread_id == Thread.id)
    if value == "draft":
        return Thread.id.in_(own_drafts(member).with_only_columns(Draft.thread_id))
    return exists().where(ThreadRecord.thread_id == Thread.id, ThreadRecord.kind == value)


def _bears(tag_id: UUID) -> ColumnElement[bool]:
    """Whether a `Thread` bears a tag."""
    return Thread.id.in_(threads_with(tag_id))


def _is_label(value: str) -> bool:
    return value not in BOXES and value not in _EVERYWHERE


def _mailbox(value: str) -> ColumnElement[bool]:
    named = select(Mailbox.id).where(or_(func.lower(Mailbox.label) == value, Mailbox.address == value))
    return Thread.mailbox_id.in_(named)


def _unread(selection: Selection) -> ColumnElement[bool]:
    """Few unread threads are named one by one; where there are many, the newest turn up soon anyhow."""
    ids = unread_thread_ids(selection)
    if ids is None:
        return _has_unread(selection.member)
    return is_one_of(Thread.id, ids) if ids else false()


def _has_unread(member: Membership) -> ColumnElement[bool]:
    return _has_message(is_unread_by(member))


def _has_message(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    """Asked of one thread after the other, newest first: as a join it would be asked of all at once."""
    message = select(Message.id).where(
        Message.organization_id == Thread.organization_id, Message.thread_id == Thread.id, and_(*conditions)
    )
    return message.limit(1).correlate(Thread).scalar_subquery().is_not(None)


def _from(value: str) -> ColumnElement[bool]:
    if _WHOLE_ADDRESS.fullmatch(value):
        return Message.sender_address == value.lower()
    return or_(
        Message.sender_address.contains(value.lower(), autoescape=True),
        Message.sender_name.icontains(value, autoescape=True),
    )


def _to(value: str) -> ColumnElement[bool]:
    return or_(
        *(
            cast(Message.addresses[line], Text).icontains(value, autoescape=True)
            for line in ("to", "cc", "bcc")
        )
    )


def _box(value: str) -> ColumnElement[bool]:
    if value == "sent":
        return Message.direction == "out"
    if value in _ELSEWHERE:
        return (Message.box == value) & Message.box.not_in(("inbox", "sent"))  # as its index says
    return Message.box == value


def _start_of(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
