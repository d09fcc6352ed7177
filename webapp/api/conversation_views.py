"""Conversations: found as in My Emails, given to somebody, done with, and written on."""

from typing import Any
from uuid import UUID

from flask import g

from mailboxes.access import readable_mailbox, readable_thread
from mailboxes.crm.paging import Page
from mailboxes.crm.texts import NOTES_LENGTH
from mailboxes.inbox import conversation as domain
from mailboxes.inbox import listing
from mailboxes.inbox.listing import Key
from mailboxes.inbox.selection import DRAFTS, EVERYTHING, VIEWS, Selection
from mailboxes.interchange.bodies import at_most, identifier
from mailboxes.interchange.nodes import choice, or_nothing
from mailboxes.interchange.records import record
from mailboxes.search import MOST_FOUND
from mailboxes.search_terms import parse_query
from mailboxes.system_mailboxes import Mailbox, hold_mailboxes
from mailboxes.threads import Thread
from mailboxes.threads.notes import Note, notes_of
from tenants.database import db
from webapp.api.known import demand_member
from webapp.api.listing import NO_CURSOR, page_of
from webapp.api.operations import USUAL, WORDS, Parameter, choice_of, demand_match, id_of, once, operation
from webapp.api.problems import QueryError
from webapp.api.shapes import FLAG, ID, MOMENT, NUMBER, TEXT, Shape, maybe, one_of, several
from workers import queues

CONVERSATION = Shape(
    "Conversation",
    id=ID,
    mailbox_id=ID,
    subject=TEXT,
    status=one_of(*domain.STATUSES),
    assignee_id=maybe(ID),
    senders=several(TEXT),
    message_count=NUMBER,
    has_attachments=FLAG,
    teaser=TEXT,
    last_at=MOMENT,
)
NOTE = Shape(
    "Note",
    id=ID,
    text=TEXT,
    author_id=maybe(ID),
    author_name=TEXT,
    written_at=MOMENT,
    edited_at=maybe(MOMENT),
)
CHANGES = record({"status": choice(*domain.STATUSES), "assignee_id": or_nothing(identifier)})
NEW_NOTE = record({"text": at_most(NOTES_LENGTH, is_demanded=True)}, ("text",))
SEARCH = {
    "q": Parameter(
        "A search as in My Emails: words, and `from: to: subject: in: is: has: before: after:`."
        f" It looks at the newest {MOST_FOUND} messages that fit.",
        WORDS.read,
    ),
    "view": choice_of(
        f"What is looked at; {EVERYTHING} where it is left out.", *(name for name in VIEWS if name != DRAFTS)
    ),
    "mailbox_id": id_of("In this mailbox alone."),
}


def found(query: dict[str, Any], *, is_threaded: bool) -> tuple[listing.Page, str]:
    """A page of what is searched, and the cursor of the next."""
    mailbox_id = query.get("mailbox_id")
    if mailbox_id is not None:
        readable_mailbox(g.member, mailbox_id)
    view = VIEWS[query.get("view", EVERYTHING)]
    selection = Selection(g.member, mailbox_id, view, parse_query(query.get("q", "")))
    before, size = key_of(query), query.get("limit", USUAL)
    page = listing.page(selection, size=size, before=before, is_threaded=is_threaded)
    return page, str(page.older or "")


def key_of(query: dict[str, Any]) -> Key | None:
    """Where the page before ended."""
    cursor = query.get("cursor", "")
    key = Key.of(cursor)
    if cursor and key is None:
        raise QueryError(NO_CURSOR, "cursor")
    return key


@operation("GET", "/conversations", scope="messages:read", answer=CONVERSATION, query=SEARCH, is_list=True)
def list_conversations(query: dict[str, Any]) -> Page[Thread]:
    """Conversations of the mailboxes that may be read, the latest first."""
    page, following = found(query, is_threaded=True)
    return Page([row.thread for row in page.rows if row.thread is not None], next=following)


@operation("GET", "/conversations/<uuid:thread_id>", scope="messages:read", answer=CONVERSATION)
def read_conversation(thread_id: UUID) -> Thread:
    """One conversation; its messages and notes are lists of their own."""
    return readable_thread(g.member, thread_id)


@operation(
    "PATCH",
    "/conversations/<uuid:thread_id>",
    scope="messages:write",
    body=CHANGES,
    answer=CONVERSATION,
    is_matched=True,
)
def change_conversation(thread_id: UUID, body: dict[str, Any]) -> Thread:
    """Say where it stands, or give it to somebody who may read it; null: to nobody."""
    thread = readable_thread(g.member, thread_id)
    hold_mailboxes(Mailbox.id == thread.mailbox_id)
    db.session.refresh(thread)
    demand_match(CONVERSATION.shown(thread))
    if "assignee_id" in body:
        demand_member(body["assignee_id"], "assignee_id")
        domain.assign(g.member, [thread.id], body["assignee_id"])
    if "status" in body:
        domain.change_status(g.member, [thread.id], body["status"])
    db.session.commit()
    queues.tell_pages(g.organization.id, thread.mailbox_id, "conversation")
    db.session.refresh(thread)
    return thread


@operation("GET", "/conversations/<uuid:thread_id>/notes", scope="messages:read", answer=NOTE, is_list=True)
def list_notes(thread_id: UUID, query: dict[str, Any]) -> Page[Note]:
    """What members wrote on a conversation for one another, the first first."""
    notes = notes_of(readable_thread(g.member, thread_id))
    return page_of(query, notes, Note.written_at, Note.id)


@operation(
    "POST",
    "/conversations/<uuid:thread_id>/notes",
    scope="messages:write",
    body=NEW_NOTE,
    answer=NOTE,
    status=201,
    is_once=True,
)
def write_note(thread_id: UUID, body: dict[str, Any]) -> Note:
    """Write a note for colleagues; it is never sent."""
    id = once(lambda: domain.note(g.member, thread_id, body["text"]).id)
    note, thread = domain.readable_note(g.member, id)
    db.session.commit()
    queues.tell_pages(g.organization.id, thread.mailbox_id, "conversation")
    return note
