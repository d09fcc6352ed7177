"""The right to answer, taken once: by message, by conversation, and by sender within the window."""

import hashlib
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ForeignKey, UniqueConstraint, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from mailboxes.messages import Message
from mailboxes.timeline import Event
from tenants.database import (
    Base,
    OrganizationScoped,
    across_organizations,
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


class AccountWindow(Base):
    """When a sender may next get an automatic response from a copied account, whichever mailbox gives it.

    ``sender`` is a digest; ``message_id`` took it, and may take it again if its transaction died.
    """

    __tablename__ = "account_windows"

    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True)
    sender: Mapped[bytes] = mapped_column(primary_key=True)
    message_id: Mapped[UUID]
    next_allowed_at: Mapped[datetime]


def take_turns() -> None:
    """Decisions that count what was sent are made one after another in an organization."""
    key = func.hashtextextended(f"responses|{current_organization_id()}", 0)
    db.session.execute(select(func.pg_advisory_xact_lock(key)))


def was_decided(message: Message) -> bool:
    """Whether the rules have been asked about a message: once is all that counts."""
    query = select(Event.id).where(Event.message_id == message.id, Event.stage == STAGE)
    return db.session.scalar(query.limit(1)) is not None


def take_window(message: Message, sender: str, lasting: timedelta, account_id: UUID | None = None) -> bool:
    """Take the window of a sender, if it is open; False if somebody was faster.

    ``account_id``: an account of which all mailboxes share one window.
    """
    moment = now()
    statement = insert(ResponseWindow).values(
        id=uuid7(),
        organization_id=current_organization_id(),
        mailbox_id=message.mailbox_id,
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
    if taken.scalar() is None:
        return False
    return account_id is None or _take_window_of_account(account_id, message, sender, moment + lasting)


def account_window(account_id: UUID, message: Message, sender: str) -> datetime | None:
    """Until when the window of a sender is taken by another message, whichever mailbox answered that."""
    query = select(AccountWindow.next_allowed_at).where(
        AccountWindow.account_id == account_id,
        AccountWindow.sender == _digest(sender),
        AccountWindow.message_id != message.id,
    )
    with across_organizations("mailboxes that share an account share the limit of a sender") as session:
        return session.scalar(query)


def _take_window_of_account(account_id: UUID, message: Message, sender: str, until: datetime) -> bool:
    """Committed at once: the organization's transaction follows, and is repeated if it dies."""
    statement = insert(AccountWindow).values(
        account_id=account_id, sender=_digest(sender), message_id=message.id, next_allowed_at=until
    )
    is_ours = (AccountWindow.next_allowed_at <= now()) | (AccountWindow.message_id == message.id)
    with across_organizations("mailboxes that share an account share the limit of a sender") as session:
        taken = session.execute(
            statement.on_conflict_do_update(
                index_elements=["account_id", "sender"],
                set_={"message_id": message.id, "next_allowed_at": until},
                where=is_ours,
            ).returning(AccountWindow.account_id)
        ).scalar()
        session.commit()
    return taken is not None


def _digest(sender: str) -> bytes:
    return hashlib.sha256(sender.encode("utf-8", "replace")).digest()
