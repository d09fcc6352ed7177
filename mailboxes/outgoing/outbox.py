"""The outbox: what is to be sent, was sent, or may have been (reliability §3.4)."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    Index,
    Select,
    UniqueConstraint,
    exists,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from mailboxes.at_most_once import Leaving
from mailboxes.messages import Location
from mailboxes.system_mailboxes import Mailbox
from tenants.database import Base, OrganizationScoped, across_organizations, db, now, scoped_key
from tenants.organizations import Organization

AUTOMATIC, REPLY = "automatic", "reply"
STOPPED = "Sending is stopped: "  # how the last error of a mailbox that cannot sign in begins


class Outgoing(OrganizationScoped, Leaving, Base):
    """The outbox (reliability §3.4). Message-ID, bytes and recipients are frozen at ``ready``.

    ``state``: ready → claimed → committing → sent, failed (permanently) or unknown; cancelled when a
    person took it back in time. ``copy_state`` is about the copy in the Sent folder: pending, done,
    skipped or failed; it never causes another sending.
    """

    __tablename__ = "outgoing"
    __table_args__ = (
        UniqueConstraint("organization_id", "header_id"),
        scoped_key("mailbox_id", "mailboxes"),
        scoped_key("message_id", "messages", ondelete="CASCADE"),
        scoped_key("trigger_id", "messages", ondelete="SET NULL (trigger_id)"),
        CheckConstraint("kind IN ('automatic', 'reply')", name="kind"),
        CheckConstraint(
            "state IN ('ready', 'claimed', 'committing', 'sent', 'failed', 'unknown', 'cancelled')",
            name="state",
        ),
        CheckConstraint("copy_state IN ('pending', 'done', 'skipped', 'failed')", name="copy_state"),
        Index(
            "ix_outgoing_pending",
            "next_attempt_at",
            postgresql_where=text("state IN ('ready', 'claimed', 'committing')"),
        ),
        Index("ix_outgoing_copy", "organization_id", postgresql_where=text("copy_state = 'pending'")),
    )

    mailbox_id: Mapped[UUID]
    message_id: Mapped[UUID]  # our own message, with its raw
    trigger_id: Mapped[UUID | None] = mapped_column(default=None)  # what it answers
    kind: Mapped[str]
    header_id: Mapped[str]  # its Message-ID
    envelope_sender: Mapped[str] = mapped_column(default="")  # empty: <>
    recipients: Mapped[list[str]] = mapped_column(default=list)
    created_by_id: Mapped[UUID | None] = mapped_column(default=None)
    created_at: Mapped[datetime] = mapped_column(default=now)
    sent_at: Mapped[datetime | None] = mapped_column(default=None)
    copy_state: Mapped[str] = mapped_column(default="pending")
    copy_attempts: Mapped[int] = mapped_column(default=0)
    copy_after: Mapped[datetime] = mapped_column(default=now)


def outbox_of(mailbox: Mailbox) -> Select[Outgoing]:
    """What a mailbox has to send or has sent, newest first."""
    return select(Outgoing).where(Outgoing.mailbox_id == mailbox.id).order_by(Outgoing.id.desc())


def sending_stop(mailbox: Mailbox) -> str:
    """Why a mailbox sends nothing until a person changes its settings; "" if it sends."""
    stopped = select(Outgoing.last_error).where(
        Outgoing.mailbox_id == mailbox.id,
        Outgoing.state == "ready",
        Outgoing.last_error.startswith(STOPPED),
    )
    return db.session.scalar(stopped.limit(1)) or ""


def due_copies() -> Select[Outgoing]:
    """Sent messages whose copy is still to be filed."""
    return (
        select(Outgoing)
        .where(Outgoing.state == "sent", Outgoing.copy_state == "pending", Outgoing.copy_after <= now())
        .order_by(Outgoing.copy_after, Outgoing.id)
    )


def doubtful_but_seen() -> Select[Outgoing]:
    """Messages whose fate was unknown, and whose copy has turned up on the server."""
    return select(Outgoing).where(Outgoing.state == "unknown", _is_on_server())


def resume_sending_for(account_id: UUID) -> None:
    """An account is let in again: what waits in its mailboxes, wherever they are, is tried now; commits."""
    with across_organizations(
        "an account that was connected again may send for several organizations"
    ) as session:
        session.execute(
            update(Outgoing)
            .where(
                Outgoing.mailbox_id.in_(select(Mailbox.id).where(Mailbox.account_id == account_id)),
                Outgoing.state == "ready",
                Outgoing.last_error != "",
            )
            .values(next_attempt_at=now(), last_error="")
            .execution_options(synchronize_session=False)
        )
        session.commit()


def organizations_with_due_mail() -> list[UUID]:
    """Enabled organizations whose outbox has something to do now, for the sweep."""
    moment = now()
    is_due = or_(
        (Outgoing.state == "ready") & (Outgoing.next_attempt_at <= moment),
        Outgoing.state.in_(("claimed", "committing")) & (Outgoing.claim_expires_at <= moment),
        (Outgoing.state == "sent") & (Outgoing.copy_state == "pending") & (Outgoing.copy_after <= moment),
        (Outgoing.state == "unknown") & _is_on_server(),
    )
    with across_organizations("the sweep rings for every organization with mail to send") as session:
        query = select(Outgoing.organization_id).where(is_due, Organization.is_enabled)
        query = query.join(Organization, Organization.id == Outgoing.organization_id)
        return list(session.scalars(query.distinct()))


def _is_on_server() -> ColumnElement[bool]:
    return exists().where(
        Location.organization_id == Outgoing.organization_id,
        Location.message_id == Outgoing.message_id,
        Location.vanished_at.is_(None),
    )
