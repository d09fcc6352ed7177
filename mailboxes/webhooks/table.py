"""What is kept of webhooks and their calls."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from tenants.database import Base, OrganizationScoped, PartScoped, now, scoped_key

MOST = 20  # webhooks of an organization
TEST = "webhook.test"
KINDS = {
    "message.received": "A message came in",
    "conversation.status_changed": "The status of a conversation changed",
    "conversation.assigned": "A conversation was assigned",
    "reply.sent": "A reply was sent",
    "automatic_response.sent": "An automatic response was sent",
    "lead.made": "A lead was made",
    "lead.changed": "A lead changed",
    "case.made": "A case was made",
    "case.changed": "A case changed",
    "case.commented": "Somebody commented on a case",
    "mailbox.failing": "A mailbox cannot be read, and people are told of it",
    "mailbox.recovered": "A mailbox works again",
}
KIND_NAMES = {**KINDS, TEST: "A test"}
WAITING, TOLD, FAILED = "waiting", "told", "failed"
STATES = {WAITING: "Waiting", TOLD: "Told", FAILED: "Failed"}
PERSON, GONE, FAILING = "person", "gone", "failing"


class Webhook(OrganizationScoped, Base):
    """An address that is told of what happens.

    ``paused_because``: somebody paused it, its receiver said it is gone, or it failed for a day. The secrets
    are encrypted; the former one signs too until ``former_until``. ``quiet_until``: after failures in a row
    nothing is tried before. ``told_at``: when administrators were told that it does not work.
    """

    __tablename__ = "webhooks"
    __table_args__ = (
        UniqueConstraint("organization_id", "name"),
        CheckConstraint("paused_because IN ('', 'person', 'gone', 'failing')", name="paused_because"),
    )

    name: Mapped[str]
    url: Mapped[str]
    kinds: Mapped[list[str]] = mapped_column(default=list)
    is_everywhere: Mapped[bool] = mapped_column(default=True)  # else of its `WebhookMailbox`es alone
    has_text: Mapped[bool] = mapped_column(default=False)
    paused_because: Mapped[str] = mapped_column(default="")
    secret: Mapped[bytes]
    former_secret: Mapped[bytes | None] = mapped_column(default=None)
    former_until: Mapped[datetime | None] = mapped_column(default=None)
    failure_count: Mapped[int] = mapped_column(default=0)  # in a row
    failing_since: Mapped[datetime | None] = mapped_column(default=None)
    quiet_until: Mapped[datetime | None] = mapped_column(default=None)
    told_at: Mapped[datetime | None] = mapped_column(default=None)
    made_at: Mapped[datetime] = mapped_column(default=now)

    @property
    def is_active(self) -> bool:
        """Whether it is told of what happens."""
        return not self.paused_because


class WebhookMailbox(OrganizationScoped, Base):
    """A mailbox of which a webhook is told, where it is not told of all."""

    __tablename__ = "webhook_mailboxes"
    __table_args__ = (
        UniqueConstraint("organization_id", "webhook_id", "mailbox_id"),
        scoped_key("webhook_id", "webhooks", ondelete="CASCADE"),
        scoped_key("mailbox_id", "mailboxes", ondelete="CASCADE"),
        Index("ix_webhook_mailboxes_mailbox_id", "organization_id", "mailbox_id"),
    )

    webhook_id: Mapped[UUID]
    mailbox_id: Mapped[UUID]


class WebhookCall(PartScoped, Base):
    """One event that one webhook is to be told; its id is the event's, whatever attempt tells it.

    ``details`` are ids and words of ours, never what people wrote. Whoever makes an attempt has moved
    ``next_attempt_at`` behind its end, and counted ``fence``: nobody else makes it meanwhile, and after a
    crash it is due again. What the last attempt came to: the ``status`` of the answer (none: there was none)
    and its first words, or what went wrong.
    """

    __tablename__ = "webhook_calls"
    __table_args__ = (
        scoped_key("webhook_id", "webhooks", ondelete="CASCADE"),
        scoped_key("mailbox_id", "mailboxes", ondelete="CASCADE"),
        CheckConstraint("state IN ('waiting', 'told', 'failed')", name="state"),
        Index("ix_webhook_calls_log", "organization_id", "webhook_id", "occurred_at", "id"),
        Index("ix_webhook_calls_mailbox_id", "organization_id", "mailbox_id"),
        Index(
            "ix_webhook_calls_due",
            "organization_id",
            "webhook_id",
            "next_attempt_at",
            postgresql_where=text("state = 'waiting'"),
        ),
        Index(
            "ix_webhook_calls_tests",
            "organization_id",
            "webhook_id",
            postgresql_where=text("state = 'waiting' AND kind = 'webhook.test'"),
        ),
    )

    webhook_id: Mapped[UUID]
    mailbox_id: Mapped[UUID | None] = mapped_column(default=None)
    kind: Mapped[str]
    details: Mapped[dict[str, Any]] = mapped_column(default=dict)
    occurred_at: Mapped[datetime] = mapped_column(default=now)
    state: Mapped[str] = mapped_column(default=WAITING)
    fence: Mapped[int] = mapped_column(default=0)
    attempts: Mapped[int] = mapped_column(default=0)
    next_attempt_at: Mapped[datetime] = mapped_column(default=now)
    give_up_at: Mapped[datetime]
    attempted_at: Mapped[datetime | None] = mapped_column(default=None)
    status: Mapped[int | None] = mapped_column(default=None)
    milliseconds: Mapped[int | None] = mapped_column(default=None)
    answer: Mapped[str] = mapped_column(default="")
    error: Mapped[str] = mapped_column(default="")

    @property
    def sequence(self) -> int:
        """Microseconds of the id (RFC 9562, section 5.7): what happened later has a larger number."""
        milliseconds, finer = self.id.int >> 80, (self.id.int >> 64) & 0xFFF
        return milliseconds * 1000 + finer * 1000 // 4096
