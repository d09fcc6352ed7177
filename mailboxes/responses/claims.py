"""The right to answer, taken once: by message, by conversation, and by sender within the window."""

import hashlib
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    DateTime,
    ForeignKey,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    literal,
    select,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import TypeEngine

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
from tenants.database.arrays import PackedList
from tenants.database.bulk import among
from tenants.database.portions import asked_once, do_later, is_portion
from tenants.errors import ConflictError

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
    """Decisions that count what was sent are made one after another in an organization.

    A portion has its turn already.
    """
    if is_portion():
        return
    hold_turn()


def hold_turn() -> None:
    """Have the turn of the organization until the transaction ends."""
    key = func.hashtextextended(f"responses|{current_organization_id()}", 0)
    db.session.execute(select(func.pg_advisory_xact_lock(key)))


@asked_once
def was_decided(message_id: UUID) -> bool:
    """Whether the rules have been asked about a message: once is all that counts."""
    return message_id in decided_among([message_id])


def decided_among(message_ids: Collection[UUID]) -> set[UUID]:
    """The same of some messages: those that were decided."""
    query = select(Event.message_id).where(among(Event.message_id, message_ids), Event.stage == STAGE)
    return set(db.session.scalars(query))


def take_window(message: Message, sender: str, lasting: timedelta, account_id: UUID | None = None) -> bool:
    """Take the window of a sender, if it is open; False if somebody was faster.

    ``account_id``: an account of which all mailboxes share one window. A portion knows that it is open.
    """
    moment = now()
    if is_portion():
        do_later(_take_windows, (message.mailbox_id, sender, moment + lasting))
        return account_id is None or _take_window_of_account(account_id, message, sender, moment + lasting)
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


def _take_windows(taken: list[tuple[UUID, str, datetime]]) -> None:
    """Those of a portion, by one statement; it fails where one was not open."""
    until = {(mailbox_id, sender): at for mailbox_id, sender, at in taken}
    columns = {
        "organization_id": literal(current_organization_id(), Uuid()),
        "id": _each([uuid7() for _ in until], Uuid()),
        "mailbox_id": _each([mailbox_id for mailbox_id, _ in until], Uuid()),
        "sender": _each([sender for _, sender in until], Text()),
        "next_allowed_at": _each(until.values(), DateTime()),
    }
    statement = insert(ResponseWindow).from_select(list(columns), select(*columns.values()))
    kept = db.session.execute(
        statement.on_conflict_do_update(
            index_elements=["organization_id", "mailbox_id", "sender"],
            set_={"next_allowed_at": statement.excluded.next_allowed_at},
            where=ResponseWindow.next_allowed_at <= now(),
        ).returning(ResponseWindow.id)
    ).all()
    if len(kept) < len(until):
        raise ConflictError("Somebody was faster.")


def _each(values: Iterable[Any], kind: TypeEngine[Any]) -> ColumnElement[Any]:
    return func.unnest(literal(list(values), PackedList(kind)))


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
