"""The health of the whole installation beyond its figures: its past days, and folders that lack something.

For system administrators: addresses and folder names, never a message.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Integer, and_, cast, func, or_, select, text

from mailboxes.accounts import Account, Folder, is_in_trouble
from mailboxes.arrivals import Arrival
from mailboxes.global_mailboxes.table import GlobalMailbox
from mailboxes.health.explaining import DAYS_SHOWN, delay_by_hour, volume_by_day
from mailboxes.health.volume import hours_of_all
from mailboxes.system_mailboxes import Mailbox
from tenants.database import across_organizations, now
from tenants.organizations import Organization

MOST_SHOWN = 50
# As `ix_folders_missing` is written, without parameters: the page asks every few seconds.
LACKS = text("folders.audit #>> '{groups,missing}' <> '0'")
MISSING = cast(Folder.audit[("groups", "missing")].astext, Integer)


@dataclass(frozen=True, slots=True)
class LackingFolder:
    """A folder that is not read, or of which messages are missing. ``mailbox_id`` is that of its page."""

    name: str
    address: str
    organization_id: UUID | None
    organization: str
    mailbox_id: UUID | None
    missing: int
    audited_at: datetime | None
    error: str
    troubled_since: datetime | None


def lacking_folders() -> list[LackingFolder]:
    """Those with the most missing messages first, then those in trouble, at most `MOST_SHOWN`."""
    query = (
        select(Folder, MISSING.label("missing"), Account.address, Organization.name)
        .add_columns(func.coalesce(Mailbox.id, GlobalMailbox.id).label("mailbox_id"))
        .join(Account, and_(Account.owner_id == Folder.owner_id, Account.id == Folder.account_id))
        .outerjoin(Organization, Organization.id == Account.organization_id)
        .outerjoin(
            Mailbox,
            and_(Mailbox.organization_id == Account.organization_id, Mailbox.account_id == Account.id),
        )
        .outerjoin(GlobalMailbox, GlobalMailbox.account_id == Account.id)
        .where(or_(_lacks_messages(), is_in_trouble()))
        .order_by(func.coalesce(MISSING, 0).desc(), Folder.troubled_since, Folder.id)
        .limit(MOST_SHOWN)
    )
    with across_organizations("a system page lists folders that lack messages or are not read") as session:
        return [_lacking(row) for row in session.execute(query)]


def newest_at() -> datetime | None:
    """When the newest message came to any account."""
    with across_organizations("a system page says when the newest message came") as session:
        return session.scalar(select(Arrival.arrived_at).order_by(Arrival.id.desc()).limit(1))


def past_days(zone: Any) -> tuple[list[tuple[str, int, int]], list[tuple[str, float]]]:
    """Volume by day and mean delay by hour of all accounts together, as `explaining.Past` of one."""
    at = now()
    with across_organizations("a chart shows what came to all accounts together") as session:
        hours = hours_of_all(session, at - timedelta(days=DAYS_SHOWN))
    return volume_by_day(hours, at, zone), delay_by_hour(hours, at, zone)


def _lacks_messages() -> ColumnElement[bool]:
    """What is missing in a folder that is gone, or read no more, nobody can fetch."""
    return and_(
        LACKS,
        Folder.is_synced,
        Folder.gone_at.is_(None),
        Folder.left_at.is_(None),
    )


def _lacking(row: Any) -> LackingFolder:
    folder: Folder = row.Folder
    return LackingFolder(
        name=folder.name,
        address=row.address,
        organization_id=folder.organization_id,
        organization=row.name or "",
        mailbox_id=row.mailbox_id,
        missing=(row.missing or 0) if folder.gone_at is None else 0,
        audited_at=folder.audited_at,
        error=folder.last_error,
        troubled_since=folder.troubled_since,
    )
