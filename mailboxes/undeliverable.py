"""Addresses whose messages came back: automatic responses leave them alone for a while."""

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import UniqueConstraint, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from tenants.database import Base, OrganizationScoped, current_organization_id, db, now, uuid7
from tenants.database.bulk import among
from tenants.database.portions import asked_once

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
    return _came_back(address.lower())


def know_undeliverable(addresses: Collection[str]) -> None:
    """Ask `is_undeliverable` for a portion."""
    wanted = {address.lower() for address in addresses}
    found = _undeliverable_among(wanted)
    for address in wanted:
        _came_back.know(address in found, address)


@asked_once
def _came_back(address: str) -> bool:
    return address in _undeliverable_among([address])


def _undeliverable_among(addresses: Collection[str]) -> set[str]:
    query = select(UndeliverableAddress.address).where(
        among(UndeliverableAddress.address, addresses), UndeliverableAddress.until > now()
    )
    return set(db.session.scalars(query))
