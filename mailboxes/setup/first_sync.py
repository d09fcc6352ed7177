"""How far the first sync of accounts has come: what their folders say, for a row as for a page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from mailboxes.accounts import Account, Folder
from mailboxes.connections import most_in_a_day
from tenants.database import is_one_of, now

SHARE_OF_HISTORY = 0.8  # of the bytes of a day; the rest is left to new mail


@dataclass(frozen=True, slots=True)
class FirstSync:
    """Messages of the chosen history: ``total`` in all, ``left`` of them are to come.

    ``waits``: as much history was fetched today as may be, and it goes on after midnight (UTC).
    """

    total: int
    left: int
    began_at: datetime | None
    waits: bool

    @property
    def done(self) -> int:
        """How many are here."""
        return self.total - self.left


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
    most, today = most_in_a_day() * SHARE_OF_HISTORY, now().date()
    return {
        id: FirstSync(int(total), int(left), began_at, waits=day == today and fetched >= most)
        for id, total, left, began_at, day, fetched in session.execute(query)
    }
