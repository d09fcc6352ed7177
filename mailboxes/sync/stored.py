"""UIDs of the present epoch of a folder that are stored; the caller ends the transaction."""

from sqlalchemy import select

from mailboxes.accounts import EVERY_UID, Folder
from mailboxes.arrivals import Arrival
from mailboxes.sync.plan import Cursor
from mailboxes.uids import Uids
from tenants.database import db

ROWS_AT_ONCE = 10_000


def stored_uids(folder: Folder, cursor: Cursor, *, is_living: bool, below: int = EVERY_UID) -> Uids:
    """UIDs that are stored, or that were; read in portions, for there may be a million."""
    uids = (
        select(Arrival.uid)
        .where(
            Arrival.folder_id == folder.id,
            Arrival.uid_validity == cursor.uid_validity,
            Arrival.uid < below,
            Arrival.vanished_at.is_(None) if is_living else Arrival.vanished_at.is_not(None),
        )
        .order_by(Arrival.uid)
        .execution_options(yield_per=ROWS_AT_ONCE)
    )
    return Uids.ascending(db.session.scalars(uids))


def newest_stored(folder: Folder, cursor: Cursor, count: int) -> list[int]:
    """The newest that are stored, descending."""
    return list(
        db.session.scalars(
            select(Arrival.uid)
            .where(
                Arrival.folder_id == folder.id,
                Arrival.uid_validity == cursor.uid_validity,
                Arrival.vanished_at.is_(None),
            )
            .order_by(Arrival.uid.desc())
            .limit(count)
        )
    )
