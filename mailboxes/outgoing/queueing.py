"""A message is built, kept in its thread and put into the outbox, all in the caller's transaction.

Message-ID, bytes and recipients are frozen here: whatever happens later, the same message is sent.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import delete, select

from mailboxes import timeline
from mailboxes.access import demand_reply
from mailboxes.composing import (
    MARKS_OF_AN_ANSWER,
    File,
    Letter,
    Mailer,
    bounded_references,
    checked_address,
    compose,
)
from mailboxes.loop_tokens import LOOP_HEADER, loop_token
from mailboxes.messages import Attachment, Message
from mailboxes.outgoing.outbox import AUTOMATIC, REPLY, Outgoing
from mailboxes.outgoing.routes import Route, route_of
from mailboxes.parsing import ParsedMessage, parse, stable_hash
from mailboxes.quoting import reply_text
from mailboxes.raws import forget_raws, keep_raw, keep_raw_later
from mailboxes.search import MessageWords, index_messages, words_row
from mailboxes.subjects import base_subject
from mailboxes.system_mailboxes import Mailbox
from mailboxes.templates import Rendered
from mailboxes.threads import Thread
from mailboxes.threads.placing import keep_references
from mailboxes.threads.summaries import refresh_summary
from mailboxes.threads.tokens import TOKEN_HEADER, header_id, thread_token
from tenants.database import db, now, uuid7
from tenants.database.locks import hold_row
from tenants.database.portions import do_later, is_in_portion, write_later
from tenants.errors import ConflictError, NotFoundError
from tenants.organizations import Membership

PATIENCE = {REPLY: timedelta(hours=48), AUTOMATIC: timedelta(hours=4)}
TEASER_CHARACTERS = 200
TOO_LATE = "This message is on its way already and cannot be taken back."


class Person(Protocol):
    """Anybody with a name and an address."""

    @property
    def name(self) -> str: ...
    @property
    def address(self) -> str: ...


class CannotSendError(ConflictError):
    """The mailbox has no way to send; the message says why."""


@dataclass(frozen=True, slots=True)
class _Recipients:
    to: tuple[Mailer, ...]
    cc: tuple[Mailer, ...] = ()
    bcc: tuple[Mailer, ...] = ()

    @property
    def addresses(self) -> list[str]:
        """Everybody once, for the envelope."""
        return list(dict.fromkeys(one.address for one in (*self.to, *self.cc, *self.bcc)))


@dataclass(frozen=True, slots=True)
class Reply:
    """What a person wrote, and to whom. ``attachments``: (filename, content type, content)."""

    to: Sequence[Person]
    subject: str
    text: str
    cc: Sequence[Person] = ()
    bcc: Sequence[Person] = ()
    attachments: Sequence[tuple[str, str, bytes]] = ()


def queue_reply(
    mailbox: Mailbox,
    member: Membership,
    reply: Reply,
    *,
    answers: Message | None = None,
    send_after: datetime | None = None,
) -> Outgoing:
    """Queue what a person wrote; it is in the conversation at once, and sent from ``send_after`` on.

    The caller has demanded the right to reply. `CannotSendError` if the mailbox cannot send,
    `UnsafeMessageError` for an address that is none.
    """
    route = _demanded_route(mailbox)
    thread = _thread_for(mailbox, answers, reply.subject)
    recipients = _Recipients(_mailers(reply.to), _mailers(reply.cc), _mailers(reply.bcc))
    letter = Letter(
        header_id=header_id(thread, _domain(route)),
        date=now(),
        sender=route.sender.mailer,
        reply_to=route.sender.reply_to,
        to=recipients.to,
        cc=recipients.cc,
        subject=reply.subject,
        text=reply.text,
        attachments=[File(*one) for one in reply.attachments],
        own_headers=[(TOKEN_HEADER, thread_token(thread))],
        **_answering(answers),
    )
    message = _kept_message(mailbox, thread, letter, recipients, sent_by_id=member.id)
    row = _queued(mailbox, message, letter, recipients, route)
    row.trigger_id = answers.id if answers is not None else None
    row.created_by_id = member.id
    row.next_attempt_at = send_after or now()
    row.give_up_at = row.next_attempt_at + PATIENCE[REPLY]
    db.session.flush()
    reason = f"{member.acting_name} wrote it; it goes to {_named(recipients)}."
    timeline.record(message, "queued", "queued", reason)
    return row


def queue_automatic_response(trigger: Message, mailbox: Mailbox, recipient: str, answer: Rendered) -> UUID:
    """Queue an automatic response with the marks of reliability §3.2, in the thread of its trigger.

    Returns its id in the outbox. The caller counts the thread anew.
    """
    route = _demanded_route(mailbox)
    thread = _held_thread(trigger)
    id = uuid7()
    domain = _domain(route)
    letter = Letter(
        header_id=f"ar.{id}.{thread_token(thread)}@{domain}",
        date=now(),
        sender=route.sender.mailer,
        reply_to=route.sender.reply_to,
        to=[Mailer("", checked_address(recipient))],
        subject=answer.subject,
        text=answer.text,
        html=answer.html,
        own_headers=[
            *MARKS_OF_AN_ANSWER,
            (LOOP_HEADER, loop_token(trigger.organization_id, mailbox.id, trigger.id)),
            (TOKEN_HEADER, thread_token(thread)),
        ],
        **_answering(trigger),
    )
    recipients = _Recipients(tuple(letter.to))
    content = compose(letter)
    parsed = parse(content)
    message = {
        **_message_row(mailbox, thread, letter, recipients, content, parsed),
        "raw_id": keep_raw_later(content),
        "is_automatic": True,
        "language": answer.language or None,
    }
    write_later(Message, message)
    write_later(MessageWords, words_row(mailbox.id, message, ()))
    do_later(_keep_references, (mailbox, thread.id, parsed.references))
    queued = {
        **_queued_row(mailbox, message["id"], letter, recipients, kind=AUTOMATIC),
        "id": id,
        "trigger_id": trigger.id,
        "envelope_sender": route.sender.mailer.address if route.refuses_null_sender else "",
    }
    write_later(Outgoing, queued)
    timeline.begin(message["id"], "queued", "queued", f"An automatic response to {recipient}.")
    return id


def take_back(outgoing_id: UUID) -> None:
    """Undo a sending that has not begun: the message leaves the conversation. The caller commits.

    `ConflictError` if it is too late.
    """
    row = db.session.scalar(select(Outgoing).where(Outgoing.id == outgoing_id).with_for_update())
    if row is None or row.kind != REPLY or row.state != "ready" or row.attempts:
        raise ConflictError(TOO_LATE)
    message = db.session.get_one(Message, (row.organization_id, row.message_id))
    thread = db.session.get_one(Thread, (message.organization_id, message.thread_id))
    raw_id = message.raw_id
    db.session.expunge(row)  # it goes with its message
    db.session.delete(message)
    db.session.flush()
    if raw_id is not None:
        forget_raws([raw_id])
    refresh_or_forget(thread)


def refresh_or_forget(thread: Thread) -> None:
    """Count a thread anew after one of its messages went; an empty one goes too."""
    if db.session.scalar(select(Message.id).where(Message.thread_id == thread.id).limit(1)) is not None:
        refresh_summary(thread)
        return
    db.session.execute(delete(Thread).where(Thread.id == thread.id))
    db.session.expunge(thread)


def send_again(member: Membership, message: Message) -> Outgoing:
    """A person decides that a reply that failed, or may have been sent, is sent (again): the same bytes.

    `NotFoundError` if it was no reply of ours, `ForbiddenError` without the right to reply,
    `ConflictError` for what is on its way or was sent. The caller commits, and rings.
    """
    demand_reply(member, message.mailbox_id)
    query = select(Outgoing).where(Outgoing.message_id == message.id, Outgoing.kind == REPLY)
    row = db.session.scalar(query.with_for_update().execution_options(populate_existing=True))
    if row is None:
        raise NotFoundError
    if row.state not in ("unknown", "failed"):
        raise ConflictError("This reply is on its way, or was sent. It is not sent again.")
    row.state, row.attempts, row.last_error = "ready", 0, ""
    row.claim_expires_at, row.copy_state = None, "pending"
    row.next_attempt_at = now()
    row.give_up_at = now() + PATIENCE[REPLY]
    timeline.record(message, "queued", "queued again", f"{member.acting_name} sends it again.")
    return row


def _demanded_route(mailbox: Mailbox) -> Route:
    route = route_of(mailbox)
    if isinstance(route, str):
        raise CannotSendError(route)
    return route


def _thread_for(mailbox: Mailbox, answers: Message | None, subject: str) -> Thread:
    if answers is not None:
        return _held_thread(answers)
    thread = Thread(mailbox_id=mailbox.id, subject=subject, base_subject=base_subject(subject)[0])
    db.session.add(thread)
    db.session.flush()  # its token needs its ids
    return thread


def _held_thread(message: Message) -> Thread:
    """Before what is mentioned in it is written, as delivery holds it; a portion holds it from the start."""
    thread = db.session.get_one(Thread, (message.organization_id, message.thread_id))
    if not is_in_portion(message.id):
        hold_row(thread)
    return thread


def _answering(answered: Message | None) -> dict[str, Any]:
    if answered is None or not answered.message_id:
        return {}
    references = bounded_references(answered.references, answered.message_id)
    return {"in_reply_to": answered.message_id, "references": references}


def _kept_message(
    mailbox: Mailbox, thread: Thread, letter: Letter, recipients: _Recipients, **more: Any
) -> Message:
    """Our own message, in its thread as if it had arrived, with its raw, words and attachments."""
    content = compose(letter)
    parsed = parse(content)
    message = Message(
        **_message_row(mailbox, thread, letter, recipients, content, parsed),
        raw_id=keep_raw(content, mailbox.organization_id).id,
        **more,
    )
    db.session.add(message)
    db.session.flush()
    _keep_parts(mailbox, message, parsed)
    keep_references(mailbox, [(thread.id, reference) for reference in parsed.references])
    refresh_summary(thread)
    return message


def _keep_references(named: list[tuple[Mailbox, UUID, Sequence[str]]]) -> None:
    by_mailbox: dict[Mailbox, list[tuple[UUID, str]]] = {}
    for mailbox, thread_id, references in named:
        by_mailbox.setdefault(mailbox, []).extend((thread_id, one) for one in references)
    for mailbox, mentioned in by_mailbox.items():
        keep_references(mailbox, mentioned)


def _message_row(
    mailbox: Mailbox,
    thread: Thread,
    letter: Letter,
    recipients: _Recipients,
    content: bytes,
    parsed: ParsedMessage,
) -> dict[str, Any]:
    written = reply_text(parsed.text)
    return {
        "id": uuid7(),
        "mailbox_id": mailbox.id,
        "thread_id": thread.id,
        "stable_hash": stable_hash(content),
        "direction": "out",
        "box": "sent",
        "message_id": letter.header_id,
        "in_reply_to": parsed.in_reply_to or "",
        "references": list(parsed.references),
        "sent_at": parsed.sent_at,
        "sender_name": letter.sender.name,
        "sender_address": letter.sender.address.lower(),
        "addresses": _addresses(letter, recipients),
        "subject": parsed.subject,
        "teaser": " ".join(written.split())[:TEASER_CHARACTERS],
        "text": parsed.text,
        "reply_text": written,
        "has_html": parsed.html is not None,
        "size": len(content),
        "attachment_count": parsed.offered_count,
        "is_read_by_all": True,
    }


def _keep_parts(mailbox: Mailbox, message: Message, parsed: ParsedMessage) -> None:
    for one in parsed.attachments:
        db.session.add(
            Attachment(
                message_id=message.id,
                position=one.position,
                filename=one.filename,
                content_type=one.content_type,
                size=one.size,
                content_id=one.content_id or "",
                is_inline=one.is_embedded,
            )
        )
    words = {
        "id": message.id,
        "subject": message.subject,
        "text": message.text,
        "addresses": message.addresses,
    }
    names = {message.id: [one.filename for one in parsed.attachments]}
    index_messages(mailbox.id, [words], names)


def _queued(
    mailbox: Mailbox,
    message: Message,
    letter: Letter,
    recipients: _Recipients,
    route: Route,
) -> Outgoing:
    row = Outgoing(**_queued_row(mailbox, message.id, letter, recipients, kind=REPLY))
    row.envelope_sender = route.sender.mailer.address
    db.session.add(row)
    return row


def _queued_row(
    mailbox: Mailbox, message_id: UUID, letter: Letter, recipients: _Recipients, *, kind: str
) -> dict[str, Any]:
    return {
        "id": uuid7(),
        "mailbox_id": mailbox.id,
        "message_id": message_id,
        "kind": kind,
        "header_id": letter.header_id,
        "recipients": recipients.addresses,
        "give_up_at": now() + PATIENCE[kind],
    }


def _addresses(letter: Letter, recipients: _Recipients) -> dict[str, Any]:
    reply_to = [letter.reply_to] if letter.reply_to is not None else []
    lists: dict[str, Iterable[Mailer]] = {
        "from": [letter.sender],
        "reply_to": reply_to,
        "to": recipients.to,
        "cc": recipients.cc,
        "bcc": recipients.bcc,
    }
    return {
        name: [{"name": one.name, "address": one.address} for one in people] for name, people in lists.items()
    }


def _mailers(people: Sequence[Person]) -> tuple[Mailer, ...]:
    return tuple(Mailer(one.name, checked_address(one.address)) for one in people)


def _domain(route: Route) -> str:
    return checked_address(route.sender.mailer.address).rpartition("@")[2]


def _named(recipients: _Recipients) -> str:
    addresses = recipients.addresses
    more = f" and {len(addresses) - 3} more" if len(addresses) > 3 else ""
    return ", ".join(addresses[:3]) + more
