"""Messages: read, taken as they came, and answered."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import Response, g
from sqlalchemy import select

from mailboxes.access import readable_message, readable_thread
from mailboxes.crm.paging import Page
from mailboxes.drafts.answering import File, answer
from mailboxes.drafts.writing import LONGEST
from mailboxes.inbox import content, read_state
from mailboxes.interchange.bodies import at_most, texts
from mailboxes.interchange.nodes import Part, listed, number, reads, switch, text
from mailboxes.interchange.records import record
from mailboxes.messages import Attachment, Message
from mailboxes.outgoing import Outgoing
from tenants.database import db, is_one_of
from webapp.api.conversation_views import SEARCH, found
from webapp.api.listing import page_of
from webapp.api.operations import demand_match, once, operation
from webapp.api.shapes import FLAG, ID, MOMENT, NUMBER, TEXT, Shape, maybe, one_of, several
from webapp.mail.downloads import download
from workers import queues

PERSON = Shape("Person", name=(TEXT, lambda one: one["name"]), address=(TEXT, lambda one: one["address"]))
ATTACHMENT = Shape(
    "Attachment", position=NUMBER, filename=TEXT, content_type=TEXT, size=NUMBER, is_inline=FLAG
)


@dataclass(frozen=True)
class Whole:
    """A message with what hangs on it; ``sending`` is how far one of ours has come."""

    message: Message
    attachments: list[Attachment]
    sending: str | None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.message, name)


def _people(name: str) -> tuple[Any, Any]:
    return several(PERSON.kind), lambda whole: whole.addresses.get(name, ())


MESSAGE = Shape(
    "Message",
    id=ID,
    conversation_id=(ID, lambda whole: whole.thread_id),
    mailbox_id=ID,
    direction=one_of("in", "out"),
    message_id=(TEXT, lambda whole: whole.message.message_id),
    subject=TEXT,
    **{"from": _people("from"), "reply_to": _people("reply_to"), "to": _people("to"), "cc": _people("cc")},
    text=TEXT,
    reply_text=TEXT,
    has_html=FLAG,
    language=maybe(TEXT),
    is_automatic=FLAG,
    size=NUMBER,
    at=(MOMENT, lambda whole: whole.shown_at),
    sent_at=maybe(MOMENT),
    received_at=maybe(MOMENT),
    attachments=several(ATTACHMENT.kind),
    sending=maybe(one_of("ready", "claimed", "committing", "sent", "failed", "unknown", "cancelled")),
)


@reads(type="string", contentEncoding="base64", description="The bytes, in Base64.")
def _bytes(part: Part) -> bytes:
    try:
        return base64.b64decode(text(part), validate=True)
    except (binascii.Error, ValueError):
        raise part.error("Send the bytes in Base64.") from None


NEW_REPLY = record(
    {
        "text": at_most(LONGEST["body"], is_demanded=True),
        "subject": at_most(LONGEST["subject"]),
        "to_all": switch,
        "to": texts,
        "cc": texts,
        "bcc": texts,
        "message_count": number,
        "attachments": listed(
            record(
                {"filename": at_most(255, is_demanded=True), "content_type": at_most(100), "content": _bytes},
                ("filename", "content"),
            )
        ),
    },
    ("text",),
)
READ_STATE = record({"is_read": switch}, ("is_read",))


@operation("GET", "/messages", scope="messages:read", answer=MESSAGE, query=SEARCH, is_list=True)
def list_messages(query: dict[str, Any]) -> Page[Whole]:
    """Messages of the mailboxes that may be read, each by itself, the latest first."""
    page, following = found(query, is_threaded=False)
    ids = [row.message_id for row in page.rows if row.message_id is not None]
    by_id = {one.id: one for one in db.session.scalars(select(Message).where(is_one_of(Message.id, ids)))}
    return Page(_whole([by_id[id] for id in ids if id in by_id]), next=following)


@operation(
    "GET", "/conversations/<uuid:thread_id>/messages", scope="messages:read", answer=MESSAGE, is_list=True
)
def list_messages_of_conversation(thread_id: UUID, query: dict[str, Any]) -> Page[Whole]:
    """The messages of a conversation, the latest first."""
    thread = readable_thread(g.member, thread_id)
    messages = select(Message).where(Message.thread_id == thread.id)
    page = page_of(query, messages, Message.shown_at, Message.id, is_descending=True)
    return Page(_whole(page.rows), next=page.next)


@operation("GET", "/messages/<uuid:message_id>", scope="messages:read", answer=MESSAGE)
def read_message(message_id: UUID) -> Whole:
    """One message. Nothing is marked as read."""
    return _whole([readable_message(g.member, message_id)])[0]


@operation(
    "PATCH",
    "/messages/<uuid:message_id>",
    scope="messages:write",
    body=READ_STATE,
    answer=MESSAGE,
    is_matched=True,
)
def change_message(message_id: UUID, body: dict[str, Any]) -> Whole:
    """Mark it as read, or unread, for whoever made the token."""
    message = readable_message(g.member, message_id)
    demand_match(MESSAGE.shown(_whole([message])[0]))
    this = select(Message).where(Message.id == message.id)
    (read_state.mark_read if body["is_read"] else read_state.mark_unread)(g.member, this)
    db.session.commit()
    return _whole([message])[0]


@operation("GET", "/messages/<uuid:message_id>/raw", scope="messages:read", media="message/rfc822")
def read_source(message_id: UUID) -> Response:
    """The message as it came, every byte of it."""
    message = readable_message(g.member, message_id)
    response = download(content.bytes_of(message), f"{message.subject[:80] or 'message'}.eml")
    response.content_type = "message/rfc822"
    return response


@operation(
    "GET",
    "/messages/<uuid:message_id>/attachments/<int:position>",
    scope="messages:read",
    media="application/octet-stream",
)
def read_attachment(message_id: UUID, position: int) -> Response:
    """The content of an attachment."""
    attachment, data = content.attachment_of(readable_message(g.member, message_id), position)
    return download(data, attachment.filename)


@operation(
    "POST",
    "/messages/<uuid:message_id>/reply",
    scope="messages:write",
    body=NEW_REPLY,
    answer=MESSAGE,
    status=202,
    is_once=True,
)
def reply(message_id: UUID, body: dict[str, Any]) -> Whole:
    """Answer a message from its mailbox. With an `Idempotency-Key` a repeated request sends nothing twice.

    It goes to whoever a reply goes to, with `to_all` to everybody, or to the people named. With
    `message_count`, as read with the conversation, nothing is sent where somebody wrote meanwhile.
    """
    message = readable_message(g.member, message_id)
    id = once(lambda: answer(g.member, message, body, _files(body)).message_id)
    db.session.commit()
    queues.ring_outgoing(g.organization.id)
    queues.tell_pages(g.organization.id, message.mailbox_id, "conversation")
    return _whole([readable_message(g.member, id)])[0]


def _files(body: dict[str, Any]) -> list[File]:
    unknown = "application/octet-stream"
    return [
        (one["filename"], one.get("content_type") or unknown, one["content"])
        for one in body.get("attachments", ())
    ]


def _whole(messages: Sequence[Message]) -> list[Whole]:
    ids = [message.id for message in messages]
    hanging: dict[UUID, list[Attachment]] = {}
    query = select(Attachment).where(is_one_of(Attachment.message_id, ids)).order_by(Attachment.position)
    for one in db.session.scalars(query):
        hanging.setdefault(one.message_id, []).append(one)
    states = select(Outgoing.message_id, Outgoing.state).where(is_one_of(Outgoing.message_id, ids))
    sending = {row.message_id: row.state for row in db.session.execute(states)}
    return [Whole(one, hanging.get(one.id, []), sending.get(one.id)) for one in messages]
