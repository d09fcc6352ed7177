"""What the tables will hold of a message: from what was read in it to rows. No statement is made here."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from mailboxes.accounts import Account
from mailboxes.classifying import (
    BY_SUBJECT,
    BY_TEXT,
    OF_LISTS,
    Classification,
    canonical_address,
    is_forged,
    list_of_envelope,
    reported_ids,
    sentence_of,
)
from mailboxes.classifying.facts import told
from mailboxes.crm.texts import display_name
from mailboxes.intake.arrived import TOO_LARGE, Waiting
from mailboxes.intake.eligibility import AUTOMATED_BOXES, Circumstances, is_work, may_convert, may_respond
from mailboxes.parsing import Address
from mailboxes.reading import Reading
from mailboxes.routing.records import Routing
from mailboxes.subjects import base_subject
from mailboxes.system_mailboxes import Mailbox
from mailboxes.threads.joining import LONGEST_COMPARED, Newcomer, Part, Placement, Threads
from mailboxes.threads.tokens import TOKEN_HEADER, thread_of_token
from mailboxes.timeline import Step, delivery_row
from tenants.configuration.layers import value_of
from tenants.database import now, uuid7

TEASER_CHARACTERS = 200
SHOWN_CHARACTERS = 1_000  # of subjects and names
OLDEST_SANE = datetime(1990, 1, 1, tzinfo=UTC)
_OUTGOING_BOXES = ("sent", "drafts")
COLLECTING_FOLDERS = ("all", "archive")


@dataclass(frozen=True, slots=True)
class Item:
    """An arrival with what was read in it; of a global account with its way to this organization."""

    arrival: Waiting
    reading: Reading
    way: Routing | None = None


@dataclass(frozen=True, slots=True)
class Context:
    """What is the same for every message of a batch."""

    mailbox: Mailbox
    own_addresses: frozenset[str]
    trusted_forms: frozenset[str]
    lists_attachments: bool
    mirrors_read_state: bool
    is_moved: bool  # from a global account: the bytes come along
    is_answered_elsewhere: bool  # a copy: the home organization answers
    at: datetime


@dataclass(slots=True)
class Entry:
    """A new message on its way into the tables."""

    item: Item
    id: UUID
    raw_id: UUID
    newcomer: Newcomer
    direction: str
    is_own: bool
    placement: Placement | None = None
    milliseconds: int = 0


def context_of(mailbox: Mailbox, account: Account) -> Context:
    return Context(
        mailbox=mailbox,
        own_addresses=frozenset(canonical_address(own) for own in (mailbox.address, *mailbox.aliases)),
        trusted_forms=frozenset(address.lower() for address in mailbox.trusted_forms),
        lists_attachments=bool(value_of("sync.attachments")),
        mirrors_read_state=account.mirrors_reads,
        is_moved=mailbox.is_global,
        is_answered_elsewhere=account.is_copied and account.home_organization_id != mailbox.organization_id,
        at=now(),
    )


def entry_of(context: Context, item: Item, raw_id: UUID) -> Entry:
    sender = _address(item.reading.parsed.sender)
    is_own = _is_own(context, item.arrival, sender)
    arrival = item.arrival
    is_filed_by_us = arrival.box in _OUTGOING_BOXES or (is_own and arrival.special_use in COLLECTING_FOLDERS)
    direction = "out" if is_filed_by_us else "in"
    return Entry(item, uuid7(), raw_id, newcomer_of(context, item, direction), direction, is_own)


def newcomer_of(context: Context, item: Item, direction: str) -> Newcomer:
    parsed = item.reading.parsed
    sender = _address(parsed.sender)
    message_id = parsed.message_id or ""
    parents = dict.fromkeys(filter(None, (parsed.in_reply_to, *reversed(parsed.references))))
    parents.pop(message_id, None)
    reported = [id for id in _reported_ids(item) if id != message_id]
    people = [_address(person) for person in (*parsed.reply_to, *parsed.to, *parsed.cc)]
    if not _is_of_mail_system(item):
        people.append(sender)
    return Newcomer(
        message_id=message_id,
        parents=tuple(parents),
        sender=sender,
        people=tuple({one for one in people if one and canonical_address(one) not in context.own_addresses}),
        subject=parsed.subject[:SHOWN_CHARACTERS],
        shown_at=_shown_at(item.arrival),
        token_thread=_token_thread(context, (*parents, *reported), parsed.all_headers(TOKEN_HEADER)),
        may_join_by_subject=_may_join_by_subject(context, item, sender),
        is_incoming=direction == "in" and not _is_own(context, item.arrival, sender),
        reported=tuple(reported),
        sent_at=parsed.sent_at,
        text=parsed.own_text[:LONGEST_COMPARED],
        counts=_counts(context, item),
        left_part=_left_part(item),
    )


def _left_part(item: Item) -> Part | None:
    way = item.way
    if way is None or way.left_part_id is None or way.left_family is None:
        return None
    return Part(way.left_part_id, way.left_family)


def _counts(context: Context, item: Item) -> bool:
    """Whether automation acts on it, as far as it is known before it has its place."""
    is_new_mail = item.arrival.box in AUTOMATED_BOXES and not item.arrival.is_history
    return is_new_mail and not _signs(context, item)


def _is_of_mail_system(item: Item) -> bool:
    """Whether a mail system wrote it: two customers of a provider have its MAILER-DAEMON in common."""
    found = item.reading.classification
    return found.is_bounce or found.facts["robot_sender"] == "daemon"


def _reported_ids(item: Item) -> list[str]:
    """What comes back belongs where it was sent from; few servers say so in In-Reply-To."""
    found = item.reading.classification
    return reported_ids(item.reading.parsed) if found.is_bounce or found.facts["report_types"] else []


def _may_join_by_subject(context: Context, item: Item, sender: str) -> bool:
    """Only whoever takes part may, and neither a machine nor somebody who poses as a participant does."""
    is_forged_one = is_forged(item.reading.classification.authentication)
    return not (_signs(context, item) or is_forged_one or sender in context.trusted_forms)


def _is_own(context: Context, arrival: Waiting, sender: str) -> bool:
    """From an address of ours. A trusted web form may write from one, but only to where mail comes in."""
    if not sender or canonical_address(sender) not in context.own_addresses:
        return False
    is_filed = arrival.box in _OUTGOING_BOXES or arrival.special_use in COLLECTING_FOLDERS
    return is_filed or sender not in context.trusted_forms


def _token_thread(context: Context, parents: Iterable[str], headers: Iterable[str]) -> UUID | None:
    mailbox = context.mailbox
    for candidate in (*headers, *parents):
        if found := thread_of_token(candidate, mailbox.organization_id, mailbox.id):
            return found
    return None


def message_row(context: Context, threads: Threads, entry: Entry) -> dict[str, Any]:
    arrival, reading = entry.item.arrival, entry.item.reading
    parsed, found = reading.parsed, reading.classification
    placement = placed(entry)
    reasons = automatic_reasons(context, threads, entry)
    is_seen = "\\Seen" in arrival.flags
    return {
        "id": entry.id,
        "mailbox_id": context.mailbox.id,
        "thread_id": threads.current(placement.thread_id),
        "raw_id": entry.raw_id,
        "stable_hash": reading.stable_hash,
        "direction": entry.direction,
        "box": arrival.box,
        "message_id": entry.newcomer.message_id,
        "in_reply_to": parsed.in_reply_to or "",
        "references": list(parsed.references),
        "sent_at": parsed.sent_at,
        "received_at": arrival.received_at,
        "arrived_at": arrival.arrived_at,
        "shown_at": entry.newcomer.shown_at,
        "sender_name": _name(parsed.sender),
        "sender_address": entry.newcomer.sender,
        "addresses": _addresses(entry.item),
        "subject": entry.newcomer.subject,
        "teaser": _teaser(entry.item),
        "text": parsed.text,
        "reply_text": "" if reading.reply_text == parsed.text.strip() else reading.reply_text,
        "has_html": parsed.html is not None,
        "language": reading.language,
        "size": arrival.size or parsed.size,
        "attachment_count": parsed.offered_count if context.lists_attachments else 0,
        "defects": list(parsed.defects),
        "facts": _facts(found, reasons),
        "is_automatic": bool(reasons),
        "automatic_reasons": list(reasons),
        "is_bounce": found.is_bounce,
        "is_from_new_sender": placement.is_from_new_sender,
        "is_stub": arrival.is_stub,
        "is_read_by_all": is_seen and (context.mirrors_read_state or arrival.is_history),
        "is_answered_on_server": "\\Answered" in arrival.flags,
        "removed_on_server_at": arrival.vanished_at,
        **_eligibility(context, entry),
    }


def automatic_reasons(context: Context, threads: Threads, entry: Entry) -> tuple[str, ...]:
    """Why a message is automatic. Not by its subject alone, where that is its conversation's.

    People write "Delivery failed" above a question, and again above what they answer.
    """
    reasons, placement = _signs(context, entry.item), placed(entry)
    if reasons != (BY_SUBJECT,) or placement.result != "joined":
        return reasons
    thread = threads.known.get(threads.current(placement.thread_id))
    is_same = thread is not None and thread.base_subject == base_subject(entry.newcomer.subject)[0]
    return () if is_same else reasons


def _signs(context: Context, item: Item) -> tuple[str, ...]:
    """Why a message by itself is automatic. A list that is our own address marks the letters of customers."""
    reasons = item.reading.classification.automatic_reasons
    if _is_by_own_list(context, item):
        return tuple(reason for reason in reasons if reason not in OF_LISTS)
    return reasons


def _is_by_own_list(context: Context, item: Item) -> bool:
    facts = item.reading.classification.facts
    return not context.own_addresses.isdisjoint((facts["posting_address"], list_of_envelope(facts)))


def _speaks_for_another(context: Context, item: Item) -> bool:
    """Whether it is what web forms send: "sent automatically", the customer in Reply-To, no answer."""
    facts = item.reading.classification.facts
    answers = facts["in_reply_to"] or facts["references"]
    is_for_one = facts["has_foreign_reply_to"] and len(facts["reply_to"]) == 1
    return _signs(context, item) == (BY_TEXT,) and is_for_one and not answers


def _facts(found: Classification, reasons: Sequence[str]) -> dict[str, Any]:
    failed = found.failed_recipients
    facts = told(found.facts)
    if BY_SUBJECT not in reasons:
        facts.pop("has_automatic_subject_confirmed", None)
    return facts | ({"failed_recipients": list(failed)} if failed else {})


def _eligibility(context: Context, entry: Entry) -> dict[str, Any]:
    arrival, placement = entry.item.arrival, placed(entry)
    mailbox = context.mailbox
    at = Circumstances(
        box=arrival.box,
        placement=placement.result,
        arrived_at=arrival.arrived_at,
        received_at=arrival.received_at,
        came_since=arrival.came_since,
        sent_at=entry.item.reading.parsed.sent_at,
        automation_from=mailbox.automation_from,
        automatic=" ".join(map(sentence_of, _signs(context, entry.item))),
        makes_records=mailbox.action != "nothing",
        converts_automatic=mailbox.converts_automatic,
        is_trusted_form=entry.newcomer.sender in context.trusted_forms,
        speaks_for_another=_speaks_for_another(context, entry.item),
        is_incoming=entry.direction == "in",
        is_own=entry.is_own,
        is_history=arrival.is_history,
        is_stub=arrival.is_stub,
        is_in_all_mail_only=arrival.special_use == "all",
        is_answered_elsewhere=context.is_answered_elsewhere,
    )
    convert, respond = may_convert(at), may_respond(at)
    return {
        "is_opening": placement.is_opening,
        "may_convert": convert.is_allowed,
        "conversion_reason": convert.reason,
        "may_respond": respond.is_allowed,
        "response_reason": respond.reason,
        "work": "pending" if is_work(at) else "none",
        "is_shadow": mailbox.is_shadow,
    }


def attachment_rows(context: Context, entry: Entry) -> list[dict[str, Any]]:
    if not context.lists_attachments:
        return []
    return [
        {
            "message_id": entry.id,
            "position": attachment.position,
            "filename": attachment.filename[:SHOWN_CHARACTERS],
            "content_type": attachment.content_type,
            "size": attachment.size,
            "content_id": attachment.content_id or "",
            "is_inline": attachment.is_embedded,
        }
        for attachment in entry.item.reading.parsed.attachments
    ]


def filenames(context: Context, entry: Entry) -> list[str]:
    if not context.lists_attachments:
        return []
    return [attachment.filename for attachment in entry.item.reading.parsed.attachments]


def placed(entry: Entry) -> Placement:
    if entry.placement is None:
        raise RuntimeError("the message has no thread yet")
    return entry.placement


# --- the timeline ----------------------------------------------------------------------------


def event_row(context: Context, entry: Entry, row: dict[str, Any], store_milliseconds: int) -> dict[str, Any]:
    arrival, reading, placement = entry.item.arrival, entry.item.reading, placed(entry)
    found = reading.classification
    steps = (
        Step("fetched", "stub" if arrival.is_stub else "stored", _fetched(arrival),
             {"folder": arrival.folder_name, "uid": arrival.uid}, arrival.fetch_milliseconds,
             arrival.arrived_at.isoformat()),
        Step("parsed", "with defects" if reading.parsed.defects else "understood", _parsed(reading),
             {"defects": reading.parsed.defects} if reading.parsed.defects else None,
             reading.parse_milliseconds),
        Step("classified", _kind(context, entry, row), " ".join(map(sentence_of, row["automatic_reasons"])),
             {"failed_recipients": found.failed_recipients} if found.is_bounce else None,
             reading.classify_milliseconds),
        *_way(entry.item.way),
        Step("threaded", placement.result, f"{placement.reason} {_outlook(row)}".strip(), None,
             entry.milliseconds),
        Step("stored", "kept", milliseconds=store_milliseconds),
    )  # fmt: skip
    return delivery_row(entry.id, steps, context.at)


def _way(way: Routing | None) -> list[Step]:
    return [] if way is None else [Step("routed", way.result, way.sentence)]


def _fetched(arrival: Waiting) -> str:
    text = f"From the folder {arrival.folder_name}."
    if arrival.attempts:
        text += " It could not be delivered at first, and was tried again."
    if arrival.is_stub:
        return f"{text} {arrival.failure}"
    if arrival.vanished_at is not None:
        return f"{text} The server has it no more."
    return f"{text} It was there before the folder was chosen." if arrival.is_history else text


def _parsed(reading: Reading) -> str:
    count = len(reading.parsed.defects)
    return f"Something is unusual about it: {', '.join(reading.parsed.defects[:10])}." if count else ""


def _kind(context: Context, entry: Entry, row: dict[str, Any]) -> str:
    found = entry.item.reading.classification
    if entry.direction == "out":
        return "our own"
    if found.is_bounce:
        return "bounce"
    if found.is_list and not _is_by_own_list(context, entry.item):
        return "list"
    return "automatic" if row["is_automatic"] else "personal"


def _outlook(row: dict[str, Any]) -> str:
    """Why it will not be converted or answered, where that is decided already."""
    if row["may_convert"] or row["may_respond"] or row["direction"] == "out":
        return ""
    return str(row["conversion_reason"]) if row["work"] == "none" else ""


def _shown_at(arrival: Waiting) -> datetime:
    """When the server got it, if that can be: by a clock that is ahead, answers would stand before it."""
    received = arrival.received_at
    is_sane = received is not None and OLDEST_SANE < received <= arrival.arrived_at
    return received if received is not None and is_sane else arrival.arrived_at


def _name(person: Address | None) -> str:
    """What lists call a sender: a name that poses as the address of somebody else is none."""
    return display_name(person.name, person.address)[:SHOWN_CHARACTERS] if person else ""


def _address(person: Address | None) -> str:
    return person.address.lower() if person else ""


def _addresses(item: Item) -> dict[str, Any]:
    parsed = item.reading.parsed
    fields = {
        "from": parsed.senders,
        "reply_to": parsed.reply_to,
        "to": parsed.to,
        "cc": parsed.cc,
        "bcc": parsed.bcc,
    }
    return {
        name: [{"name": person.name, "address": person.address} for person in people]
        for name, people in fields.items()
    }


def _teaser(item: Item) -> str:
    if item.arrival.is_stub:
        return TOO_LARGE if item.arrival.failure == TOO_LARGE else "Its content could not be fetched."
    words = (item.reading.reply_text or item.reading.parsed.text)[: TEASER_CHARACTERS * 5]
    return " ".join(words.split())[:TEASER_CHARACTERS]
