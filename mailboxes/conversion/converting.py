"""The story: one incoming message, its contact, its record, its timeline."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Select, exists, select
from sqlalchemy.exc import DBAPIError

from mailboxes import access, timeline
from mailboxes.conversion.actions import NOTHING, Action, Record
from mailboxes.conversion.claims import (
    CASE,
    claim,
    know_records_made,
    link,
    record_id_of,
    record_made,
    records_of_thread,
    settle,
)
from mailboxes.conversion.known_actions import actions, standing_of
from mailboxes.conversion.links import RecordLink, know_links, link_to, links_of
from mailboxes.conversion.people import contact_of, is_from_person, know_people, person_of
from mailboxes.conversion.settings import Offer, offers, settings_in_words
from mailboxes.crash_points import crash_point
from mailboxes.crm import cases
from mailboxes.messages import Message, mailbox_of, wait_for_others
from mailboxes.shadow import SHADOW, is_in_shadow
from mailboxes.system_mailboxes import Mailbox
from mailboxes.threads import Thread
from mailboxes.timeline import Event
from tenants.database import db
from tenants.database.bulk import among
from tenants.database.portions import asked_once
from tenants.errors import AppError, ConflictError, ForbiddenError, NotFoundError
from tenants.organizations import Membership
from tenants.permissions import permissions_of

STAGE = "converted"
MADE, ATTACHED, NOT_CONVERTED, REOPENED = "converted", "attached", "not converted", "case reopened"
SHADOWED = "would have converted"
IGNORED_BOXES = ("sent", "drafts", "spam", "trash")
BY_HAND = "by_hand"

log = structlog.get_logger()


@dataclass(frozen=True)
class Outcome:
    """What became of a message: a result, the reason in a sentence, and what the timeline keeps."""

    result: str
    reason: str
    details: dict[str, Any]


def convert(message: Message) -> None:
    """Act on one incoming message, as its mailbox says. Safe to call again: once is all that counts.

    Whether it may make a record was decided at delivery (``message.may_convert``). Runs in the
    caller's transaction and does not commit; every call leaves the reason on the timeline, once.
    """
    _convert(message, frozenset())


def _convert(message: Message, visited: frozenset[UUID]) -> None:
    """``visited``: conversations that wait for this one's records."""
    if message.direction != "in":
        return
    wait_for_others(message)
    if _is_acted_upon(message.id):
        return
    is_shadow = is_in_shadow(message)
    if message.box not in IGNORED_BOXES:
        if not is_shadow:
            contact_of(message)
        attach_reply(message)
    outcome = _shadow_outcome(message) if is_shadow else _outcome(message, visited)
    timeline.record(message, STAGE, outcome.result, outcome.reason, details=outcome.details)
    _is_acted_upon.know(True, message.id)


def know_what_to_convert(messages: Sequence[Message]) -> None:
    """Ask together what `convert` asks about each message of a portion."""
    done = set(db.session.scalars(_acted_upon([message.id for message in messages])))
    for message in messages:
        _is_acted_upon.know(message.id in done, message.id)
    know_links({message.thread_id for message in messages})
    know_records_made({(mailbox_of(message).action, message.stable_hash) for message in messages})
    know_people([person_of(message).address for message in messages])


def attach_reply(message: Message) -> list[RecordLink]:
    """A further message of a conversation belongs to its records; a resolved case opens again.

    Only a person's answer reopens, and each answer once. Returns the records of the conversation.
    """
    attached = links_of(message.thread_id)
    if message.is_opening or message.direction != "in" or message.box in IGNORED_BOXES:
        return attached
    for record in attached:
        if record.kind == CASE and is_from_person(message) and not _has_event(message, "changed", REOPENED):
            case = cases.reopen_resolved(record.id)
            if case is not None:
                reason = f"The case “{case.subject}” was resolved; the customer's answer opens it again."
                timeline.record(message, "changed", REOPENED, reason, details=record.details())
    return attached


