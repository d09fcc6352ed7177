"""Auto-response rules: when the sender of a message is answered, and with what."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from tenants.database import Base, OrganizationScoped, now, scoped_key


class AutoResponseRule(OrganizationScoped, Base):
    """A rule of a mailbox. ``conditions`` are {field, operator, value}, all joined by AND.

    A condition on a header has the field ``header:NAME``. No condition means every message.
    """

    __tablename__ = "auto_response_rules"
    __table_args__ = (
        scoped_key("mailbox_id", "mailboxes", ondelete="CASCADE"),
        scoped_key("template_id", "templates"),
        Index("ix_auto_response_rules_mailbox", "organization_id", "mailbox_id", "position"),
    )

    mailbox_id: Mapped[UUID]
    position: Mapped[int]
    name: Mapped[str]
    is_active: Mapped[bool] = mapped_column(default=True)
    conditions: Mapped[list[dict[str, Any]]] = mapped_column(default=list)
    template_id: Mapped[UUID]
    active_since: Mapped[datetime] = mapped_column(default=now)
    created_at: Mapped[datetime] = mapped_column(default=now)
