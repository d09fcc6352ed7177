"""The one-time right to make a record, and the links between threads and records."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, Select, UniqueConstraint, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from mailboxes.messages import Message
from mailboxes.threads import ThreadRecord
from tenants.database import Base, OrganizationScoped, current_organization_id, db, now, scoped_key, uuid7
from tenants.database.bulk import among, insert_rows
from tenants.database.portions import asked_once, is_portion, write_later

LEAD, CASE = "lead", "case"


class Conversion(OrganizationScoped, Base):
    """The one-time right of an opening message to make a record of a kind.

    The same message in two mailboxes of an organization makes one record per kind: the loser of the
    unique constraint links its thread to the record that is there. The row outlives its message, so
    that a message which was removed and arrives again makes no second record.
    """

    __tablename__ = "conversions"
    __table_args__ = (
        UniqueConstraint("organization_id", "kind", "opening_hash"),
        Index("ix_conversions_record_id", "organization_id", "record_id"),
        scoped_key("message_id", "messages", ondelete="SET NULL (message_id)"),
    )

    kind: Mapped[str]
    opening_hash: Mapped[bytes]
    message_id: Mapped[UUID | None]
    record_id: Mapped[UUID]
    converted_at: Mapped[datetime] = mapped_column(default=now)


def claim(kind: str, message: Message) -> UUID | None:
    """Take the right to make a record of this kind from this message: the claim's id, or None.

    Whoever comes second waits here until the first one's transaction ended. A portion writes its claims with
    what came of them, and fails where somebody took one meanwhile.
    """
    if is_portion():
        return uuid7() if record_made(kind, message.stable_hash) is None else None
    return db.session.scalar(
        insert(Conversion)
        .values(
            organization_id=current_organization_id(),
            id=uuid7(),
            kind=kind,
            opening_hash=message.stable_hash,
            message_id=message.id,
            record_id=message.id,  # until the record is there, in the same transaction
            converted_at=now(),
        )
        .on_conflict_do_nothing()
        .returning(Conversion.id)
    )


def settle(claim_id: UUID, kind: str, message: Message, record_id: UUID) -> None:
    """Say what came of a claim."""
    if is_portion():
        row = {"id": claim_id, "kind": kind, "opening_hash": message.stable_hash, "message_id": message.id}
        write_later(Conversion, {**row, "record_id": record_id})
        record_made.know(record_id, kind, message.stable_hash)
        return
    db.session.execute(update(Conversion).where(Conversion.id == claim_id).values(record_id=record_id))


@asked_once
def record_made(kind: str, opening_hash: bytes) -> UUID | None:
    """The record of this kind that a message with this stable hash, in whatever mailbox, has made."""
    return db.session.scalar(
        select(Conversion.record_id).where(Conversion.kind == kind, Conversion.opening_hash == opening_hash)
    )


def know_records_made(wanted: Collection[tuple[str, bytes]]) -> None:
    """Ask `record_made` for a portion."""
    hashes = {opening_hash for _, opening_hash in wanted}
    query = select(Conversion.kind, Conversion.opening_hash, Conversion.record_id)
    rows = db.session.execute(query.where(among(Conversion.opening_hash, hashes)))
    made = {(row.kind, row.opening_hash): row.record_id for row in rows}
    for one in wanted:
        record_made.know(made.get(one), *one)


def records_of_thread(thread_id: UUID) -> Select[ThreadRecord]:
    """What a thread hangs on."""
    return select(ThreadRecord).where(ThreadRecord.thread_id == thread_id).order_by(ThreadRecord.linked_at)


def link(thread_id: UUID, kind: str, record_id: UUID) -> None:
    """Hang a thread on a record; a thread that has one of this kind keeps it."""
    row = {
        "thread_id": thread_id,
        "kind": kind,
        "lead_id": record_id if kind == LEAD else None,
        "case_id": record_id if kind == CASE else None,
        "other_id": record_id if kind not in (LEAD, CASE) else None,
        "linked_at": now(),
    }
    if is_portion():
        write_later(ThreadRecord, row)
        return
    db.session.flush()  # the record
    insert_rows(ThreadRecord, [row], ignoring_conflicts=True)


def record_id_of(link: ThreadRecord) -> UUID:
    """The record at the other end."""
    id = link.lead_id or link.case_id or link.other_id
    if id is None:
        raise ValueError("a link leads to a record")
    return id
