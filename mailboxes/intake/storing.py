"""Transaction 2: arrivals become messages of one mailbox, in their threads.

Everything here may run again: the stable hash of a message and the arrival of a location are unique.
The mailbox's row is held, so that messages of a mailbox find their threads one after another.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select, text, update

from mailboxes import timeline
from mailboxes.accounts import Account
from mailboxes.classifying import canonical_address, sentence_of
from mailboxes.intake.arrived import TOO_LARGE, Waiting
from mailboxes.intake.eligibility import Circumstances, is_work, may_convert, may_respond
from mailboxes.messages import Attachment, Location, Message
from mailboxes.parsing import Address
from mailboxes.raws import keep_raws, pack
from mailboxes.reading import Reading
from mailboxes.search import index_messages
from mailboxes.system_mailboxes import Mailbox
from mailboxes.threads.joining import Newcomer, Placement, Threads
from mailboxes.threads.placing import (
    keep_new_threads,
    keep_references,
    merge_what_belongs_together,
    threads_for,
)
from mailboxes.threads.summaries import refresh_summaries, reopen
from mailboxes.tokens import TOKEN_HEADER, thread_of_token
from tenants.bulk import insert_rows
from tenants.configuration.layers import value_of
from tenants.database import db, now, uuid7

TEASER_CHARACTERS = 200
SHOWN_CHARACTERS = 1_000  # of subjects and names
BOX_ORDER = ("inbox", "sent", "other", "drafts", "spam", "trash")
OLDEST_SANE = datetime(1990, 1, 1, tzinfo=UTC)
_OUTGOING_BOXES = ("sent", "drafts")
_COLLECTING_FOLDERS = ("all", "archive")


@dataclass(frozen=True, slots=True)
class Item:
    """An arrival with what was read in it."""

    arrival: Waiting
    reading: Reading


@dataclass(slots=True)
class Stored:
    """What one transaction did: ``new`` message ids, ``seen_again`` a count, ``has_work`` to act upon."""

    new: list[UUID] = field(default_factory=list)
    seen_again: int = 0
    has_work: bool = False


@dataclass(frozen=True, slots=True)
class _Context:
    """What is the same for every message of a batch."""

    mailbox: Mailbox
    own_addresses: frozenset[str]
    trusted_forms: frozenset[str]
    lists_attachments: bool
    mirrors_read_state: bool
    is_moved: bool  # from a global account: the bytes come along
    at: datetime


@dataclass(slots=True)
class _Entry:
    """A new message on its way into the tables."""

    item: Item
    id: UUID
    raw_id: UUID
    newcomer: Newcomer
    direction: str
    is_own: bool
    placement: Placement | None = None
    milliseconds: int = 0


def store(mailbox_id: UUID, account: Account, items: Sequence[Item]) -> Stored:
    """Store these arrivals as messages of a mailbox of the current organization. The caller commits."""
    mailbox = _held_mailbox(mailbox_id)
    context = _context(mailbox, account)
    known = _known_messages(mailbox, items)
    fresh, repeated = _sorted_out(items, known)
    stored = Stored(seen_again=len(repeated))
    if fresh:
        entries = _entries(context, fresh)
        known.update({entry.item.reading.stable_hash: entry.id for entry in entries})
        _store_new(context, entries, stored)
    _add_locations(context, items, known)
    if repeated:
        _refresh_repeated(context, repeated, known)
    return stored


def _held_mailbox(mailbox_id: UUID) -> Mailbox:
    query = select(Mailbox).where(Mailbox.id == mailbox_id).with_for_update(key_share=True)
    return db.session.scalars(query.execution_options(populate_existing=True)).one()


def _context(mailbox: Mailbox, account: Account) -> _Context:
    return _Context(
        mailbox=mailbox,
        own_addresses=frozenset(canonical_address(own) for own in (mailbox.address, *mailbox.aliases)),
        trusted_forms=frozenset(address.lower() for address in mailbox.trusted_forms),
        lists_attachments=bool(value_of("sync.attachments")),
        mirrors_read_state=account.mirrors_read_state,
        is_moved=mailbox.is_global,
        at=now(),
    )


# --- what is known already -------------------------------------------------------------------


def _known_messages(mailbox: Mailbox, items: Sequence[Item]) -> dict[bytes, UUID]:
    """Ids of messages that are here already, by stable hash of the item."""
    hashes = {item.reading.stable_hash for item in items}
    rows = db.session.execute(
        select(Message.stable_hash, Message.id).where(
            Message.mailbox_id == mailbox.id, Message.stable_hash.in_(hashes)
        )
    )
    known = {row.stable_hash: row.id for row in rows}
    return known | _own_copies(mailbox, [item for item in items if item.reading.stable_hash not in known])


def _own_copies(mailbox: Mailbox, items: Sequence[Item]) -> dict[bytes, UUID]:
    """Copies in Sent of what this mailbox has sent: found by the Message-ID that we made (S13).

    Only in Sent, where the account's owner files: a stranger who quotes the id hides nothing.
    """
    sent = {
        item.reading.parsed.message_id: item.reading.stable_hash
        for item in items
        if item.arrival.box == "sent" and item.reading.parsed.message_id
    }
    if not sent:
        return {}
    rows = db.session.execute(
        select(Message.message_id, Message.id).where(
            Message.mailbox_id == mailbox.id,
            Message.direction == "out",
            Message.message_id.in_(sent),
            or_(
                Message.sent_by_id.is_not(None),
                text(
                    "EXISTS (SELECT 1 FROM outgoing o WHERE o.organization_id = messages.organization_id"
                    " AND o.message_id = messages.id)"
                ),
            ),
        )
    )
    return {sent[row.message_id]: row.id for row in rows}


def _sorted_out(items: Sequence[Item], known: dict[bytes, UUID]) -> tuple[list[Item], list[Item]]:
    """New messages, each once, and further copies of known ones."""
    fresh: dict[bytes, Item] = {}
    repeated = []
    for item in items:
        digest = item.reading.stable_hash
        if digest in known or digest in fresh:
            repeated.append(item)
        else:
            fresh[digest] = item
    return list(fresh.values()), repeated


# --- new messages ----------------------------------------------------------------------------


def _entries(context: _Context, items: Sequence[Item]) -> list[_Entry]:
    raw_ids = [item.arrival.raw_id for item in items]
    if context.is_moved:
        raw_ids = keep_raws([pack(item.arrival.raw) for item in items])
    return [_entry(context, item, raw_id) for item, raw_id in zip(items, raw_ids, strict=True)]


def _entry(context: _Context, item: Item, raw_id: UUID) -> _Entry:
    sender = _address(item.reading.parsed.sender)
    is_own = bool(sender) and canonical_address(sender) in context.own_addresses
    arrival = item.arrival
    is_filed_by_us = arrival.box in _OUTGOING_BOXES or (is_own and arrival.special_use in _COLLECTING_FOLDERS)
    direction = "out" if is_filed_by_us else "in"
    return _Entry(item, uuid7(), raw_id, _newcomer(context, item, direction), direction, is_own)


def _newcomer(context: _Context, item: Item, direction: str) -> Newcomer:
    parsed = item.reading.parsed
    sender = _address(parsed.sender)
    message_id = parsed.message_id or ""
    parents = dict.fromkeys(filter(None, (parsed.in_reply_to, *reversed(parsed.references))))
    parents.pop(message_id, None)
    people = [sender, *(_address(person) for person in (*parsed.reply_to, *parsed.to, *parsed.cc))]
    return Newcomer(
        message_id=message_id,
        parents=tuple(parents),
        sender=sender,
        people=tuple({person for person in people if person and person not in context.own_addresses}),
        subject=parsed.subject[:SHOWN_CHARACTERS],
        shown_at=_shown_at(item.arrival),
        token_thread=_token_thread(context, parents, parsed.all_headers(TOKEN_HEADER)),
        may_join_by_subject=not item.reading.classification.is_automatic
        and sender not in context.trusted_forms,
        is_incoming=direction == "in" and canonical_address(sender) not in context.own_addresses,
    )


def _token_thread(context: _Context, parents: Iterable[str], headers: Iterable[str]) -> UUID | None:
    mailbox = context.mailbox
    for candidate in (*headers, *parents):
        if found := thread_of_token(candidate, mailbox.organization_id, mailbox.id):
            return found
    return None


def _store_new(context: _Context, entries: list[_Entry], stored: Stored) -> None:
    threads = threads_for(context.mailbox, [entry.newcomer for entry in entries])
    for entry in entries:
        started = time.perf_counter()
        entry.placement = threads.place(entry.newcomer)
        entry.milliseconds = round((time.perf_counter() - started) * 1000)
    keep_new_threads(context.mailbox, threads, context.at)
    rows = [_message_row(context, threads, entry) for entry in entries]
    insert_rows(Message, rows)
    _store_parts(context, threads, entries, rows)
    merge_what_belongs_together(threads)
    refresh_summaries(threads.placed_threads - threads.merged.keys())
    reopen(_answered(context, threads, entries))
    stored.new.extend(entry.id for entry in entries)
    stored.has_work = any(row["work"] == "pending" for row in rows)


def _store_parts(
    context: _Context, threads: Threads, entries: list[_Entry], rows: list[dict[str, Any]]
) -> None:
    insert_rows(Attachment, [part for entry in entries for part in _attachment_rows(context, entry)])
    index_messages(context.mailbox.id, rows, {entry.id: _filenames(context, entry) for entry in entries})
    insert_rows(
        timeline.Event,
        [
            event
            for entry, row in zip(entries, rows, strict=True)
            for event in _event_rows(context, entry, row)
        ],
    )
    keep_references(
        context.mailbox,
        [
            (threads.current(_placed(entry).thread_id), parent)
            for entry in entries
            for parent in entry.newcomer.parents
        ],
    )


def _message_row(context: _Context, threads: Threads, entry: _Entry) -> dict[str, Any]:
    arrival, reading = entry.item.arrival, entry.item.reading
    parsed, found = reading.parsed, reading.classification
    placement = _placed(entry)
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
        "sender_name": (parsed.sender.name if parsed.sender else "")[:SHOWN_CHARACTERS],
        "sender_address": entry.newcomer.sender,
        "addresses": _addresses(entry.item),
        "subject": entry.newcomer.subject,
        "teaser": _teaser(entry.item),
        "text": parsed.text,
        "reply_text": reading.reply_text,
        "has_html": parsed.html is not None,
        "language": reading.language,
        "size": arrival.size or parsed.size,
        "attachment_count": len(parsed.attachments) if context.lists_attachments else 0,
        "defects": list(parsed.defects),
        "facts": {**found.facts, "failed_recipients": list(found.failed_recipients)},
        "is_automatic": found.is_automatic,
        "automatic_reasons": list(found.automatic_reasons),
        "is_bounce": found.is_bounce,
        "is_from_new_sender": placement.is_from_new_sender,
        "is_stub": arrival.is_stub,
        "is_read_by_all": is_seen and (context.mirrors_read_state or arrival.is_history),
        "is_answered_on_server": "\\Answered" in arrival.flags,
        **_eligibility(context, entry),
    }


def _eligibility(context: _Context, entry: _Entry) -> dict[str, Any]:
    arrival, found, placement = entry.item.arrival, entry.item.reading.classification, _placed(entry)
    mailbox = context.mailbox
    at = Circumstances(
        box=arrival.box,
        placement=placement.result,
        arrived_at=arrival.arrived_at,
        received_at=arrival.received_at,
        automation_from=mailbox.automation_from,
        automatic=" ".join(map(sentence_of, found.automatic_reasons)),
        makes_records=mailbox.action != "nothing",
        converts_automatic=mailbox.converts_automatic,
        is_trusted_form=entry.newcomer.sender in context.trusted_forms,
        is_incoming=entry.direction == "in",
        is_own=entry.is_own,
        is_history=arrival.is_history,
        is_stub=arrival.is_stub,
        is_in_all_mail_only=arrival.special_use == "all",
    )
    convert, respond = may_convert(at), may_respond(at)
    return {
        "is_opening": placement.is_opening,
        "may_convert": convert.is_allowed,
        "conversion_reason": convert.reason,
        "may_respond": respond.is_allowed,
        "response_reason": respond.reason,
        "work": "pending" if is_work(at) else "none",
    }


def _attachment_rows(context: _Context, entry: _Entry) -> list[dict[str, Any]]:
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
            "is_inline": attachment.is_inline,
            "sha256": attachment.sha256,
        }
        for attachment in entry.item.reading.parsed.attachments
    ]


def _filenames(context: _Context, entry: _Entry) -> list[str]:
    if not context.lists_attachments:
        return []
    return [attachment.filename for attachment in entry.item.reading.parsed.attachments]


# --- the timeline ----------------------------------------------------------------------------


def _event_rows(context: _Context, entry: _Entry, row: dict[str, Any]) -> list[dict[str, Any]]:
    arrival, reading, placement = entry.item.arrival, entry.item.reading, _placed(entry)
    found = reading.classification
    steps: list[tuple[str, str, str, dict[str, Any], int | None]] = [
        ("fetched", "stub" if arrival.is_stub else "stored", _fetched(arrival),
         {"folder": arrival.folder_name, "uid": arrival.uid}, None),
        ("parsed", "with defects" if reading.parsed.defects else "understood", _parsed(reading),
         {"defects": list(reading.parsed.defects)}, reading.parse_milliseconds),
        ("classified", _kind(entry), " ".join(map(sentence_of, found.automatic_reasons)),
         {"failed_recipients": list(found.failed_recipients)} if found.is_bounce else {},
         reading.classify_milliseconds),
        ("threaded", placement.result, f"{placement.reason} {_outlook(row)}".strip(), {}, entry.milliseconds),
    ]  # fmt: skip
    return [
        {
            "message_id": entry.id,
            "position": position,
            "at": arrival.arrived_at if stage == "fetched" else context.at,
            "stage": stage,
            "result": result,
            "reason": reason,
            "details": details,
            "milliseconds": milliseconds,
        }
        for position, (stage, result, reason, details, milliseconds) in enumerate(steps, 1)
    ]


def _fetched(arrival: Waiting) -> str:
    text = f"From the folder {arrival.folder_name}."
    if arrival.is_stub:
        return f"{text} {arrival.failure}"
    return f"{text} It was there before the folder was chosen." if arrival.is_history else text


def _parsed(reading: Reading) -> str:
    count = len(reading.parsed.defects)
    return f"Something is unusual about it: {', '.join(reading.parsed.defects[:10])}." if count else ""


def _kind(entry: _Entry) -> str:
    found = entry.item.reading.classification
    if entry.direction == "out":
        return "our own"
    if found.is_bounce:
        return "bounce"
    if found.is_list:
        return "list"
    return "automatic" if found.is_automatic else "personal"


def _outlook(row: dict[str, Any]) -> str:
    """Why it will not be converted or answered, where that is decided already."""
    if row["may_convert"] or row["may_respond"] or row["direction"] == "out":
        return ""
    return str(row["conversion_reason"]) if row["work"] == "none" else ""


# --- copies of known messages ----------------------------------------------------------------


def _add_locations(context: _Context, items: Sequence[Item], known: dict[bytes, UUID]) -> None:
    rows = [
        {
            "message_id": known[item.reading.stable_hash],
            "arrival_id": item.arrival.id,
            "account_owner_id": context.mailbox.account_owner_id,
            "folder_id": item.arrival.folder_id,
            "uid_validity": item.arrival.uid_validity,
            "uid": item.arrival.uid,
            "box": item.arrival.box,
            "flags": item.arrival.flags,
        }
        for item in items
    ]
    insert_rows(Location, rows, ignoring_conflicts=True)


_BOX_OF_LOCATIONS = text(
    """
    UPDATE messages m SET removed_on_server_at = NULL, box = best.box
    FROM (SELECT DISTINCT ON (l.message_id) l.message_id, l.box FROM locations l
          WHERE l.organization_id = :organization_id AND l.message_id = ANY (:ids) AND l.vanished_at IS NULL
          ORDER BY l.message_id, array_position(CAST(:order AS text[]), l.box)) best
    WHERE m.organization_id = :organization_id AND m.id = best.message_id
      AND (m.box <> best.box OR m.removed_on_server_at IS NOT NULL)
      AND NOT (m.direction = 'out' AND best.box NOT IN ('sent', 'drafts'))
    RETURNING m.thread_id
    """
)


def settle_boxes(message_ids: Iterable[UUID]) -> None:
    """Say anew in which kind of folder messages are seen, after their locations changed."""
    ids = list(message_ids)
    if not ids:
        return
    organization_id = db.session.info["organization_id"]
    changed = db.session.execute(
        _BOX_OF_LOCATIONS, {"organization_id": organization_id, "ids": ids, "order": list(BOX_ORDER)}
    ).scalars()
    refresh_summaries(set(changed))


def _refresh_repeated(context: _Context, repeated: Sequence[Item], known: dict[bytes, UUID]) -> None:
    """A message lies in a further place; what is handed out anew after renumbering is no news."""
    ids = {known[item.reading.stable_hash] for item in repeated}
    settle_boxes(ids)
    moved = [item for item in repeated if not item.arrival.is_seen_again]
    for item in moved:
        message = db.session.scalars(
            select(Message).where(Message.id == known[item.reading.stable_hash])
        ).one()
        folder = item.arrival.folder_name
        timeline.record(message, "filed", "found again", f"The same message lies in the folder {folder}.")
    seen = {known[item.reading.stable_hash] for item in repeated if "\\Seen" in item.arrival.flags}
    if context.mirrors_read_state and seen:
        db.session.execute(
            update(Message)
            .where(Message.id.in_(seen))
            .values(is_read_by_all=True)
            .execution_options(synchronize_session=False)
        )


# --- small things ----------------------------------------------------------------------------


def _answered(context: _Context, threads: Threads, entries: list[_Entry]) -> set[UUID]:
    """Threads in which a person has just answered."""
    return {
        threads.current(_placed(entry).thread_id)
        for entry in entries
        if _placed(entry).result == "joined"
        and entry.newcomer.is_incoming
        and entry.item.arrival.box in ("inbox", "other")
        and not entry.item.arrival.is_history
        and not entry.item.reading.classification.is_automatic
    }


def _placed(entry: _Entry) -> Placement:
    if entry.placement is None:
        raise RuntimeError("the message has no thread yet")
    return entry.placement


def _shown_at(arrival: Waiting) -> datetime:
    received = arrival.received_at
    is_sane = received is not None and OLDEST_SANE < received < arrival.arrived_at + timedelta(days=1)
    return received if received is not None and is_sane else arrival.arrived_at


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
