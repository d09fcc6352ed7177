"""A message gets at most one automatic response."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from tenants.database import Base, OrganizationScoped, now, scoped_key


class AutomaticResponse(OrganizationScoped, Base):
    """The claim to answer a message: one per triggering message and one per thread."""

    __tablename__ = "automatic_responses"
    __table_args__ = (
        UniqueConstraint("organization_id", "message_id"),
        UniqueConstraint("organization_id", "thread_id"),
        scoped_key("message_id", "messages", ondelete="CASCADE"),
        scoped_key("thread_id", "threads", ondelete="CASCADE"),
        scoped_key("mailbox_id", "mailboxes", ondelete="CASCADE"),
        scoped_key("rule_id", "auto_response_rules", ondelete="SET NULL (rule_id)"),
        scoped_key("outgoing_id", "outgoing", ondelete="CASCADE"),
    )

    mailbox_id: Mapped[UUID]
    message_id: Mapped[UUID]
    thread_id: Mapped[UUID]
    rule_id: Mapped[UUID | None]
    outgoing_id: Mapped[UUID]
    recipient: Mapped[str]  # lower case
    body_hash: Mapped[bytes]  # of the triggering message's text (rule 30)
    decided_at: Mapped[datetime] = mapped_column(default=now, index=True)


class ResponseWindow(OrganizationScoped, Base):
    """When a sender may next get an automatic response from a mailbox."""

    __tablename__ = "response_windows"
    __table_args__ = (
        UniqueConstraint("organization_id", "mailbox_id", "sender"),
        scoped_key("mailbox_id", "mailboxes", ondelete="CASCADE"),
    )

    mailbox_id: Mapped[UUID]
    sender: Mapped[str]
    next_allowed_at: Mapped[datetime]
