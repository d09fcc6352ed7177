"""A message is built, queued, sent and kept: automatic responses and people's replies alike."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from tenants.database import Base, OrganizationScoped, now, scoped_key


class Outgoing(OrganizationScoped, Base):
    """The outbox (reliability §3.4). Message-ID, bytes and recipients are frozen at ``ready``.

    ``state``: ready → claimed → committing → sent, failed (permanently) or unknown; cancelled when a
    person took it back in time. ``copy_state`` is about the copy in the Sent folder: pending, done,
    skipped or failed; it never causes another sending.
    """

    __tablename__ = "outgoing"
    __table_args__ = (
        UniqueConstraint("organization_id", "header_id"),
        scoped_key("mailbox_id", "mailboxes"),
        scoped_key("message_id", "messages", ondelete="CASCADE"),
        scoped_key("trigger_id", "messages", ondelete="SET NULL (trigger_id)"),
        CheckConstraint("kind IN ('automatic', 'reply')", name="kind"),
        CheckConstraint(
            "state IN ('ready', 'claimed', 'committing', 'sent', 'failed', 'unknown', 'cancelled')",
            name="state",
        ),
        CheckConstraint("copy_state IN ('pending', 'done', 'skipped', 'failed')", name="copy_state"),
        Index(
            "ix_outgoing_pending",
            "next_attempt_at",
            postgresql_where=text("state IN ('ready', 'claimed', 'committing')"),
        ),
        Index("ix_outgoing_copy", "organization_id", postgresql_where=text("copy_state = 'pending'")),
    )

    mailbox_id: Mapped[UUID]
    message_id: Mapped[UUID]  # our own message, with its raw
    trigger_id: Mapped[UUID | None] = mapped_column(default=None)  # what it answers
    kind: Mapped[str]
    header_id: Mapped[str]  # its Message-ID
    envelope_sender: Mapped[str] = mapped_column(default="")  # empty: <>
    recipients: Mapped[list[str]] = mapped_column(default=list)
    state: Mapped[str] = mapped_column(default="ready")
    fence: Mapped[int] = mapped_column(default=0)
    claim_expires_at: Mapped[datetime | None] = mapped_column(default=None)
    attempts: Mapped[int] = mapped_column(default=0)
    next_attempt_at: Mapped[datetime] = mapped_column(default=now)
    give_up_at: Mapped[datetime]
    last_error: Mapped[str] = mapped_column(default="")
    created_by_id: Mapped[UUID | None] = mapped_column(default=None)
    created_at: Mapped[datetime] = mapped_column(default=now)
    sent_at: Mapped[datetime | None] = mapped_column(default=None)
    copy_state: Mapped[str] = mapped_column(default="pending")
    copy_attempts: Mapped[int] = mapped_column(default=0)
    copy_after: Mapped[datetime] = mapped_column(default=now)
