"""A message leaves an organization, with everything that was made of it; an audit line stays.

The session is bound to that organization. What goes: the message and its bytes, attachments and words; what
was sent in answer to it; the conversation with its notes, if nothing else came in there; drafts; the
contact that only it made; and the content of the lead or case that it made. What people did on such a
record stays.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.orm import InstrumentedAttribute

from mailboxes.classifying import canonical_address
from mailboxes.conversion.claims import Conversion
from mailboxes.conversion.people import person_of
from mailboxes.crm.cases import Case
from mailboxes.crm.contacts import Contact, ContactAddress, contact_with_address
from mailboxes.crm.emptying import empty_or_delete
from mailboxes.crm.leads import Lead
from mailboxes.drafts import Draft
from mailboxes.messages import Attachment, Location, Message, hold_messages
from mailboxes.outgoing import Outgoing
from mailboxes.raws import forget_raws
from mailboxes.responses import ResponseWindow
from mailboxes.subjects import base_subject
from mailboxes.system_mailboxes import SEES_DELETED, Mailbox, hold_mailboxes
from mailboxes.threads import Thread, ThreadRecord, ThreadReference
from mailboxes.threads.notes import Note
from mailboxes.threads.summaries import refresh_summaries
from tenants.audit import Actor, record
from tenants.database import db
from tenants.errors import ConflictError

BEING_SENT = ("claimed", "committing")
Record = TypeVar("Record", Lead, Case)
GONE = "It has been deleted meanwhile."
WAIT = "An answer to it is being sent at this moment. Try again in a minute."


@dataclass(frozen=True, slots=True)
class Effects:
    """What goes with a message, counted: people read this before they move it."""

    messages: int  # with what was sent in answer to it
    answers: int
    attachments: int
    drafts: int
    notes: int
    leads: int
    cases: int
    other_records: int  # of plug-ins, which keep what they have copied


def message_at(arrival_id: UUID) -> Message | None:
    """The message that an arrival has become here."""
    query = select(Message).join(Location, Location.message_id == Message.id)
    return db.session.scalar(query.where(Location.arrival_id == arrival_id))


def arrivals_of(message: Message) -> list[UUID]:
    """Every arrival of a message: it may lie in several folders."""
    query = select(Location.arrival_id).where(Location.message_id == message.id)
    return list(db.session.scalars(query.order_by(Location.arrival_id)))


def others_that_came_in(message: Message) -> list[Message]:
    """What else came in in its conversation, and lies on the server."""
    query = select(Message).where(
        Message.thread_id == message.thread_id,
        Message.direction == "in",
        Message.id != message.id,
        Message.id.in_(select(Location.message_id)),
    )
    return list(db.session.scalars(query.order_by(Message.shown_at, Message.id)))


def effects_of(message: Message) -> Effects:
    """What would go with this message."""
    doomed = _doomed(message)
    records = db.session.scalars(select(Conversion.kind).where(Conversion.message_id == message.id)).all()
    return Effects(
        messages=len(doomed),
        answers=len(doomed) - 1,
        attachments=_count(Attachment.id, Attachment.message_id.in_(doomed)),
        drafts=_count(Draft.id, _drafts(message, doomed)),
        notes=_count(Note.id, _is_of_emptied(Note.thread_id, message, doomed)),
        leads=len(_made_by(Lead, message)),
        cases=len(_made_by(Case, message)),
        other_records=sum(kind not in ("lead", "case") for kind in records),
    )


def hold_to_leave(message: Message) -> Mailbox:
    """Its mailbox, also one that is being deleted, whose job then takes nothing until we are done.

    Nobody splits or joins its conversation before the transaction ends. `ConflictError` if it is gone.
    """
    hold_mailboxes(Mailbox.id == message.mailbox_id)
    if db.session.scalar(select(Message.id).where(Message.id == message.id)) is None:
        raise ConflictError(GONE)
    db.session.refresh(message, ["thread_id"])  # somebody may have split its conversation meanwhile
    hold_messages(message.thread_id)  # before their records, as whoever acts on them
    key = (message.organization_id, message.mailbox_id)
    return db.session.get_one(Mailbox, key, execution_options={SEES_DELETED: True})


def leave(message: Message, *, by: Actor) -> list[str]:
    """Remove a message with what was made of it; returns the objects to forget once that is committed.

    `ConflictError` while an answer to it is being sent, or if it was deleted meanwhile.
    """
    mailbox = hold_to_leave(message)  # held here also for whoever asks for it below: it may be hidden
    doomed, effects = _doomed(message), effects_of(message)
    sending = select(Outgoing.id).where(Outgoing.message_id.in_(doomed), Outgoing.state.in_(BEING_SENT))
    if db.session.scalars(sending.with_for_update()).first() is not None:
        raise ConflictError(WAIT)
    writer = contact_with_address(person_of(message).address)
    emptied = _leave_records(message)
    raws = list(db.session.scalars(select(Message.raw_id).where(Message.id.in_(doomed))))
    _forget_window(message)
    db.session.execute(delete(Draft).where(_drafts(message, doomed)))
    db.session.execute(delete(Message).where(Message.id.in_(doomed)))
    _leave_thread(message)
    is_forgotten = writer is not None and _forget_contact(writer, message)
    after = {**asdict(effects), "records_kept_empty": emptied, "contact": is_forgotten}
    record(by, "message.moved_away", f"A message of {mailbox.label}", {}, after)
    return forget_raws([raw for raw in raws if raw is not None])


# --- the message and its conversation --------------------------------------------------------


def _doomed(message: Message) -> list[UUID]:
    """The message and what was sent in answer to it: all of the conversation, if nothing else came in."""
    in_thread = Message.thread_id == message.thread_id
    came_in = select(Message.id).where(in_thread, Message.direction == "in", Message.id != message.id)
    if db.session.scalar(came_in.limit(1)) is None:
        return list(db.session.scalars(select(Message.id).where(in_thread).order_by(Message.id)))
    answers = select(Outgoing.message_id).where(Outgoing.trigger_id == message.id)
    return [message.id, *db.session.scalars(answers.order_by(Outgoing.message_id))]


def _drafts(message: Message, doomed: Sequence[UUID]) -> ColumnElement[bool]:
    return Draft.answers_id.in_(doomed) | _is_of_emptied(Draft.thread_id, message, doomed)


def _is_of_emptied(
    thread_id: InstrumentedAttribute[Any], message: Message, doomed: Sequence[UUID]
) -> ColumnElement[bool]:
    """Whether a row hangs on the conversation, and no message is left there."""
    left = select(Message.id).where(Message.thread_id == message.thread_id, Message.id.not_in(doomed))
    return (thread_id == message.thread_id) & ~left.exists()


def _leave_thread(message: Message) -> None:
    thread = db.session.get_one(Thread, (message.organization_id, message.thread_id))
    left = db.session.scalars(
        select(Message).where(Message.thread_id == thread.id).order_by(Message.shown_at, Message.id)
    ).all()
    if not left:
        db.session.delete(thread)
        db.session.flush()
        return
    mentioned = {id for one in left for id in (one.in_reply_to, *one.references)}
    db.session.execute(
        delete(ThreadReference).where(
            ThreadReference.thread_id == thread.id, ThreadReference.reference.not_in(mentioned)
        )
    )
    thread.base_subject = base_subject(left[0].subject)[0]
    db.session.flush()
    refresh_summaries([thread.id])


def _forget_window(message: Message) -> None:
    db.session.execute(
        delete(ResponseWindow).where(
            ResponseWindow.mailbox_id == message.mailbox_id,
            ResponseWindow.sender == canonical_address(message.sender_address),
        )
    )


# --- records and contact ---------------------------------------------------------------------


def _leave_records(message: Message) -> int:
    """Records of this message lose what it told them, unless it is here a second time; how many stay."""
    twin = select(Message.id).where(Message.stable_hash == message.stable_hash, Message.id != message.id)
    if db.session.scalar(twin.limit(1)) is not None:
        return 0
    db.session.execute(delete(Conversion).where(Conversion.message_id == message.id))
    made: list[Lead | Case] = [*_made_by(Lead, message), *_made_by(Case, message)]
    return sum(not empty_or_delete(one, is_used=_hangs_elsewhere(one, message)) for one in made)


def _made_by(model: type[Record], message: Message) -> Sequence[Record]:
    return db.session.scalars(select(model).where(model.opening_message_id == message.id)).all()


def _hangs_elsewhere(one: Lead | Case, message: Message) -> bool:
    """Whether another conversation belongs to it."""
    column = ThreadRecord.lead_id if isinstance(one, Lead) else ThreadRecord.case_id
    query = select(ThreadRecord.id).where(column == one.id, ThreadRecord.thread_id != message.thread_id)
    return db.session.scalar(query.limit(1)) is not None


def _forget_contact(contact: Contact, message: Message) -> bool:
    """Delete a contact that only this message has made; whether that was so."""
    addresses = select(ContactAddress.address).where(ContactAddress.contact_id == contact.id)
    reasons = (
        select(Message.id).where(Message.sender_address.in_(addresses)),
        select(Lead.id).where(Lead.contact_id == contact.id),
        select(Case.id).where(Case.contact_id == contact.id),
    )
    if contact.first_seen_at < message.shown_at:
        return False
    if any(db.session.scalar(reason.limit(1)) is not None for reason in reasons):
        return False
    db.session.delete(contact)
    db.session.flush()
    return True


def _count(column: Any, condition: ColumnElement[bool]) -> int:
    return db.session.scalar(select(func.count(column)).where(condition)) or 0
