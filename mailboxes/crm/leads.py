"""Leads: someone who may buy."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index
from sqlalchemy.orm import Mapped, mapped_column

from tenants.database import Base, OrganizationScoped, now, scoped_key

STATUSES = ("new", "qualified", "disqualified")


class Lead(OrganizationScoped, Base):
    """A lead; one that automation made names its opening message."""

    __tablename__ = "leads"
    __table_args__ = (
        scoped_key("owner_id", "memberships", ondelete="SET NULL (owner_id)"),
        scoped_key("source_id", "lead_sources", ondelete="SET NULL (source_id)"),
        scoped_key("contact_id", "contacts", ondelete="SET NULL (contact_id)"),
        scoped_key("opening_message_id", "messages", ondelete="SET NULL (opening_message_id)"),
        CheckConstraint("status IN ('new', 'qualified', 'disqualified')", name="status"),
        Index("ix_leads_list", "organization_id", "created_at", "id"),
    )

    name: Mapped[str]
    status: Mapped[str] = mapped_column(default="new")
    first_name: Mapped[str] = mapped_column(default="")
    last_name: Mapped[str] = mapped_column(default="")
    company: Mapped[str] = mapped_column(default="")
    job_title: Mapped[str] = mapped_column(default="")
    address: Mapped[str] = mapped_column(default="")  # e-mail
    phone: Mapped[str] = mapped_column(default="")
    website: Mapped[str] = mapped_column(default="")
    notes: Mapped[str] = mapped_column(default="")
    owner_id: Mapped[UUID | None] = mapped_column(default=None)
    source_id: Mapped[UUID | None] = mapped_column(default=None)
    contact_id: Mapped[UUID | None] = mapped_column(default=None)
    opening_message_id: Mapped[UUID | None] = mapped_column(default=None)
    is_automatic: Mapped[bool] = mapped_column(default=False)  # made by conversion, not by hand
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now)


class LeadChange(OrganizationScoped, Base):
    """The history of a lead: ``changes`` maps a field to [before, after]."""

    __tablename__ = "lead_changes"
    __table_args__ = (
        scoped_key("lead_id", "leads", ondelete="CASCADE"),
        Index("ix_lead_changes_lead_id", "organization_id", "lead_id", "at"),
    )

    lead_id: Mapped[UUID]
    at: Mapped[datetime] = mapped_column(default=now)
    actor_name: Mapped[str]
    changes: Mapped[dict[str, Any]] = mapped_column(default=dict)
