"""A connection to an account at a provider, from the question to its end."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import CheckConstraint, Index
from sqlalchemy.orm import Mapped, mapped_column

from tenants import secrets
from tenants.database import Base, OptionallyScoped, now, owned_key

Secret = Literal["verifier", "access", "refresh"]


class OAuthConnection(OptionallyScoped, Base):
    """Somebody's permission to read and send from an account.

    asked (a browser is at the provider) → connected → ended (revoked or expired at the provider). Until it
    is saved with a mailbox it has no ``account_id`` and belongs to the session that asked. Its secrets are
    encrypted, each bound to this row.
    """

    __tablename__ = "oauth_connections"
    __table_args__ = (
        owned_key("account_id", "accounts", ondelete="CASCADE"),
        owned_key("for_account_id", "accounts", ondelete="CASCADE"),
        CheckConstraint("state IN ('asked', 'connected', 'ended')", name="state"),
        CheckConstraint("kind IN ('google', 'microsoft')", name="kind"),
        Index("uq_oauth_connections_account_id", "owner_id", "account_id", unique=True),
        Index("uq_oauth_connections_state_hash", "owner_id", "state_hash", unique=True),
    )

    account_id: Mapped[UUID | None] = mapped_column(default=None)
    kind: Mapped[str]
    state: Mapped[str] = mapped_column(default="asked")

    # The question: who asked, for what, and what proves that the answer belongs to it.
    session_hash: Mapped[bytes | None] = mapped_column(default=None)
    state_hash: Mapped[bytes | None] = mapped_column(default=None)
    verifier_secret: Mapped[bytes | None] = mapped_column(default=None)
    for_account_id: Mapped[UUID | None] = mapped_column(default=None)
    typed: Mapped[dict[str, Any]] = mapped_column(default=dict)  # the page as it was left, no passwords
    asked_at: Mapped[datetime] = mapped_column(default=now)

    # The permission.
    identity: Mapped[str] = mapped_column(default="")  # the account at the provider, as far as it says
    access_secret: Mapped[bytes | None] = mapped_column(default=None)
    refresh_secret: Mapped[bytes | None] = mapped_column(default=None)
    expires_at: Mapped[datetime | None] = mapped_column(default=None)  # of the access token
    refreshed_at: Mapped[datetime | None] = mapped_column(default=None)
    connected_at: Mapped[datetime | None] = mapped_column(default=None)
    connected_by: Mapped[str] = mapped_column(default="")

    # A provider that does not answer is left alone for a while.
    failure_count: Mapped[int] = mapped_column(default=0)
    next_attempt_at: Mapped[datetime] = mapped_column(default=now)

    def keep(self, name: Secret, value: str) -> None:
        """Store a secret, encrypted; an empty one is forgotten."""
        column = f"{name}_secret"
        blob = secrets.encrypt(value, table="oauth_connections", row=self.id, column=column)
        setattr(self, column, blob if value else None)

    def opened(self, name: Secret) -> str:
        """A secret in clear; empty if there is none. `UnreadableSecretError` if its key is gone."""
        column = f"{name}_secret"
        blob: bytes | None = getattr(self, column)
        return secrets.decrypt(blob, table="oauth_connections", row=self.id, column=column) if blob else ""