def convert_by_hand(message: Message, kind: str, member: Membership) -> Record:
    """Make a record from any message the member may read; the same message never makes two of a kind.

    `NotFoundError` for a kind or message that is not there for this member, `ForbiddenError` without
    the right, `ConflictError` where the conversation has such a record or the kind is not offered.
    """
    access.readable_message(member, message.id)
    action = actions().get(kind)
    if action is None or kind == NOTHING:
        raise NotFoundError("This conversion does not exist.")
    if action.permission not in permissions_of(member):
        raise ForbiddenError
    is_offered, why_not = standing_of(action)
    if not is_offered:
        raise ConflictError(why_not)
    wait_for_others(message)
    if any(record.kind == kind for record in links_of(message.thread_id)):
        raise ConflictError(f"This conversation has a {action.noun} already.")
    mailbox = mailbox_of(message)
    settings = mailbox.action_settings if mailbox.action == kind else {}
    record, is_new = _made(action, message, settings, member)
    result = MADE if is_new else ATTACHED
    reason = f"{member.name} made a {action.noun} of it by hand: “{record.label}”."
    details = {**_details(kind, record), BY_HAND: True}
    timeline.record(message, STAGE, result, _with_notes(reason, record), details=details)
    return record


def convert_conversation(thread_id: UUID, kind: str, member: Membership) -> Record:
    """`convert_by_hand` of the message that opened a conversation; `NotFoundError` if none came in."""
    access.readable_thread(member, thread_id)
    opening = db.session.scalar(
        select(Message)
        .where(Message.thread_id == thread_id, Message.direction == "in")
        .order_by(Message.shown_at, Message.id)
        .limit(1)
    )
    if opening is None:
        raise NotFoundError("Nobody wrote to us in this conversation.")
    return convert_by_hand(opening, kind, member)


def offers_by_hand(thread_id: UUID, member: Membership) -> list[Offer]:
    """What this member may still make of a conversation; what is not offered has its reason."""
    held, present = permissions_of(member), {record.kind for record in links_of(thread_id)}
    return [
        offer
        for offer in offers()
        if offer.action.name not in (NOTHING, *present) and offer.action.permission in held
    ]


def _outcome(message: Message, visited: frozenset[UUID]) -> Outcome:
    linked = links_of(message.thread_id) or _shared(message, visited)
    if linked:
        return _attached(linked)
    mailbox = mailbox_of(message)
    action, why_not = _chosen_action(message, mailbox)
    if action is None:
        return _not_converted(why_not)
    try:
        with nullcontext() if _is_built_in(action) else db.session.begin_nested():
            record, is_new = _made(action, message, mailbox.action_settings, None)
    except PlugInError as error:
        return _not_converted(f"{error.message} It can be converted by hand.")
    if not is_new:
        return _attached([link_to(action.name, record.id)])
    reason = _with_notes(f"A new {action.noun}: “{record.label}”.", record)
    return Outcome(MADE, reason, _details(action.name, record))


def _chosen_action(message: Message, mailbox: Mailbox) -> tuple[Action | None, str]:
    """What the mailbox makes of a message that belongs to no record yet; or why it makes nothing of it."""
    if not message.may_convert:
        return None, message.conversion_reason or "It is not the first message of a conversation."
    if mailbox.action == NOTHING:
        return None, "This mailbox does nothing with new conversations."
    action = actions().get(mailbox.action)
    if action is None:
        return None, f"The plug-in with the action “{mailbox.action}” is not installed here."
    is_offered, why_not = standing_of(action)
    return (action, "") if is_offered else (None, f"{why_not} It can be converted by hand later.")


def _shadow_outcome(message: Message) -> Outcome:
    """What would have become of a message; nothing is made, claimed or linked."""
    linked = links_of(message.thread_id)
    if linked:
        return _attached(linked)
    mailbox = mailbox_of(message)
    other = db.session.scalar(select(Thread.linked_thread_id).where(Thread.id == message.thread_id))
    shared = links_of(other) if other is not None else []
    if shared:
        reason = f"Shadow: it would have belonged to {_in_words(shared)}."
        return Outcome(SHADOWED, reason, {SHADOW: shared[0].kind, **_kinds(shared)})
    action, why_not = _chosen_action(message, mailbox)
    if action is None:
        return Outcome(NOT_CONVERTED, f"Shadow: no record would have been made. {why_not}", {SHADOW: ""})
    reason = f"Shadow: would have made a {action.noun} “{message.subject or '(no subject)'}”"
    settings = settings_in_words(action, mailbox.action_settings)
    because = f"because {message.conversion_reason[:1].lower()}{message.conversion_reason[1:]}"
    sentence = f"{', '.join((reason, *settings, because))}"
    return Outcome(SHADOWED, sentence, {SHADOW: action.name})


