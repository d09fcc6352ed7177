"""UIDs of the present epoch of a folder that are stored; the caller ends the transaction."""

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, func, literal_column, select, true, update

from mailboxes.accounts import EVERY_UID, Folder
from mailboxes.arrivals import Arrival, hold
from mailboxes.sync.plan import COMPARED_EVERY, Cursor
from mailboxes.uids import Uids
from tenants.database import db, now
from tenants.database.bulk import among

ROWS_AT_ONCE = 10_000


def stored_uids(
    folder: Folder, cursor: Cursor, *conditions: ColumnElement[bool], is_living: bool, below: int = EVERY_UID
) -> Uids:
    """UIDs that are stored, or that were; read in portions, for there may be a million."""
    uids = (
        select(Arrival.uid)
        .where(
            Arrival.folder_id == folder.id,
            Arrival.uid_validity == cursor.uid_validity,
            Arrival.uid < below,
            Arrival.vanished_at.is_(None) if is_living else Arrival.vanished_at.is_not(None),
            *conditions,
        )
        .order_by(Arrival.uid)
        .execution_options(yield_per=ROWS_AT_ONCE)
    )
    return Uids.ascending(db.session.scalars(uids))


def with_flags(folder: Folder, cursor: Cursor, *, below: int = EVERY_UID) -> Uids:
    """UIDs that are stored, and whose flags may be asked for."""
    return stored_uids(folder, cursor, _are_flags_told(cursor), is_living=True, below=below)


def newest_with_flags(folder: Folder, cursor: Cursor, count: int) -> list[int]:
    """The newest of them, descending."""
    return list(
        db.session.scalars(
            select(Arrival.uid)
            .where(
                Arrival.folder_id == folder.id,
                Arrival.uid_validity == cursor.uid_validity,
                Arrival.vanished_at.is_(None),
                _are_flags_told(cursor),
            )
            .order_by(Arrival.uid.desc())
            .limit(count)
        )
    )
