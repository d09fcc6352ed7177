"""Somebody is at the identity provider, or back and about to prove who they are here."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from tenants.database import Base, now, uuid7


class ProviderRequest(Base):
    """A browser was sent to the provider: for whom it may come back, and once.

    ``for_user_id``: somebody who is signed in and links their account. ``invited_address``: whom an
    invitation that was open names, who may be new here. After the answer ``state_hash`` is empty; with
    ``user_id`` the account there waits for the password of that person, and is theirs then.
    """

    __tablename__ = "provider_requests"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    state_hash: Mapped[bytes | None] = mapped_column(unique=True)
    browser_hash: Mapped[bytes]
    issuer: Mapped[str]
    for_user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), default=None)
    invited_address: Mapped[str] = mapped_column(default="")
    made_at: Mapped[datetime] = mapped_column(default=now)

    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), default=None)
    subject: Mapped[str] = mapped_column(default="")
    address: Mapped[str] = mapped_column(default="")
