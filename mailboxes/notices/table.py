"""What is kept of a notice."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from mailboxes.at_most_once import Leaving
from tenants.database import Base, OptionallyScoped, now


class Notice(OptionallyScoped, Leaving, Base):
    """One letter of the system to one person; of an organization, or of the installation.

    ``state``: ready, claimed, committing, sent, failed, unknown (after the final dot without an answer),
    cancelled. ``once``: where it is set, a second notice of the same owner with it is not made.
    """

    __tablename__ = "notices"
    __table_args__ = (
        CheckConstraint(
            "state IN ('ready', 'claimed', 'committing', 'sent', 'failed', 'unknown', 'cancelled')",
            name="state",
        ),
        Index("uq_notices_once", "owner_id", "once", unique=True),
        Index("ix_notices_about_id", "owner_id", "about_id"),
        Index(
            "ix_notices_due",
            "next_attempt_at",
            postgresql_where=text("state IN ('ready', 'claimed', 'committing')"),
        ),
    )

    kind: Mapped[str]  # such as invitation
    recipient: Mapped[str]
    about_id: Mapped[UUID | None] = mapped_column(default=None)  # the row that it is about
    once: Mapped[str | None] = mapped_column(default=None)
    content: Mapped[bytes | None] = mapped_column(default=None)  # encrypted
    made_at: Mapped[datetime] = mapped_column(default=now)
    ended_at: Mapped[datetime | None] = mapped_column(default=None)
