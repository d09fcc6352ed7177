"""Who changed what: one row for each act of an administrator. It is only ever added to."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Index, Select, func, or_, select, text
from sqlalchemy.orm import Mapped, mapped_column

from tenants.database import Base, OrganizationScoped, db, now, uuid7

HIDDEN = "(hidden)"
EXPORT_HEADER = ("Time", "Person", "From where", "What", "About", "Before", "After")
ARCHIVED = "organization.archived"  # somebody took all of it as a file
SECRET_WORDS = ("password", "secret", "token", "key")


class AuditEntry(OrganizationScoped, Base):
    """An act inside an organization."""

    __tablename__ = "audit_entries"
    __table_args__ = (
        Index("ix_audit_entries_organization_id_at", "organization_id", "at"),
        Index("ix_audit_entries_subject", "organization_id", "subject", "at"),
        Index(
            "ix_audit_entries_archived",
            "organization_id",
            "at",
            postgresql_where=text(f"act = '{ARCHIVED}'"),
        ),
    )

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
    __table_args__ = (Index("ix_system_audit_entries_subject", "subject", "at"),)

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


@dataclass(frozen=True)
class EntryFilter:
    """What the record is narrowed to; empty values do not narrow. ``until`` is exclusive."""

    who: str = ""
    what: str = ""
    about: str = ""
    since: datetime | None = None
    until: datetime | None = None


Entry = TypeVar("Entry", AuditEntry, SystemAuditEntry)


def entries() -> Select[AuditEntry]:
    """The current organization's record, newest first."""
    return select(AuditEntry).order_by(AuditEntry.at.desc(), AuditEntry.id.desc())


def entries_of_time(table: type[Entry], filter: EntryFilter) -> Select[Entry]:
    """The current organization's record, or the installation's, of the days of a filter; in no order."""
    query = select(table)
    if filter.since is not None:
        query = query.where(table.at >= filter.since)
    if filter.until is not None:
        query = query.where(table.at < filter.until)
    return query


def has_words(table: type[Entry], filter: EntryFilter) -> list[ColumnElement[bool]]:
    """Whether an entry has the words of a filter; no condition where it has none."""
    what = " ".join(filter.what.replace(".", " ").replace("_", " ").split())
    texts = (
        (table.actor_name, filter.who),
        (table.subject, filter.about),
        (func.translate(table.act, "._", "  "), what),
    )
    return [said.icontains(words, autoescape=True) for said, words in texts if words]


def latest_about(table: type[Entry], kind: str, name: str, since: datetime) -> Entry | None:
    """The last act on one thing since a moment; ``kind``: how its acts begin. It may just be called so."""
    is_about = or_(table.subject == name, table.after["name"].astext == name)
    query = select(table).where(
        table.at >= since, table.act.startswith(f"{kind}.", autoescape=True), is_about
    )
    return db.session.scalar(query.order_by(table.at.desc(), table.id.desc()).limit(1))


def act_in_words(act: str) -> str:
    """``member.roles_changed`` as people read it."""
    words = act.replace(".", " ").replace("_", " ")
    return words[:1].upper() + words[1:]


def as_exported(entry: AuditEntry | SystemAuditEntry) -> tuple[Any, ...]:
    """An entry as a line of a file, under `EXPORT_HEADER`."""
    return (
        entry.at,
        entry.actor_name,
        entry.place,
        act_in_words(entry.act),
        entry.subject,
        _as_text(entry.before),
        _as_text(entry.after),
    )


def _as_text(values: dict[str, Any]) -> str:
    return json.dumps(values, ensure_ascii=False, sort_keys=True) if values else ""


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
    return {name: _shown(name, value) for name, value in values.items()}


def _shown(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return _without_secrets(value)
    if isinstance(value, list):
        return [_shown(name, one) for one in value]
    is_secret = any(word in name.lower() for word in SECRET_WORDS)
    return HIDDEN if is_secret and value and not isinstance(value, bool) else value
