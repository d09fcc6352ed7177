"""Addresses whose messages came back: automatic responses leave them alone for a while."""

from datetime import datetime, timedelta

from sqlalchemy import UniqueConstraint, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from tenants.database import Base, OrganizationScoped, current_organization_id, db, now, uuid7

PAUSE = timedelta(days=30)
LONGEST_REASON = 500


class UndeliverableAddress(OrganizationScoped, Base):
    """An address that bounced: robots leave it alone until the time named."""

    __tablename__ = "undeliverable_addresses"
    __table_args__ = (UniqueConstraint("organization_id", "address"),)

    address: Mapped[str]
    until: Mapped[datetime]
    reason: Mapped[str] = mapped_column(default="")


def mark_undeliverable(address: str, reason: str) -> None:
    """Leave an address alone from now on, for `PAUSE`. Safe to call again."""
    values = {"until": now() + PAUSE, "reason": reason[:LONGEST_REASON]}
    statement = insert(UndeliverableAddress).values(
        id=uuid7(), organization_id=current_organization_id(), address=address.lower(), **values
    )
    db.session.execute(
        statement.on_conflict_do_update(index_elements=["organization_id", "address"], set_=values)
    )


def is_undeliverable(address: str) -> bool:
    """Whether messages to an address came back within the last weeks."""
    found = select(UndeliverableAddress.id).where(
        UndeliverableAddress.address == address.lower(), UndeliverableAddress.until > now()
    )
    return db.session.scalar(found) is not None
