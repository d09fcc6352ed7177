"""Messages, where they lie on the server, what hangs on them and who has read them."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, select, text
from sqlalchemy.orm import Mapped, mapped_column

from mailboxes.system_mailboxes import Mailbox
from tenants.database import (
    INSTALLATION,
    Base,
    OrganizationScoped,
    PartScoped,
    db,
    is_one_of,
    now,
    owned_key,
    scoped_key,
)
from tenants.database.portions import is_in_portion

_SETTLED_AFTER = timedelta(minutes=10)  # deliveries under way may still commit messages with ids this old


class Message(PartScoped, Base):
    """One RFC 5322 message of a mailbox, in or out. Its identity is the stable hash.

    Whether it may make a record or get an automatic response is decided once, at delivery, and the
    reason is kept; ``work`` says whether that has been acted upon (pending, done, none). None, with a
    ``work_error``, is one that was given up (`mailboxes.given_up`).
    ``box`` is the kind of folder it is seen in: inbox, sent, drafts, spam, trash or other.
    ``addresses`` holds from, reply_to, to, cc and bcc as lists of {name, address}.
    ``facts`` is what the classifier saw (``mailboxes.classifying.Facts``).
    """

    __tablename__ = "messages"
    __table_args__ = (
        # A server may renumber and hand everything out again; the second copy stops here.
        UniqueConstraint("organization_id", "mailbox_id", "stable_hash"),
        scoped_key("mailbox_id", "mailboxes", ondelete="CASCADE"),
        scoped_key("thread_id", "threads"),
        owned_key("raw_id", "raws", owner="organization_id"),
        CheckConstraint("direction IN ('in', 'out')", name="direction"),
        CheckConstraint("work IN ('pending', 'done', 'none')", name="work"),
        Index("ix_messages_thread", "organization_id", "thread_id", "shown_at", "id"),
        Index("ix_messages_message_id", "organization_id", "mailbox_id", "message_id"),
        Index("ix_messages_work", "organization_id", "id", postgresql_where=text("work = 'pending'")),
        Index(
            "ix_messages_given_up",
            "organization_id",
            "arrived_at",
            "id",
            postgresql_where=text("work = 'none' AND work_error <> ''"),
        ),
        Index(
            "ix_messages_unread",
            "organization_id",
            "mailbox_id",
            "id",
            "thread_id",
            postgresql_where=text("direction = 'in' AND NOT is_read_by_all"),
        ),
        Index(
            "ix_messages_shadow",
            "organization_id",
            "mailbox_id",
            "id",
            postgresql_where=text("is_shadow"),
        ),
        Index(
            "ix_messages_unread_at",
            "organization_id",
            "mailbox_id",
            postgresql_where=text("unread_at IS NOT NULL"),
        ),
        Index("ix_messages_list", "organization_id", "mailbox_id", "shown_at", "id"),
        Index(
            "ix_messages_elsewhere",
            "organization_id",
            "mailbox_id",
            "box",
            "shown_at",
            "id",
            postgresql_where=text("box NOT IN ('inbox', 'sent')"),
        ),
        Index("ix_messages_sender", "organization_id", "sender_address", "shown_at"),
    )

    mailbox_id: Mapped[UUID]
    thread_id: Mapped[UUID]
    raw_id: Mapped[UUID | None]
    stable_hash: Mapped[bytes]
    direction: Mapped[str] = mapped_column(default="in")
    box: Mapped[str] = mapped_column(default="inbox")

    message_id: Mapped[str] = mapped_column(default="")  # the header, cut; never an identity
    in_reply_to: Mapped[str] = mapped_column(default="")
    references: Mapped[list[str]] = mapped_column(default=list)
    sent_at: Mapped[datetime | None] = mapped_column(default=None)  # the sender's claim
    received_at: Mapped[datetime | None] = mapped_column(default=None)  # the server's
    arrived_at: Mapped[datetime] = mapped_column(default=now)  # ours
    shown_at: Mapped[datetime] = mapped_column(default=now)  # received_at if sane, else arrived_at

    sender_name: Mapped[str] = mapped_column(default="")
    sender_address: Mapped[str] = mapped_column(default="")  # lower case
    addresses: Mapped[dict[str, Any]] = mapped_column(default=dict)
    subject: Mapped[str] = mapped_column(default="")
    teaser: Mapped[str] = mapped_column(default="")
    text: Mapped[str] = mapped_column(default="")
    reply_text: Mapped[str] = mapped_column(default="")  # empty where all of the text is the reply
    has_html: Mapped[bool] = mapped_column(default=False)
    language: Mapped[str | None] = mapped_column(default=None)
    size: Mapped[int] = mapped_column(default=0)
    attachment_count: Mapped[int] = mapped_column(default=0)
    defects: Mapped[list[str]] = mapped_column(default=list)

    facts: Mapped[dict[str, Any]] = mapped_column(default=dict)
    is_automatic: Mapped[bool] = mapped_column(default=False)
    automatic_reasons: Mapped[list[str]] = mapped_column(default=list)
    is_bounce: Mapped[bool] = mapped_column(default=False)
    is_from_new_sender: Mapped[bool] = mapped_column(default=False)  # joined without having taken part
    is_stub: Mapped[bool] = mapped_column(default=False)  # too large or unreadable; only the header

    is_opening: Mapped[bool] = mapped_column(default=False)  # the first of its thread at delivery
    may_convert: Mapped[bool] = mapped_column(default=False)
    conversion_reason: Mapped[str] = mapped_column(default="")
    may_respond: Mapped[bool] = mapped_column(default=False)
    response_reason: Mapped[str] = mapped_column(default="")
    is_shadow: Mapped[bool] = mapped_column(default=False)  # came in shadow: automation never touches it
    work: Mapped[str] = mapped_column(default="none")
    work_attempts: Mapped[int] = mapped_column(default=0)
    work_error: Mapped[str] = mapped_column(default="")
    work_after: Mapped[datetime] = mapped_column(default=now)

    is_read_by_all: Mapped[bool] = mapped_column(default=False)
    unread_at: Mapped[datetime | None] = mapped_column(default=None)  # marked so; the server is to be told
    is_answered_on_server: Mapped[bool] = mapped_column(default=False)
    removed_on_server_at: Mapped[datetime | None] = mapped_column(default=None)
    sent_by_id: Mapped[UUID | None] = mapped_column(default=None)  # the member, for a person's reply


class Location(PartScoped, Base):
    """A place where a message lies on the server: the delivery of one arrival."""

    __tablename__ = "locations"
    __table_args__ = (
        UniqueConstraint("organization_id", "arrival_id"),
        scoped_key("message_id", "messages", ondelete="CASCADE"),
        owned_key("arrival_id", "arrivals", owner="account_owner_id"),
        CheckConstraint(
            f"account_owner_id = organization_id OR account_owner_id = '{INSTALLATION}'::uuid",
            name="account_owner",
        ),
        Index("ix_locations_message_id", "organization_id", "message_id"),
    )

    message_id: Mapped[UUID]
    arrival_id: Mapped[UUID]
    account_owner_id: Mapped[UUID]
    folder_id: Mapped[UUID]  # that of its arrival, which has a key to it
    uid_validity: Mapped[int]
    uid: Mapped[int]
    box: Mapped[str] = mapped_column(default="inbox")
    flags: Mapped[list[str]] = mapped_column(default=list)
    vanished_at: Mapped[datetime | None] = mapped_column(default=None)


class Attachment(PartScoped, Base):
    """What hangs on a message; the content stays in the raw, at ``position``.

    ``is_inline``: the page of the message draws it. Everything else is offered beside the page, also what
    its sender calls inline: mail programs of phones call everything so.
    """

    __tablename__ = "attachments"
    __table_args__ = (
        UniqueConstraint("organization_id", "message_id", "position"),
        scoped_key("message_id", "messages", ondelete="CASCADE"),
    )

    message_id: Mapped[UUID]
    position: Mapped[int]
    filename: Mapped[str] = mapped_column(default="")
    content_type: Mapped[str] = mapped_column(default="application/octet-stream")
    size: Mapped[int] = mapped_column(default=0)
    content_id: Mapped[str] = mapped_column(default="")
    is_inline: Mapped[bool] = mapped_column(default=False)


class MessageRead(OrganizationScoped, Base):
    """A member has read a message."""

    __tablename__ = "message_reads"
    __table_args__ = (
        UniqueConstraint("organization_id", "message_id", "membership_id"),
        scoped_key("message_id", "messages", ondelete="CASCADE"),
        scoped_key("membership_id", "memberships", ondelete="CASCADE"),
        Index("ix_message_reads_membership", "organization_id", "membership_id", "message_id"),
        Index("ix_message_reads_read_at", "organization_id", "read_at"),
    )

    message_id: Mapped[UUID]
    membership_id: Mapped[UUID]
    read_at: Mapped[datetime] = mapped_column(default=now)


def settled_id() -> UUID:
    """No delivery commits a message with an id below this one any more (see `tenants.database.uuid7`)."""
    milliseconds = int((now() - _SETTLED_AFTER).timestamp() * 1000)
    return UUID(int=milliseconds << 80)


def mailbox_of(message: Message) -> Mailbox:
    """The mailbox a message is in."""
    return db.session.get_one(Mailbox, (message.organization_id, message.mailbox_id))


def wait_for_others(message: Message) -> None:
    """Whoever acts on the same message does so before or after us. The caller ends the transaction.

    Who waited may find it in another conversation: somebody split or joined. Messages of a portion are held.
    """
    if is_in_portion(message.id):
        return
    db.session.flush()
    db.session.refresh(message, ["thread_id"], with_for_update=True)


def hold_messages(*thread_ids: UUID) -> None:
    """Nobody acts on those of these conversations: what somebody makes of one just now is there before we go.

    The caller holds their mailbox.
    """
    messages = select(Message.id).where(is_one_of(Message.thread_id, thread_ids)).order_by(Message.id)
    db.session.execute(messages.with_for_update(key_share=True))
