"""UIDs of the present epoch of a folder that are stored; the caller ends the transaction."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime

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


@dataclass(frozen=True, slots=True)
class Alike:
    """Messages of a folder that the server received in the same second, of the same size."""

    received_at: datetime | None
    size: int
    count: int


def living(folder: Folder, *conditions: ColumnElement[bool]) -> Iterator[Alike]:
    """The messages that are here of a folder whose UIDs mean nothing, and were not taken for gone.

    One that was stored again with each renumbering is one message: it has as many rows as epochs. What was
    stored in the epochs of our own was not here before.
    """
    epoch = func.greatest(Arrival.uid_validity, literal_column("0"))
    look = Arrival.received_at, Arrival.size
    alike = (
        select(*look, epoch.label("epoch"), func.count().label("count"))
        .where(Arrival.folder_id == folder.id, Arrival.vanished_at.is_(None), *conditions)
        .group_by(*look, epoch)
        .subquery()
    )
    of_ours = func.coalesce(func.sum(alike.c.count).filter(alike.c.epoch == 0), 0)
    of_theirs = func.coalesce(func.max(alike.c.count).filter(alike.c.epoch > 0), 0)
    rows = db.session.execute(
        select(alike.c.received_at, alike.c.size, of_ours + of_theirs)
        .group_by(alike.c.received_at, alike.c.size)
        .execution_options(yield_per=ROWS_AT_ONCE)
    )
    for received_at, size, count in rows:
        yield Alike(received_at, size, int(count))


def note_untold(folder: Folder, cursor: Cursor, uids: Collection[int]) -> None:
    """The flags of these are asked for again after a day; the caller commits."""
    held = hold(
        Arrival.folder_id == folder.id,
        Arrival.uid_validity == cursor.uid_validity,
        among(Arrival.uid, uids),
    )
    db.session.execute(
        update(Arrival)
        .where(among(Arrival.id, held))
        .values(flags_untold_at=now())
        .execution_options(synchronize_session=False)
    )


def _are_flags_told(cursor: Cursor) -> ColumnElement[bool]:
    if cursor.compared_at is None:
        return true()  # somebody asks for everything
    return Arrival.flags_untold_at.is_(None) | (Arrival.flags_untold_at < now() - COMPARED_EVERY)
