"""What happened to a message, and why."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import UniqueConstraint, func, select
from sqlalchemy.orm import Mapped, mapped_column

from mailboxes.messages import Message
from tenants.database import Base, PartScoped, db, now, scoped_key
from tenants.database.bulk import among, insert_rows
from tenants.database.portions import asked_once, write_later

STAGES = (
    "fetched",
    "parsed",
    "classified",
    "routed",
    "threaded",
    "stored",
    "converted",
    "rules",
    "queued",
    "sent",
    "filed",
    "removed",
    "changed",
)
BEFORE = "before"
PART = "part"  # in the details of a split: the other conversation
RECORDS = ("lead", "case")  # kinds that need a permission


class Event(PartScoped, Base):
    """One step in the life of a message. Positions of a message are gap-free from 1.

    The steps of its delivery are one row, that of the last of them, with the others ``before`` it in its
    details: a mailbox that is taken over writes nothing more often. `each_step` tells them apart.
    """

    __tablename__ = "events"
    __table_args__ = (
        UniqueConstraint("organization_id", "message_id", "position"),
        scoped_key("message_id", "messages", ondelete="CASCADE"),
    )

    message_id: Mapped[UUID]
    position: Mapped[int]
    at: Mapped[datetime] = mapped_column(default=now)
    stage: Mapped[str]
    result: Mapped[str]  # in one or two words: stored, joined, lead made, suppressed …
    reason: Mapped[str] = mapped_column(default="")  # a sentence for people
    details: Mapped[dict[str, Any]] = mapped_column(default=dict)
    milliseconds: Mapped[int | None] = mapped_column(default=None)


class Step(NamedTuple):
    """A step of a delivery; ``at`` (ISO 8601) only where it was at another time than the last one."""

    stage: str
    result: str
    reason: str = ""
    details: dict[str, Any] | None = None
    milliseconds: int | None = None
    at: str = ""


def delivery_row(message_id: UUID, steps: Sequence[Step], at: datetime) -> dict[str, Any]:
    """The first steps of a message as one row of the table."""
    *before, last = steps
    return {
        "message_id": message_id,
        "position": len(steps),
        "at": at,
        "stage": last.stage,
        "result": last.result,
        "reason": last.reason,
        "details": {**(last.details or {}), BEFORE: before},
        "milliseconds": last.milliseconds,
    }


def each_step(rows: Iterable[Event]) -> Iterator[Event]:
    """Rows of the table, in their order, with each step by itself."""
    for row in rows:
        if BEFORE not in row.details:
            yield row
            continue
        details = dict(row.details)
        before = (Step(*step) for step in details.pop(BEFORE))
        last = Step(row.stage, row.result, row.reason, details, row.milliseconds)
        for position, step in enumerate((*before, last), 1):
            yield _alone(row, position, step)


def record(
    message: Message,
    stage: str,
    result: str,
    reason: str = "",
    *,
    details: dict[str, Any] | None = None,
    milliseconds: int | None = None,
) -> None:
    """Add a step to a message's timeline, in the transaction that made it true.

    Two writers of one message take their positions in turn: the message's row is locked.
    """
    position = _last_position(message.id) + 1
    _write(message.id, position, Step(stage, result, reason, details, milliseconds))


def begin(message_id: UUID, stage: str, result: str, reason: str) -> None:
    """The first step of a message that the transaction itself has made."""
    _write(message_id, 1, Step(stage, result, reason))


def know_timelines(message_ids: Collection[UUID]) -> None:
    """Ask for the last positions of a portion's messages together. The caller holds their rows."""
    known = _last_positions(message_ids)
    for id in message_ids:
        _last_position.know(known.get(id, 0), id)


def record_for_all(message_ids: Collection[UUID], stage: str, result: str, reason: str) -> None:
    """The same step on many timelines, by two statements. The caller has locked the rows of the messages."""
    if not message_ids:
        return
    last = _last_positions(message_ids)
    step = {
        "at": now(),
        "stage": stage,
        "result": result,
        "reason": reason,
        "details": {},
        "milliseconds": None,
    }
    rows = [{"message_id": id, "position": last.get(id, 0) + 1, **step} for id in message_ids]
    insert_rows(Event, rows)


def events_of(message: Message) -> list[Event]:
    """The timeline of a message, in order."""
    return events_of_all([message.id])


def events_of_all(message_ids: Iterable[UUID]) -> list[Event]:
    """The timelines of some messages, each in order."""
    rows = select(Event).where(Event.message_id.in_(message_ids)).order_by(Event.message_id, Event.position)
    return list(each_step(db.session.scalars(rows)))


def unseen_kind(event: Event, permissions: Collection[str]) -> str:
    """The kind of a record that a step names, where a reader of these permissions may not see those."""
    kinds = event.details.get("kinds") or [event.details.get("kind")]
    return next((kind for kind in kinds if kind in RECORDS and f"{kind}.view" not in permissions), "")


def reason_told(event: Event, permissions: Collection[str]) -> str:
    """What a reader of these permissions is told: of a record that they may not see, no name."""
    unseen = unseen_kind(event, permissions)
    return f"You may not see {unseen}s." if unseen else event.reason


@asked_once
def _last_position(message_id: UUID) -> int:
    """Its row is held from here on: the next step takes the next position."""
    db.session.flush()
    db.session.execute(select(Message.id).where(Message.id == message_id).with_for_update())
    return _last_positions([message_id]).get(message_id, 0)


def _last_positions(message_ids: Collection[UUID]) -> dict[UUID, int]:
    query = (
        select(Event.message_id, func.max(Event.position))
        .where(among(Event.message_id, message_ids))
        .group_by(Event.message_id)
    )
    return {row[0]: row[1] for row in db.session.execute(query)}


def _write(message_id: UUID, position: int, step: Step) -> None:
    if step.stage not in STAGES:
        raise ValueError(f"{step.stage} is no stage of the timeline")
    row = {
        "message_id": message_id,
        "position": position,
        "stage": step.stage,
        "result": step.result,
        "reason": step.reason,
        "details": step.details or {},
        "milliseconds": step.milliseconds,
    }
    write_later(Event, {**row, "at": now()})
    _last_position.know(position, message_id)


def _alone(row: Event, position: int, step: Step) -> Event:
    return Event(
        organization_id=row.organization_id,
        id=row.id,
        message_id=row.message_id,
        position=position,
        at=datetime.fromisoformat(step.at) if step.at else row.at,
        stage=step.stage,
        result=step.result,
        reason=step.reason,
        details=step.details or {},
        milliseconds=step.milliseconds,
    )
