"""People know better which messages are one conversation: one is split, or two are joined.

What was decided of each message when it came stays: neither makes a record or an answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import load_only

from mailboxes import timeline
from mailboxes.access import demand_reply, readable_thread
from mailboxes.conversion import RecordLink, links_of
from mailboxes.conversion.claims import Conversion, link
from mailboxes.drafts import Draft
from mailboxes.messages import Message
from mailboxes.responses.claims import AutomaticResponse
from mailboxes.subjects import base_subject
from mailboxes.system_mailboxes import Mailbox
from mailboxes.threads import Thread, ThreadRecord, ThreadReference
from mailboxes.threads.merging import merge_threads
from mailboxes.threads.notes import Note
from mailboxes.threads.placing import keep_references
from mailboxes.threads.summaries import refresh_summaries
from tenants.database import db, uuid7
from tenants.errors import InvalidError, NotFoundError
from tenants.organizations import Membership


@dataclass(frozen=True)
class Joining:
    """What joining does: ``survivor`` gets the messages of ``loser``, which is no more.

    ``left``: records of the loser that lose their conversation: the survivor has one of their kind.
    """

    survivor: Thread
    loser: Thread
    message_count: int
    left: list[RecordLink]


def split(member: Membership, thread_id: UUID, message_id: UUID) -> Thread:
    """Make a conversation of its own of a message and those after it; returns that.

    Mail that fits both goes to one of them from now on, and never makes them one again.
    Notes written since then go along, and what hangs on the messages: drafts, answers, the records they made.
    `InvalidError` for the first message, `ForbiddenError` for who may not reply.
    """
    thread = _held(member, thread_id)
    messages = _in_order(thread)
    place = next((place for place, message in enumerate(messages) if message.id == message_id), None)
    if place is None:
        raise NotFoundError
    stays, moved = messages[:place], messages[place:]
    if not stays:
        raise InvalidError("The conversation begins with this message: there is nothing to split it from.")
    thread.split_family = thread.split_family or thread.id
    new = Thread(
        id=uuid7(),
        mailbox_id=thread.mailbox_id,
        base_subject=base_subject(moved[0].subject)[0],
        status=thread.status,
        assignee_id=thread.assignee_id,
        split_family=thread.split_family,
    )
    db.session.add(new)
    db.session.flush()
    _take_along(thread, new, moved)
    _share_references(thread, new, moved, stays)
    refresh_summaries([thread.id, new.id])
    timeline.record(moved[0], "changed", "split", f"{member.name} made a conversation of its own of this.")
    timeline.record(stays[-1], "changed", "split", f"{member.name} split what comes after it.")
    return new


def joining_of(member: Membership, thread_id: UUID, other_id: UUID) -> Joining:
    """What joining two conversations of one mailbox would do; the one that began here first survives."""
    threads = [readable_thread(member, id) for id in (thread_id, other_id)]
    survivor, loser = sorted(threads, key=lambda thread: thread.id)
    if survivor.id == loser.id or survivor.mailbox_id != loser.mailbox_id:
        raise InvalidError("Choose another conversation of the same mailbox.")
    kept = {record.kind: record.id for record in links_of(survivor.id)}
    left = [record for record in links_of(loser.id) if kept.get(record.kind, record.id) != record.id]
    return Joining(survivor, loser, survivor.message_count + loser.message_count, left)


def join(member: Membership, thread_id: UUID, other_id: UUID) -> Thread:
    """Make one conversation of two; returns it. `ForbiddenError` for who may not reply."""
    _held(member, thread_id)
    joining = joining_of(member, thread_id, other_id)
    newest = _in_order(joining.loser)[-1]
    timeline.record(newest, "changed", "joined", f"{member.name} joined two conversations.")
    db.session.flush()
    merge_threads(joining.survivor.id, joining.loser.id)
    return joining.survivor


def _held(member: Membership, thread_id: UUID) -> Thread:
    """The conversation, while nobody else places messages in its mailbox."""
    mailbox_id = readable_thread(member, thread_id).mailbox_id
    demand_reply(member, mailbox_id)
    db.session.execute(select(Mailbox.id).where(Mailbox.id == mailbox_id).with_for_update(key_share=True))
    return readable_thread(member, thread_id)


def _in_order(thread: Thread) -> Sequence[Message]:
    """Its messages, without their texts: there may be very many."""
    told = load_only(Message.shown_at, Message.subject, Message.in_reply_to, Message.references)
    in_thread = select(Message).where(Message.thread_id == thread.id)
    return db.session.scalars(in_thread.order_by(Message.shown_at, Message.id).options(told)).all()


def _take_along(thread: Thread, new: Thread, moved: Sequence[Message]) -> None:
    ids = [message.id for message in moved]
    for table, column in (
        (Message, Message.id),
        (Draft, Draft.answers_id),
        (AutomaticResponse, AutomaticResponse.message_id),
    ):
        belongs = (table.thread_id == thread.id) & column.in_(ids)
        db.session.execute(update(table).where(belongs).values(thread_id=new.id))
    since = (Note.thread_id == thread.id) & (Note.written_at >= moved[0].shown_at)
    db.session.execute(update(Note).where(since).values(thread_id=new.id))
    for made in db.session.scalars(select(Conversion).where(Conversion.message_id.in_(ids))):
        record = func.coalesce(ThreadRecord.lead_id, ThreadRecord.case_id, ThreadRecord.other_id)
        db.session.execute(
            delete(ThreadRecord).where(ThreadRecord.thread_id == thread.id, record == made.record_id)
        )
        link(new.id, made.kind, made.record_id)


def _share_references(
    thread: Thread, new: Thread, moved: Sequence[Message], stays: Sequence[Message]
) -> None:
    mailbox = db.session.get_one(Mailbox, (thread.organization_id, thread.mailbox_id))
    keep_references(mailbox, ((new.id, id) for message in moved for id in _mentioned(message)))
    mentioned = {id for message in stays for id in _mentioned(message)}
    of_thread = ThreadReference.thread_id == thread.id
    db.session.execute(delete(ThreadReference).where(of_thread, ThreadReference.reference.not_in(mentioned)))


def _mentioned(message: Message) -> list[str]:
    return [id for id in (message.in_reply_to, *message.references) if id]
