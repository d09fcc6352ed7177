"""How far the first sync of accounts has come: what their folders say, for a row as for a page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from mailboxes.accounts import Account, Folder
from mailboxes.arrivals import Arrival
from mailboxes.connections import most_in_a_day
from tenants.database import db, is_one_of, now

SHARE_OF_HISTORY = 0.8  # of the bytes of a day; the rest is left to new mail
LATELY = 200  # messages of a folder, by which the size of those to come is estimated


@dataclass(frozen=True, slots=True)
class FirstSync:
    """Messages of the chosen history: ``total`` in all, ``left`` of them are to come.

    ``today``: bytes of history that may still be fetched today (UTC).
    """

    total: int
    left: int
    began_at: datetime | None
    today: float

    @property
    def waits(self) -> bool:
        """Whether as much history was fetched today as may be: it goes on after midnight (UTC)."""
        return self.today <= 0

    @property
    def done(self) -> int:
        """How many are here."""
        return self.total - self.left


def history_in_a_day() -> float:
    """Bytes of history that may be fetched from an account in a day, as the system says now."""
    return most_in_a_day() * SHARE_OF_HISTORY


def first_syncs(session: Session, account_ids: Sequence[UUID]) -> dict[UUID, FirstSync]:
    """Those that are under way, by account. What is not known yet is not counted."""
    left, total = func.sum(Folder.history_left), func.greatest(Folder.history_total, Folder.history_left)
    query = (
        select(Folder.account_id, func.sum(total), left, func.min(Folder.history_began_at))
        .add_columns(Account.fetched_on, Account.fetched_bytes)
        .join(Account, (Account.owner_id == Folder.owner_id) & (Account.id == Folder.account_id))
        .where(is_one_of(Folder.account_id, account_ids), Folder.is_synced, Folder.history_total > 0)
        .group_by(Folder.account_id, Account.fetched_on, Account.fetched_bytes)
        .having(left > 0)
    )
    most, today = history_in_a_day(), now().date()
    return {
        id: FirstSync(int(total), int(left), began_at, most - (fetched if day == today else 0))
        for id, total, left, began_at, day, fetched in session.execute(query)
    }


def history_bytes_left(account_id: UUID) -> float:
    """About how many bytes of history are to come: as large as what came last of each folder.

    The session is bound to the account's owner. Of a folder of which none came yet nothing is counted.
    """
    lately = (
        select(Arrival.size)
        .where(Arrival.folder_id == Folder.id, Arrival.uid_validity == Folder.uid_validity)
        .where(Arrival.uid >= Folder.history_uid, Arrival.state != "too_large")
        .order_by(Arrival.uid)
        .limit(LATELY)
        .correlate(Folder)
        .subquery()
    )
    mean = select(func.avg(lately.c.size)).scalar_subquery()
    query = select(func.sum(Folder.history_left * mean))
    of_account = (Folder.account_id == account_id, Folder.is_synced, Folder.history_left > 0)
    return float(db.session.scalar(query.where(*of_account)) or 0)
