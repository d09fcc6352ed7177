"""Who changed what: one row for each act of an administrator. It is only ever added to."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, Select, select
from sqlalchemy.orm import Mapped, mapped_column

from tenants.database import Base, OrganizationScoped, db, now, uuid7

HIDDEN = "(hidden)"
SECRET_WORDS = ("password", "secret", "token", "key")


class AuditEntry(OrganizationScoped, Base):
    """An act inside an organization."""

    __tablename__ = "audit_entries"
    __table_args__ = (Index("ix_audit_entries_organization_id_at", "organization_id", "at"),)

    at: Mapped[datetime] = mapped_column(default=now)
    actor_id: Mapped[UUID | None]
    actor_name: Mapped[str]
    act: Mapped[str]  # such as mailbox.created
    subject: Mapped[str]  # what it was done to, in words
    before: Mapped[dict[str, Any]] = mapped_column(default=dict)
    after: Mapped[dict[str, Any]] = mapped_column(default=dict)
    place: Mapped[str] = mapped_column(default="")


class SystemAuditEntry(Base):
    """An act on the installation itself."""

    __tablename__ = "system_audit_entries"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    at: Mapped[datetime] = mapped_column(default=now, index=True)
    actor_id: Mapped[UUID | None]
    actor_name: Mapped[str]
    act: Mapped[str]
    subject: Mapped[str]
    before: Mapped[dict[str, Any]] = mapped_column(default=dict)
    after: Mapped[dict[str, Any]] = mapped_column(default=dict)
    place: Mapped[str] = mapped_column(default="")


class Actor:
    """Who acts: the user of a request, or a command at the terminal."""

    def __init__(self, name: str, id: UUID | None = None, place: str = "") -> None:
        self.name = name
        self.id = id
        self.place = place


def record(
    actor: Actor,
    act: str,
    subject: str,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    """Add an entry to the current organization's record; secrets are hidden by their names."""
    db.session.add(AuditEntry(**_entry(actor, act, subject, before, after)))


def record_for_system(
    actor: Actor,
    act: str,
    subject: str,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    """Add an entry to the installation's record."""
    db.session.add(SystemAuditEntry(**_entry(actor, act, subject, before, after)))


def entries() -> Select[AuditEntry]:
    """The current organization's record, newest first."""
    return select(AuditEntry).order_by(AuditEntry.at.desc(), AuditEntry.id.desc())


def _entry(
    actor: Actor,
    act: str,
    subject: str,
    before: dict[str, Any] | None,
    after: dict[str, Any] | None,
) -> dict[str, Any]:
    return {
        "actor_id": actor.id,
        "actor_name": actor.name,
        "place": actor.place,
        "act": act,
        "subject": subject[:500],
        "before": _without_secrets(before or {}),
        "after": _without_secrets(after or {}),
    }


def _without_secrets(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: HIDDEN if any(word in name.lower() for word in SECRET_WORDS) and value else value
        for name, value in values.items()
    }
