"""Stored values of configuration: a row is an override, no row means inherit."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from tenants.database import Base, OrganizationScoped, now


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
