"""Transaction 2: arrivals become messages of one mailbox, in their threads.

Everything here may run again: the stable hash of a message and the arrival of a location are unique.
The mailbox's row is held, so that messages of a mailbox find their threads one after another.
"""

import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import delete, or_, select, text, update

from mailboxes import timeline
from mailboxes.accounts import Account
from mailboxes.intake.completing import complete_stubs
from mailboxes.intake.rows import (
    Context,
    Entry,
    Item,
    attachment_rows,
    automatic_reasons,
    context_of,
    entry_of,
    event_row,
    filenames,
    message_row,
    placed,
)
from mailboxes.intake.stubs import stubs_by_header
from mailboxes.messages import Attachment, Location, Message
from mailboxes.raws import keep_raws, pack
from mailboxes.search import index_messages
from mailboxes.system_mailboxes import SEES_DELETED, Mailbox
from mailboxes.threads import Thread
from mailboxes.threads.joining import Threads
from mailboxes.threads.placing import (
    keep_new_threads,
    keep_references,
    merge_what_belongs_together,
    threads_for,
)
from mailboxes.threads.summaries import refresh_summaries, reopen
from mailboxes.webhooks.telling import Happening, is_told, takes_bell, tell_all
from tenants.database import db
from tenants.database.bulk import among, insert_rows

BOX_ORDER = ("inbox", "sent", "other", "drafts", "spam", "trash")

__all__ = ["BOX_ORDER", "Item", "Stored", "held_mailbox", "settle_boxes", "store"]


@dataclass(slots=True)
class Stored:
    """What one transaction did: ``new`` message ids, and the arrivals they are of (``made_by``);
    ``seen_again`` a count, ``has_work`` to act upon, ``is_told`` to webhooks.

    The times are those of all its messages together.
    """

    new: list[UUID] = field(default_factory=list)
    made_by: set[UUID] = field(default_factory=set)
    seen_again: int = 0
    has_work: bool = False
    is_told: bool = False
    thread_milliseconds: int = 0
    store_milliseconds: int = 0


def held_mailbox(mailbox_id: UUID) -> Mailbox:
    """The mailbox, which nobody else changes or delivers to before the transaction ends.

    What somebody begins to delete meanwhile takes the batch that was read for it, and no other.
    """
    query = select(Mailbox).where(Mailbox.id == mailbox_id).with_for_update(key_share=True)
    seen = query.execution_options(**{SEES_DELETED: True}, populate_existing=True)
    return db.session.scalars(seen).one()


def store(mailbox: Mailbox, account: Account, items: Sequence[Item]) -> Stored:
    """Store these arrivals as messages of a `held_mailbox` of this organization. The caller commits."""
    began = time.perf_counter()
    context = context_of(mailbox, account)
    items, has_work = complete_stubs(context, items)
    items = _not_here_yet(items)
    known = _known_messages(mailbox, items)
    fresh, repeated = _sorted_out(items, known)
    stored = Stored(seen_again=len(repeated), has_work=has_work)
    if fresh:
        entries = _entries(context, fresh)
        known.update({entry.item.reading.stable_hash: entry.id for entry in entries})
        _store_new(context, entries, stored)
    _add_locations(context, items, known)
    if repeated:
        _refresh_repeated(context, repeated, known)
    stored.is_told = takes_bell()
    stored.store_milliseconds = _milliseconds_since(began) - stored.thread_milliseconds
    return stored


def _milliseconds_since(began: float) -> int:
    return round((time.perf_counter() - began) * 1000)


# --- what is known already -------------------------------------------------------------------


def _not_here_yet(items: Sequence[Item]) -> list[Item]:
    """Without what was delivered here by somebody who died before he could say so.

    A location may also lead to a stub that it shared with another message, of the same header and size,
    which has completed the stub before: then this one is a message of its own.
    """
    here = _locations_of([item.arrival.id for item in items])
    apart = [
        item.arrival.id
        for item in items
        if not item.arrival.is_stub
        and here.get(item.arrival.id, item.reading.stable_hash) != item.reading.stable_hash
    ]
    if apart:
        db.session.execute(delete(Location).where(among(Location.arrival_id, apart)))
    return [item for item in items if item.arrival.id not in here or item.arrival.id in apart]


def _locations_of(arrival_ids: Sequence[UUID]) -> dict[UUID, bytes]:
    """The stable hash of the message that each of these arrivals has become."""
    rows = db.session.execute(
        select(Location.arrival_id, Message.stable_hash)
        .join(
            Message,
            (Message.organization_id == Location.organization_id) & (Message.id == Location.message_id),
        )
        .where(among(Location.arrival_id, arrival_ids))
    )
    return {row.arrival_id: row.stable_hash for row in rows}


