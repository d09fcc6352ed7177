"""Threads: the messages of one conversation, and the records that hang on it."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from tenants.database import Base, OrganizationScoped, PartScoped, now, scoped_key


class Thread(PartScoped, Base):
    """A conversation of one mailbox. The columns below ``status`` summarize its messages for lists."""

    __tablename__ = "threads"
    __table_args__ = (
        scoped_key("mailbox_id", "mailboxes", ondelete="CASCADE"),
        scoped_key("assignee_id", "memberships", ondelete="SET NULL (assignee_id)"),
        scoped_key("linked_thread_id", "threads", ondelete="SET NULL (linked_thread_id)"),
        CheckConstraint("status IN ('open', 'waiting', 'done')", name="status"),
        CheckConstraint("snoozed_until IS NULL OR status <> 'done'", name="snoozed_until"),
        Index("ix_threads_list", "organization_id", "mailbox_id", "last_at", "id"),
        Index("ix_threads_all", "organization_id", "last_at", "id"),
        Index("ix_threads_status", "organization_id", "mailbox_id", "status", "last_at", "id"),
        Index(
            "ix_threads_to_do",
            "organization_id",
            "mailbox_id",
            "last_at",
            "id",
            postgresql_where=text("status <> 'done'"),
        ),
        Index(
            "ix_threads_waiting",
            "organization_id",
            "mailbox_id",
            postgresql_where=text("status = 'waiting'"),
        ),
        Index(
            "ix_threads_sent",
            "organization_id",
            "mailbox_id",
            "last_at",
            "id",
            postgresql_where=text("outgoing_count > 0"),
        ),
        Index(
            "ix_threads_linked",
            "organization_id",
            "linked_thread_id",
            postgresql_where=text("linked_thread_id IS NOT NULL"),
        ),
        Index(
            "ix_threads_with_attachments",
            "organization_id",
            "mailbox_id",
            "last_at",
            "id",
            postgresql_where=text("has_attachments"),
        ),
        Index(
            "ix_threads_split",
            "organization_id",
            "split_family",
            postgresql_where=text("split_family IS NOT NULL"),
        ),
        Index(
            "ix_threads_snoozed",
            "organization_id",
            "mailbox_id",
            "snoozed_until",
            "id",
            postgresql_where=text("snoozed_until IS NOT NULL"),
        ),
        Index("ix_threads_back", "snoozed_until", postgresql_where=text("snoozed_until IS NOT NULL")),
        Index("ix_threads_assignee", "organization_id", "assignee_id", "last_at", "id"),
        Index("ix_threads_subject", "organization_id", "mailbox_id", "base_subject", "last_at"),
    )

    mailbox_id: Mapped[UUID]
    subject: Mapped[str] = mapped_column(default="")
    base_subject: Mapped[str] = mapped_column(default="")  # without reply prefixes, lower case
    status: Mapped[str] = mapped_column(default="open")
    # Put away until then; from then on back, until it is done or gets a message. The time itself decides.
    snoozed_until: Mapped[datetime | None] = mapped_column(default=None)
    assignee_id: Mapped[UUID | None] = mapped_column(default=None)
    linked_thread_id: Mapped[UUID | None] = mapped_column(default=None)  # of another mailbox
    split_family: Mapped[UUID | None] = mapped_column(default=None)  # the same: split of one another
    created_at: Mapped[datetime] = mapped_column(default=now)

    last_at: Mapped[datetime] = mapped_column(default=now)
    message_count: Mapped[int] = mapped_column(default=0)
    incoming_count: Mapped[int] = mapped_column(default=0)  # in inbox or other
    outgoing_count: Mapped[int] = mapped_column(default=0)
    senders: Mapped[list[str]] = mapped_column(default=list)  # names as shown in lists
    participants: Mapped[list[str]] = mapped_column(default=list)  # addresses, lower case
    teaser: Mapped[str] = mapped_column(default="")
    has_attachments: Mapped[bool] = mapped_column(default=False)
    is_auto_replied: Mapped[bool] = mapped_column(default=False)

    @property
    def is_snoozed(self) -> bool:
        """Whether it is put away now."""
        return self.snoozed_until is not None and self.snoozed_until > now()

    @property
    def is_back(self) -> bool:
        """Whether it was put away, and its time has come."""
        return self.snoozed_until is not None and not self.is_snoozed


class ThreadReference(PartScoped, Base):
    """A Message-ID that a message of the thread mentions: parents that may arrive late."""

    __tablename__ = "thread_references"
    __table_args__ = (
        UniqueConstraint("organization_id", "thread_id", "reference"),
        scoped_key("thread_id", "threads", ondelete="CASCADE"),
        Index("ix_thread_references_reference", "organization_id", "mailbox_id", "reference"),
    )

    mailbox_id: Mapped[UUID]
    thread_id: Mapped[UUID]
    reference: Mapped[str]


class ThreadRecord(OrganizationScoped, Base):
    """A thread hangs on a lead, a case or a plug-in's record: one of each kind."""

    __tablename__ = "thread_records"
    __table_args__ = (
        UniqueConstraint("organization_id", "thread_id", "kind"),
        scoped_key("thread_id", "threads", ondelete="CASCADE"),
        scoped_key("lead_id", "leads", ondelete="CASCADE"),
        scoped_key("case_id", "cases", ondelete="CASCADE"),
        CheckConstraint(
            "(kind = 'lead') = (lead_id IS NOT NULL) AND (kind = 'case') = (case_id IS NOT NULL)",
            name="kind",
        ),
        Index("ix_thread_records_lead_id", "organization_id", "lead_id"),
        Index("ix_thread_records_case_id", "organization_id", "case_id"),
    )

    thread_id: Mapped[UUID]
    kind: Mapped[str]
    lead_id: Mapped[UUID | None] = mapped_column(default=None)
    case_id: Mapped[UUID | None] = mapped_column(default=None)
    other_id: Mapped[UUID | None] = mapped_column(default=None)
    linked_at: Mapped[datetime] = mapped_column(default=now)
