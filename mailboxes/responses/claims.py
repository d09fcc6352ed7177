"""The right to answer, taken once: by message, by conversation, and by sender within the window."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import UniqueConstraint, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from mailboxes.messages import Message
from mailboxes.timeline import Event
from tenants.database import (
    Base,
    OrganizationScoped,
    current_organization_id,
    db,
    now,
    scoped_key,
    uuid7,
)

STAGE = "rules"


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
    recipient: Mapped[str]  # canonical, to be counted
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


def wait_for_others(message: Message) -> None:
    """Whoever acts on the same message does so before or after us."""
    db.session.flush()
    db.session.execute(select(Message.id).where(Message.id == message.id).with_for_update())


def take_turns() -> None:
    """Decisions that count what was sent are made one after another in an organization."""
    key = func.hashtextextended(f"responses|{current_organization_id()}", 0)
    db.session.execute(select(func.pg_advisory_xact_lock(key)))


def was_decided(message: Message) -> bool:
    """Whether the rules have been asked about a message: once is all that counts."""
    query = select(Event.id).where(Event.message_id == message.id, Event.stage == STAGE)
    return db.session.scalar(query.limit(1)) is not None


def take_window(mailbox_id: UUID, sender: str, lasting: timedelta) -> bool:
    """Take the window of a sender, if it is open; False if somebody was faster."""
    moment = now()
    statement = insert(ResponseWindow).values(
        id=uuid7(),
        organization_id=current_organization_id(),
        mailbox_id=mailbox_id,
        sender=sender,
        next_allowed_at=moment + lasting,
    )
    taken = db.session.execute(
        statement.on_conflict_do_update(
            index_elements=["organization_id", "mailbox_id", "sender"],
            set_={"next_allowed_at": moment + lasting},
            where=ResponseWindow.next_allowed_at <= moment,
        ).returning(ResponseWindow.id)
    )
    return taken.scalar() is not None
