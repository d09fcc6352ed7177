"""Global mailboxes as the system keeps them. Only ``postroom_system`` may read these tables."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, Select, func, select
from sqlalchemy.orm import Mapped, mapped_column

from mailboxes.global_mailboxes.fields import Values
from tenants.database import Base, now, uuid7


class GlobalMailbox(Base):
    """What the system says of a global mailbox, for all organizations that it serves.

    In each of them a `Mailbox` follows. ``version`` grows with every change; a mailbox whose
    ``system_version`` is another has not been brought it yet (`mailboxes.global_mailboxes.following`).
    ``values`` are as `mailboxes.global_mailboxes.fields` says. Connection, mode and home are the account's.
    """

    __tablename__ = "global_mailboxes"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"), unique=True)
    address: Mapped[str] = mapped_column(unique=True)  # lower case
    aliases: Mapped[list[str]] = mapped_column(default=list)
    trusted_authserv_id: Mapped[str] = mapped_column(default="")
    values: Mapped[dict[str, Any]] = mapped_column(default=dict)
    serves_all: Mapped[bool] = mapped_column(default=False)  # those made later too
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime] = mapped_column(default=now)
    # Its organizations' mailboxes are being deleted, and then it is.
    deleted_at: Mapped[datetime | None] = mapped_column(default=None)
    deleted_by: Mapped[str] = mapped_column(default="")

    @property
    def label(self) -> str:
        """What the system calls it."""
        return str(self.said("label"))

    @property
    def is_enabled(self) -> bool:
        """Whether it fetches for anybody, and is enabled where nobody says otherwise."""
        return bool(self.said("enabled"))

    @property
    def is_shadow(self) -> bool:
        """Whether automation only shows what it would do, where nobody says otherwise."""
        return bool(self.said("shadow"))

    def said(self, field: str) -> Any:
        """The system's value of a field."""
        values: Values = self.values
        return values.get(field, {}).get("value")


class ServedOrganization(Base):
    """An organization that was chosen; where all are served it says nothing."""

    __tablename__ = "served_organizations"
    __table_args__ = (Index("ix_served_organizations_organization_id", "organization_id"),)

    global_mailbox_id: Mapped[UUID] = mapped_column(
        ForeignKey("global_mailboxes.id", ondelete="CASCADE"), primary_key=True
    )
    organization_id: Mapped[UUID] = mapped_column(
        ForeignKey("organizations.id", ondelete="CASCADE"), primary_key=True
    )


def global_mailboxes() -> Select[GlobalMailbox]:
    """All of them, by the system's label."""
    return select(GlobalMailbox).order_by(
        func.lower(GlobalMailbox.values["label"]["value"].astext), GlobalMailbox.id
    )
