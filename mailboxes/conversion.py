"""A message becomes a lead or a case, as its mailbox says."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from tenants.database import Base, OrganizationScoped, now, scoped_key


class Conversion(OrganizationScoped, Base):
    """The one-time right of an opening message to make a record of a kind.

    The same message in two mailboxes of an organization makes one record per kind: the loser of the
    unique constraint links its thread to the record that is there.
    """

    __tablename__ = "conversions"
    __table_args__ = (
        UniqueConstraint("organization_id", "kind", "opening_hash"),
        scoped_key("message_id", "messages"),
    )

    kind: Mapped[str]
    opening_hash: Mapped[bytes]
    message_id: Mapped[UUID]
    record_id: Mapped[UUID]
    converted_at: Mapped[datetime] = mapped_column(default=now)
