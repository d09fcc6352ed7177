"""A message of which only the header was here has come whole: the same message, now with everything in it.

It keeps its id, its place in the conversation and whatever people have done with it. If it opened a
conversation just now it may still make its record; an answer is for the rules to decide, as always.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, update

from mailboxes import timeline
from mailboxes.intake.rows import Context, Entry, Item, attachment_rows, entry_of, message_row
from mailboxes.messages import Attachment, Location, Message
from mailboxes.raws import forget_raws, keep_raws, pack
from mailboxes.search import index_message
from mailboxes.threads.joining import Placement, Threads
from mailboxes.threads.summaries import refresh_summaries
from tenants.database import db
from tenants.database.bulk import among, insert_rows

KEPT = {
    "id",
    "mailbox_id",
    "thread_id",
    "box",
    "arrived_at",
    "is_opening",
    "is_from_new_sender",
    "is_read_by_all",
    "removed_on_server_at",
}
COMPLETED = "It has been fetched whole."
ELSEWHERE = "It has been fetched whole, and is a message that was here already."


def complete_stubs(context: Context, items: Sequence[Item]) -> tuple[list[Item], bool]:
    """Complete the messages whose header was here, and return the other items; whether there is work."""
    stubs = _stubs([item.arrival.id for item in items if not item.arrival.is_stub])
    others = []
    has_work = False
    for item in items:
        message = stubs.get(item.arrival.id)
        if message is None or not message.is_stub:  # another one of the same header has just completed it
            others.append(item)
        else:
            has_work = _complete(context, item, message) or has_work
    return others, has_work


def _stubs(arrival_ids: Sequence[UUID]) -> dict[UUID, Message]:
    """Messages without content, by the arrival that has brought their header."""
    rows = db.session.execute(
        select(Location.arrival_id, Message)
        .join(
            Message,
            (Message.organization_id == Location.organization_id) & (Message.id == Location.message_id),
        )
        .where(among(Location.arrival_id, arrival_ids), Message.is_stub)
        .with_for_update(of=Message)
        .execution_options(populate_existing=True)
    )
    return {row.arrival_id: row.Message for row in rows}


def _complete(context: Context, item: Item, message: Message) -> bool:
    same = db.session.scalar(
        select(Message).where(
            Message.mailbox_id == context.mailbox.id, Message.stable_hash == item.reading.stable_hash
        )
    )
    if same is not None:
        _point_to(item, same)
        timeline.record(message, "fetched", "completed", ELSEWHERE)
        return False
    header_id = message.raw_id
    raw_id = keep_raws([pack(item.arrival.raw)])[0] if context.is_moved else item.arrival.raw_id
    result = "opened" if message.is_opening else "joined"
    entry = replace(
        entry_of(context, item, raw_id), id=message.id, placement=Placement(message.thread_id, result, "")
    )
    values = message_row(context, Threads(), entry)
    _write(context, entry, message, {name: value for name, value in values.items() if name not in KEPT})
    if header_id is not None:
        forget_raws([header_id])  # a header is small: no object has to go
    return bool(values["work"] == "pending")


def _point_to(item: Item, message: Message) -> None:
    db.session.execute(
        update(Location)
        .where(Location.arrival_id == item.arrival.id)
        .values(message_id=message.id)
        .execution_options(synchronize_session=False)
    )


def _write(context: Context, entry: Entry, message: Message, values: dict[str, Any]) -> None:
    for name, value in values.items():
        setattr(message, name, value)
    db.session.execute(delete(Attachment).where(Attachment.message_id == message.id))
    insert_rows(Attachment, attachment_rows(context, entry))
    timeline.record(message, "fetched", "completed", COMPLETED)
    index_message(message)
    refresh_summaries([message.thread_id])