def _known_messages(mailbox: Mailbox, items: Sequence[Item]) -> dict[bytes, UUID]:
    """Ids of messages that are here already, by stable hash of the item."""
    hashes = {item.reading.stable_hash for item in items}
    rows = db.session.execute(
        select(Message.stable_hash, Message.id).where(
            Message.mailbox_id == mailbox.id, among(Message.stable_hash, hashes)
        )
    )
    known = {row.stable_hash: row.id for row in rows}
    others = [item for item in items if item.reading.stable_hash not in known]
    return known | stubs_by_header(mailbox.id, others) | _own_copies(mailbox, others)


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


def _entries(context: Context, items: Sequence[Item]) -> list[Entry]:
    raw_ids = [item.arrival.raw_id for item in items]
    if context.is_moved:
        raw_ids = keep_raws([pack(item.arrival.raw) for item in items])
    return [entry_of(context, item, raw_id) for item, raw_id in zip(items, raw_ids, strict=True)]


def _store_new(context: Context, entries: list[Entry], stored: Stored) -> None:
    threads = threads_for(context.mailbox, [entry.newcomer for entry in entries])
    for entry in entries:
        started = time.perf_counter()
        entry.placement = threads.place(entry.newcomer)
        entry.milliseconds = _milliseconds_since(started)
    stored.thread_milliseconds = sum(entry.milliseconds for entry in entries)
    began = time.perf_counter()
    rows = [message_row(context, threads, entry) for entry in entries]
    begun = keep_new_threads(context.mailbox, threads, rows, context.at)
    changed = (threads.placed_threads | threads.merged.keys() | set(threads.merged.values())) - begun
    _hold_threads(changed)
    insert_rows(Message, rows)
    _store_parts(context, threads, entries, rows)
    _tell(context, entries, rows, _milliseconds_since(began) // len(entries))
    merge_what_belongs_together(threads)
    refresh_summaries(threads.placed_threads - threads.merged.keys() - begun)
    reopen(context.mailbox.id, _answered(context, threads, entries))
    _tell_webhooks(context, threads, entries)
    stored.new.extend(entry.id for entry in entries)
    stored.made_by.update(entry.item.arrival.id for entry in entries)
    stored.has_work = stored.has_work or any(row["work"] == "pending" for row in rows)


def _hold_threads(ids: Collection[UUID]) -> None:
    """Before what is mentioned in them is written: whoever acts on their messages writes that, too."""
    if ids:
        held = select(Thread.id).where(among(Thread.id, ids)).order_by(Thread.id)
        db.session.execute(held.with_for_update(key_share=True))


def _store_parts(
    context: Context, threads: Threads, entries: list[Entry], rows: list[dict[str, Any]]
) -> None:
    insert_rows(Attachment, [part for entry in entries for part in attachment_rows(context, entry)])
    index_messages(context.mailbox.id, rows, {entry.id: filenames(context, entry) for entry in entries})
    keep_references(
        context.mailbox,
        [
            (threads.current(placed(entry).thread_id), parent)
            for entry in entries
            for parent in entry.newcomer.parents
        ],
    )


def _tell(context: Context, entries: list[Entry], rows: list[dict[str, Any]], milliseconds: int) -> None:
    """The timeline, in the end: what each message took of the time to store all of them is known then."""
    events = [event_row(context, entry, row, milliseconds) for entry, row in zip(entries, rows, strict=True)]
    insert_rows(timeline.Event, events)


def _tell_webhooks(context: Context, threads: Threads, entries: list[Entry]) -> None:
    """Of new mail; the history of a mailbox that is taken over is no news."""
    if not is_told("message.received"):
        return
    news = [
        Happening(
            "message.received",
            context.mailbox.id,
            details={
                "message": str(entry.id),
                "conversation": str(threads.current(placed(entry).thread_id)),
            },
        )
        for entry in entries
        if entry.direction == "in"
        and entry.item.arrival.box in ("inbox", "other")
        and not entry.item.arrival.is_history
    ]
    if news:
        tell_all(news)


def _answered(context: Context, threads: Threads, entries: list[Entry]) -> set[UUID]:
    """Threads in which a person has just answered."""
    return {
        threads.current(placed(entry).thread_id)
        for entry in entries
        if placed(entry).result == "joined"
        and entry.newcomer.is_incoming
        and entry.item.arrival.box in ("inbox", "other")
        and not entry.item.arrival.is_history
        and not automatic_reasons(context, threads, entry)
    }


# --- copies of known messages ----------------------------------------------------------------


def _add_locations(context: Context, items: Sequence[Item], known: dict[bytes, UUID]) -> None:
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
            "vanished_at": item.arrival.vanished_at,
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


def _refresh_repeated(context: Context, repeated: Sequence[Item], known: dict[bytes, UUID]) -> None:
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
