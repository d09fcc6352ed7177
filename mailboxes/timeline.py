"""What happened to a message, and why."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, UniqueConstraint, func, select
from sqlalchemy.orm import Mapped, mapped_column

from mailboxes.messages import Message
from tenants.database import Base, OrganizationScoped, db, now, scoped_key

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
    "changed",
)


class Event(OrganizationScoped, Base):
    """One step in the life of a message. Positions of a message are gap-free from 1."""

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
    if stage not in STAGES:
        raise ValueError(f"{stage} is no stage of the timeline")
    db.session.flush()
    db.session.execute(select(Message.id).where(Message.id == message.id).with_for_update())
    last = db.session.scalar(select(func.max(Event.position)).where(Event.message_id == message.id))
    event = Event(
        message_id=message.id,
        position=(last or 0) + 1,
        stage=stage,
        result=result,
        reason=reason,
        details=details or {},
        milliseconds=milliseconds,
    )
    db.session.add(event)
    db.session.flush()  # the next step takes the next position


def events_of(message: Message) -> Select[Event]:
    """The timeline of a message, in order."""
    return select(Event).where(Event.message_id == message.id).order_by(Event.position)
