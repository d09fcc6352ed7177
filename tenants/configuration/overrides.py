"""Stored values of configuration: a row is an override, no row means inherit. And each of their changes."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from tenants.database import Base, OrganizationScoped, now, uuid7


class SystemOverride(Base):
    """What system administrators set for the installation, and whether it is locked.

    A lock without a value of its own locks the built-in default (``has_value`` is false).
    A secret's ``value`` is the base64 text of its encrypted blob.
    """

    __tablename__ = "system_overrides"

    key: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[Any] = mapped_column(JSONB, nullable=True)
    has_value: Mapped[bool] = mapped_column(default=True)
    is_locked: Mapped[bool] = mapped_column(default=False)
    lock_reason: Mapped[str] = mapped_column(default="")
    set_by: Mapped[str] = mapped_column(default="")
    set_at: Mapped[datetime] = mapped_column(default=now)


class OrganizationOverride(OrganizationScoped, Base):
    """What an organization set for itself."""

    __tablename__ = "organization_overrides"
    __table_args__ = (UniqueConstraint("organization_id", "key"),)

    key: Mapped[str]
    value: Mapped[Any] = mapped_column(JSONB, nullable=True)
    set_by: Mapped[str] = mapped_column(default="")
    set_at: Mapped[datetime] = mapped_column(default=now)


class UserOverride(Base):
    """What a person set for themselves, in whichever organization they are."""

    __tablename__ = "user_overrides"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[Any] = mapped_column(JSONB, nullable=True)
    set_at: Mapped[datetime] = mapped_column(default=now)


class ChangeColumns:
    """What a change of a setting found and left at its level. Rows are only ever added.

    ``before`` and ``after`` hold ``value`` where one was set (of a secret only that it was) and ``lock``
    with the reason where it was locked; they are empty where it inherited.
    """

    key: Mapped[str]
    before: Mapped[dict[str, Any]] = mapped_column(default=dict)
    after: Mapped[dict[str, Any]] = mapped_column(default=dict)
    by: Mapped[str]
    at: Mapped[datetime] = mapped_column(default=now)


class SystemChange(ChangeColumns, Base):
    """A change at the level of the installation."""

    __tablename__ = "system_override_changes"
    __table_args__ = (Index("ix_system_override_changes_key", "key", "id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)


class OrganizationChange(OrganizationScoped, ChangeColumns, Base):
    """A change inside an organization."""

    __tablename__ = "organization_override_changes"
    __table_args__ = (Index("ix_organization_override_changes_key", "organization_id", "key", "id"),)


class UserChange(ChangeColumns, Base):
    """A change that a person made for themselves."""

    __tablename__ = "user_override_changes"
    __table_args__ = (Index("ix_user_override_changes_key", "user_id", "key", "id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))


Change = SystemChange | OrganizationChange | UserChange
