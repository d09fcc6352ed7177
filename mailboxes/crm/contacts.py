"""Contacts: people who wrote."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from tenants.database import Base, OrganizationScoped, now, scoped_key


class Contact(OrganizationScoped, Base):
    """A person, made when they first write. Never renamed by an unauthenticated From."""

    __tablename__ = "contacts"

    name: Mapped[str] = mapped_column(default="")
    first_name: Mapped[str] = mapped_column(default="")
    last_name: Mapped[str] = mapped_column(default="")
    company: Mapped[str] = mapped_column(default="")
    phone: Mapped[str] = mapped_column(default="")
    language: Mapped[str | None] = mapped_column(default=None)
    notes: Mapped[str] = mapped_column(default="")
    first_seen_at: Mapped[datetime] = mapped_column(default=now)
    last_seen_at: Mapped[datetime] = mapped_column(default=now)


class ContactAddress(OrganizationScoped, Base):
    """An address of a contact; unique in the organization."""

    __tablename__ = "contact_addresses"
    __table_args__ = (
        UniqueConstraint("organization_id", "address"),
        scoped_key("contact_id", "contacts", ondelete="CASCADE"),
    )

    contact_id: Mapped[UUID]
    address: Mapped[str]  # lower case
