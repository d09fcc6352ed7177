"""Cases: something a customer needs solved."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index
from sqlalchemy.orm import Mapped, mapped_column

from tenants.database import Base, OrganizationScoped, now, scoped_key

STATUSES = ("open", "in_progress", "resolved", "closed")
PRIORITIES = ("low", "normal", "high")


class Case(OrganizationScoped, Base):
    """A case; one that automation made names its opening message."""

    __tablename__ = "cases"
    __table_args__ = (
        scoped_key("owner_id", "memberships", ondelete="SET NULL (owner_id)"),
        scoped_key("assignee_id", "memberships", ondelete="SET NULL (assignee_id)"),
        scoped_key("contact_id", "contacts", ondelete="SET NULL (contact_id)"),
        scoped_key("opening_message_id", "messages", ondelete="SET NULL (opening_message_id)"),
        CheckConstraint("status IN ('open', 'in_progress', 'resolved', 'closed')", name="status"),
        CheckConstraint("priority IN ('low', 'normal', 'high')", name="priority"),
        Index("ix_cases_list", "organization_id", "reported_at", "id"),
    )

    subject: Mapped[str]
    description: Mapped[str] = mapped_column(default="")
    resolution: Mapped[str] = mapped_column(default="")
    source: Mapped[str] = mapped_column(default="email")
    status: Mapped[str] = mapped_column(default="open")
    priority: Mapped[str] = mapped_column(default="normal")
    tags: Mapped[list[str]] = mapped_column(default=list)
    owner_id: Mapped[UUID | None] = mapped_column(default=None)
    assignee_id: Mapped[UUID | None] = mapped_column(default=None)
    contact_id: Mapped[UUID | None] = mapped_column(default=None)
    opening_message_id: Mapped[UUID | None] = mapped_column(default=None)
    is_automatic: Mapped[bool] = mapped_column(default=False)
    reported_at: Mapped[datetime] = mapped_column(default=now)
    closed_at: Mapped[datetime | None] = mapped_column(default=None)
    updated_at: Mapped[datetime] = mapped_column(default=now)


class CaseComment(OrganizationScoped, Base):
    """What people write on a case; private ones stay among members."""

    __tablename__ = "case_comments"
    __table_args__ = (
        scoped_key("case_id", "cases", ondelete="CASCADE"),
        Index("ix_case_comments_case_id", "organization_id", "case_id", "written_at"),
    )

    case_id: Mapped[UUID]
    author_id: Mapped[UUID | None]
    author_name: Mapped[str]
    text: Mapped[str]
    is_public: Mapped[bool] = mapped_column(default=False)
    written_at: Mapped[datetime] = mapped_column(default=now)


class CaseChange(OrganizationScoped, Base):
    """The history of a case: ``changes`` maps a field to [before, after]."""

    __tablename__ = "case_changes"
    __table_args__ = (
        scoped_key("case_id", "cases", ondelete="CASCADE"),
        Index("ix_case_changes_case_id", "organization_id", "case_id", "at"),
    )

    case_id: Mapped[UUID]
    at: Mapped[datetime] = mapped_column(default=now)
    actor_name: Mapped[str]
    changes: Mapped[dict[str, Any]] = mapped_column(default=dict)
