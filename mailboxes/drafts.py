"""Drafts of replies, kept on the server with every change."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from tenants.database import Base, OrganizationScoped, now, scoped_key


class Draft(OrganizationScoped, Base):
    """What a member has written and not sent. Addresses are kept as typed."""

    __tablename__ = "drafts"
    __table_args__ = (
        UniqueConstraint("organization_id", "membership_id", "answers_id", "kind"),
        scoped_key("membership_id", "memberships", ondelete="CASCADE"),
        scoped_key("mailbox_id", "mailboxes", ondelete="CASCADE"),
        scoped_key("thread_id", "threads", ondelete="CASCADE"),
        scoped_key("answers_id", "messages", ondelete="CASCADE"),
        scoped_key("outgoing_id", "outgoing", ondelete="SET NULL (outgoing_id)"),
        CheckConstraint("kind IN ('reply', 'reply_all', 'forward', 'new')", name="kind"),
    )

    membership_id: Mapped[UUID]
    mailbox_id: Mapped[UUID]
    thread_id: Mapped[UUID | None] = mapped_column(default=None)
    answers_id: Mapped[UUID | None] = mapped_column(default=None)
    kind: Mapped[str] = mapped_column(default="reply")
    to: Mapped[str] = mapped_column(default="")
    cc: Mapped[str] = mapped_column(default="")
    bcc: Mapped[str] = mapped_column(default="")
    subject: Mapped[str] = mapped_column(default="")
    body: Mapped[str] = mapped_column(default="")
    seen_count: Mapped[int] = mapped_column(default=0)  # messages of the thread when it was begun
    updated_at: Mapped[datetime] = mapped_column(default=now)
    outgoing_id: Mapped[UUID | None] = mapped_column(default=None)  # sent, may still be taken back


class DraftAttachment(OrganizationScoped, Base):
    """A file that will go with a draft."""

    __tablename__ = "draft_attachments"
    __table_args__ = (scoped_key("draft_id", "drafts", ondelete="CASCADE"),)

    draft_id: Mapped[UUID]
    filename: Mapped[str]
    content_type: Mapped[str]
    content: Mapped[bytes]
