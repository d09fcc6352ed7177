"""People know better which messages are one conversation: one is split, or two are joined.

What was decided of each message when it came stays: neither makes a record or an answer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.orm import load_only

from mailboxes import timeline
from mailboxes.access import demand_reply, readable_message, readable_thread
from mailboxes.conversion import RecordLink, links_of
from mailboxes.conversion.claims import Conversion, link
from mailboxes.drafts import Draft, news_since
from mailboxes.drafts.sending import written_count
from mailboxes.inbox.conversation import STATUSES, newest_message
from mailboxes.messages import Message, hold_messages
from mailboxes.responses.claims import AutomaticResponse
from mailboxes.subjects import base_subject
from mailboxes.system_mailboxes import Mailbox, hold_mailboxes
from mailboxes.threads import Thread, ThreadRecord, ThreadReference
from mailboxes.threads.merging import merge_threads
from mailboxes.threads.notes import Note
from mailboxes.threads.placing import keep_references
from mailboxes.threads.summaries import refresh_summaries
from mailboxes.threads.tags import ThreadTag
from tenants.database import db, is_one_of, uuid7
from tenants.database.bulk import among, insert_rows
from tenants.errors import InvalidError
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

    @property
    def status(self) -> str:
        """What the conversation is then: what is to be done in one of them is to be done."""
        return min(self.survivor.status, self.loser.status, key=list(STATUSES).index)

    @property
    def snoozed_until(self) -> datetime | None:
        """Until when it is put away then: not at all where one of them is to be worked on now."""
        times = [one.snoozed_until for one in (self.survivor, self.loser) if one.status != "done"]
        return min((time for time in times if time), default=None) if None not in times else None

    @property
    def assignee_id(self) -> UUID | None:
        """Who works on it then."""
        return self.survivor.assignee_id or self.loser.assignee_id

    @property
    def facts(self) -> tuple[Any, ...]:
        """Whatever people read of it before they decide."""
        threads = (self.survivor, self.loser)
        told = [
            (one.id, one.subject, one.message_count, one.status, one.assignee_id, one.snoozed_until)
            for one in threads
        ]
        return (told, [(record.kind, record.id, record.label) for record in self.left])


def split(member: Membership, message_id: UUID) -> Thread:
    """Make a conversation of its own of a message and those after it; returns that.

    Mail that fits both goes to one of them from now on, and never makes them one again.
    Notes written since then go along, and what hangs on the messages: drafts, answers, the records they made.
    It bears the same tags.
    The first message has a conversation of its own already: nothing is done. `ForbiddenError` for who may
    not reply.
    """
    message = readable_message(member, message_id)
    _hold_mailbox(member, message.thread_id)
    db.session.refresh(message)  # somebody else may have split it off meanwhile
    hold_messages(message.thread_id)
    thread = readable_thread(member, message.thread_id)
    messages = _in_order(thread)
    place = messages.index(message)
    stays, moved = messages[:place], messages[place:]
    if not stays:
        return thread
    news = _news_in(thread)
    family = thread.split_family or thread.id
    new = Thread(
        id=uuid7(),
        mailbox_id=thread.mailbox_id,
        base_subject=base_subject(moved[0].subject)[0],
        status=thread.status,
        snoozed_until=thread.snoozed_until,
        assignee_id=thread.assignee_id,
        split_family=family,
    )
    db.session.add(new)
    db.session.flush()
    _take_along(thread, new, moved)
    thread.split_family = family  # after its messages, as whoever acts on one changes it
    _keep_news(news)
    _share_references(thread, new, moved, stays)
    refresh_summaries([thread.id, new.id])
    _tell_of_split(moved[0], f"{member.name} made a conversation of its own of this.", thread)
    _tell_of_split(stays[-1], f"{member.name} split what comes after it.", new)
    return new


def _tell_of_split(message: Message, sentence: str, other: Thread) -> None:
    """By its id: nothing of what it is about stays here when it has moved to another organization."""
    timeline.record(message, "changed", "split", sentence, details={timeline.PART: str(other.id)})


def joining_of(member: Membership, thread_id: UUID, other_id: UUID) -> Joining:
    """What joining two conversations of one mailbox does; the one that began here first survives."""
    threads = [readable_thread(member, id) for id in (thread_id, other_id)]
    survivor, loser = sorted(threads, key=lambda thread: thread.id)
    if survivor.id == loser.id or survivor.mailbox_id != loser.mailbox_id:
        raise InvalidError("Choose another conversation of the same mailbox.")
    kept = {record.kind: record.id for record in links_of(survivor.id)}
    left = [record for record in links_of(loser.id) if kept.get(record.kind, record.id) != record.id]
    return Joining(survivor, loser, survivor.message_count + loser.message_count, left)


def held_joining(member: Membership, thread_id: UUID, other_id: UUID) -> Joining:
    """The same, which nobody changes any more before it is done. `ForbiddenError` for who may not reply."""
    _hold_mailbox(member, thread_id)
    hold_messages(thread_id, other_id)
    return joining_of(member, thread_id, other_id)


def join(member: Membership, joining: Joining) -> Thread:
    """Make one conversation of two, which are held; returns it."""
    told = newest_message(joining.loser) or newest_message(joining.survivor)
    if told is not None:  # retention has left one without messages, or both
        loser, survivor = (one.subject or "(no subject)" for one in (joining.loser, joining.survivor))
        sentence = f"{member.name} joined “{loser}” with “{survivor}”."
        timeline.record(told, "changed", "joined", sentence)
        for record in joining.left:  # steps of their own: not every reader may see the record
            sentence = f"The {record.noun} “{record.label}” lost its conversation"
            why = f"the other one had a {record.noun}"
            timeline.record(told, "changed", "joined", f"{sentence}: {why}.", details=record.details())
    news = _news_in(joining.survivor) | _news_in(joining.loser)
    db.session.flush()
    merge_threads(joining.survivor.id, joining.loser.id)
    _keep_news(news)
    return joining.survivor


def _hold_mailbox(member: Membership, thread_id: UUID) -> None:
    """Nobody else places messages in the mailbox of a conversation, which is read anew after that."""
    thread = readable_thread(member, thread_id)
    demand_reply(member, thread.mailbox_id)
    hold_mailboxes(Mailbox.id == thread.mailbox_id)
    db.session.expire(thread)


def _in_order(thread: Thread) -> Sequence[Message]:
    """Its messages, without their texts: there may be very many."""
    told = load_only(
        Message.shown_at, Message.subject, Message.in_reply_to, Message.references, Message.stable_hash
    )
    in_thread = select(Message).where(Message.thread_id == thread.id)
    return db.session.scalars(in_thread.order_by(Message.shown_at, Message.id).options(told)).all()


def _take_along(thread: Thread, new: Thread, moved: Sequence[Message]) -> None:
    ids = [message.id for message in moved]
    for table, column in (
        (Message, Message.id),
        (Draft, Draft.answers_id),
        (AutomaticResponse, AutomaticResponse.message_id),
    ):
        belongs = (table.thread_id == thread.id) & is_one_of(column, ids)
        db.session.execute(update(table).where(belongs).values(thread_id=new.id))
    borne = select(ThreadTag.tag_id).where(ThreadTag.thread_id == thread.id)
    insert_rows(ThreadTag, [{"thread_id": new.id, "tag_id": id} for id in db.session.scalars(borne)])
    since = (Note.thread_id == thread.id) & (Note.written_at >= moved[0].shown_at)
    db.session.execute(update(Note).where(since).values(thread_id=new.id))
    by_these = or_(  # the same message in another mailbox may have been the first
        is_one_of(Conversion.message_id, ids),
        among(Conversion.opening_hash, {message.stable_hash for message in moved}),
    )
    for made in db.session.scalars(select(Conversion).where(by_these)):
        record = func.coalesce(ThreadRecord.lead_id, ThreadRecord.case_id, ThreadRecord.other_id)
        db.session.execute(
            delete(ThreadRecord).where(ThreadRecord.thread_id == thread.id, record == made.record_id)
        )
        link(new.id, made.kind, made.record_id)


def _share_references(
    thread: Thread, new: Thread, moved: Sequence[Message], stays: Sequence[Message]
) -> None:
    mailbox = db.session.get_one(Mailbox, (thread.organization_id, thread.mailbox_id))
    along = _mentioned(moved)
    keep_references(mailbox, ((new.id, id) for id in along))
    of_thread = ThreadReference.thread_id == thread.id
    gone = among(ThreadReference.reference, along - _mentioned(stays))
    db.session.execute(delete(ThreadReference).where(of_thread, gone))


def _mentioned(messages: Sequence[Message]) -> set[str]:
    return {id for message in messages for id in (message.in_reply_to, *message.references) if id}


def _news_in(thread: Thread) -> dict[Draft, int]:
    drafts = db.session.scalars(select(Draft).where(Draft.thread_id == thread.id))
    return {draft: news_since(draft) for draft in drafts}


def _keep_news(news: Mapping[Draft, int]) -> None:
    """Sending a draft stops for as many messages as it would have before, though others are beside it."""
    for draft, count in news.items():
        db.session.refresh(draft)
        draft.seen_count = max(0, written_count(draft.thread_id) - count)
