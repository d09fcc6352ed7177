"""What happened to a message, and why."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from tenants.database import Base, OrganizationScoped, now, scoped_key

STAGES = (
    "fetched",
    "parsed",
    "classified",
    "threaded",
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