class PlugInError(AppError):
    """A plug-in's action raised; what it did is undone, the message goes its way without it."""

    status = HTTPStatus.BAD_GATEWAY


def _made(
    action: Action, message: Message, settings: Mapping[str, Any], by: Membership | None
) -> tuple[Record, bool]:
    """The record of this kind for this message, and whether it is new."""
    right = claim(action.name, message)
    if right is None:
        there = link_to(action.name, _demanded(record_made(action.name, message.stable_hash)))
        link(message.thread_id, action.name, there.id)
        links_of.know([there], message.thread_id)
        return Record(there.id, there.label, there.url), False
    crash_point("claimed")
    record = _record(action, message, settings, by)
    settle(right, action.name, message, record.id)
    link(message.thread_id, action.name, record.id)
    made = RecordLink(action.name, record.id, record.label, record.url)
    link_to.know(made, action.name, record.id)
    links_of.know([made], message.thread_id)
    return record, True


def _record(action: Action, message: Message, settings: Mapping[str, Any], by: Membership | None) -> Record:
    if _is_built_in(action):
        return action.make_record(message, settings, by)
    try:
        return action.make_record(message, settings, by)
    except DBAPIError:
        raise  # the transaction is at fault, and worth another attempt
    except Exception as error:  # somebody else's code may raise anything
        log.exception("plug-in failed", action=action.name, message=str(message.id))
        raise PlugInError(f"The plug-in failed ({type(error).__name__}).") from error


def _is_built_in(action: Action) -> bool:
    return type(action).__module__.startswith("mailboxes.")


def _shared(message: Message, visited: frozenset[UUID]) -> list[RecordLink]:
    """A conversation that answers one of another mailbox takes over that one's records."""
    other = db.session.get_one(Thread, (message.organization_id, message.thread_id)).linked_thread_id
    if other is None:
        return []
    if other not in visited:  # merged conversations may be linked in a circle
        for opening in db.session.scalars(_pending_openings(other)):
            # its record comes first, or we would make a second one
            _convert(opening, visited | {message.thread_id})
    shared = db.session.scalars(records_of_thread(other)).all()
    for one in shared:
        link(message.thread_id, one.kind, record_id_of(one))
    return links_of(message.thread_id) if shared else []


def _pending_openings(thread_id: UUID) -> Any:
    return select(Message).where(
        Message.thread_id == thread_id, Message.may_convert, Message.work == "pending"
    )


def _attached(linked: list[RecordLink]) -> Outcome:
    reason = f"It belongs to {_in_words(linked)}."
    return Outcome(ATTACHED, reason, {**linked[0].details(), **_kinds(linked)})


def _in_words(records: list[RecordLink]) -> str:
    return " and ".join(f"the {record.noun} “{record.label}”" for record in records)


def _kinds(records: list[RecordLink]) -> dict[str, Any]:
    """Of all records that a sentence names, for who may not see some of them."""
    return {"kinds": [record.kind for record in records]}


def _not_converted(reason: str) -> Outcome:
    return Outcome(NOT_CONVERTED, reason, {})


def _details(kind: str, record: Record) -> dict[str, Any]:
    found = RecordLink(kind, record.id, record.label, record.url)
    return {**found.details(), **({"more": record.details} if record.details else {})}


def _with_notes(reason: str, record: Record) -> str:
    return " ".join((reason, *record.notes))


@asked_once
def _is_acted_upon(message_id: UUID) -> bool:
    return db.session.scalar(_acted_upon([message_id]).limit(1)) is not None


def _acted_upon(message_ids: Collection[UUID]) -> Select[UUID]:
    """Those of these messages that automation has looked at."""
    by_hand = Event.details.has_key(BY_HAND)
    return select(Event.message_id).where(
        among(Event.message_id, message_ids), Event.stage == STAGE, ~by_hand
    )


def _has_event(message: Message, stage: str, result: str) -> bool:
    query = select(Event.id).where(
        Event.message_id == message.id, Event.stage == stage, Event.result == result
    )
    return bool(db.session.scalar(select(exists(query))))


def _demanded(id: UUID | None) -> UUID:
    if id is None:
        raise ConflictError
    return id
