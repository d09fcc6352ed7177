"""The folders of an account as the server lists them, kept as rows; a folder is never forgotten."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select, update

from mailboxes.accounts import Account, Folder, folders_of
from mailboxes.imap import FolderListing
from mailboxes.sync import leases
from mailboxes.sync.plan import Cursor
from mailboxes.sync.turns import in_turn
from tenants.database import db, now
from tenants.database.bulk import among, insert_rows

OTHER = "other"
GONE = "The folder is no longer on the server."
NO_MESSAGES = "The folder holds no messages any more: the server has it as a level above others only."


def refresh_folders(account: Account, fence: int, listed: Sequence[FolderListing]) -> None:
    """Note new, changed and vanished folders, and commit. What is synced stays a person's choice.

    An empty list is a server's slip, not the end of all folders.
    """
    if not listed:
        return
    leases.demand(account.id, fence)
    known = {row.name_raw: row for row in db.session.execute(_known(account))}
    insert_rows(
        Folder, [_new_folder(account, listing) for listing in listed if listing.name_raw not in known]
    )
    for listing in listed:
        row = known.pop(listing.name_raw, None)
        if row is not None and (changed := _changes(row, listing)):
            _write([row.id], changed)
    _write([row.id for row in known.values() if row.gone_at is None], {"gone_at": now(), "last_error": GONE})
    db.session.commit()


def synced_folders(account: Account) -> list[Folder]:
    """Folders to visit, each in its turn."""
    query = folders_of(account).where(Folder.is_synced, Folder.is_selectable, Folder.gone_at.is_(None))
    return in_turn(db.session.scalars(query.execution_options(populate_existing=True)))


def is_any_chosen(account: Account) -> bool:
    """Whether any folder is to be read, be it there or not."""
    return db.session.scalar(select(folders_of(account).where(Folder.is_synced).exists())) or False


def cursor_of(folder: Folder) -> Cursor:
    """What is committed of a folder now."""
    row = db.session.execute(
        select(
            Folder.uid_validity,
            Folder.last_uid,
            Folder.mod_seq,
            Folder.first_uid,
            Folder.history_uid,
            Folder.history_floor,
            Folder.changed_validity_count,
            Folder.server_count,
            Folder.uid_next,
            Folder.compared_at,
            Folder.flags_uid,
            Folder.changes_untold_at,
            Folder.reread_count,
            Folder.reread_met,
            Folder.new_since,
            Folder.chosen_uid,
            Folder.chosen_validity,
        ).where(Folder.id == folder.id)
    ).one()
    return cursor_from(row)


def cursor_from(row: Any) -> Cursor:
    """What is committed of a folder, as its row was read."""
    cursor = Cursor(
        uid_validity=row.uid_validity,
        last_uid=row.last_uid,
        mod_seq=row.mod_seq,
        renumberings=row.changed_validity_count,
        server_count=row.server_count,
        uid_next=row.uid_next,
        compared_at=row.compared_at,
        flags_uid=row.flags_uid,
        untold_at=row.changes_untold_at,
        reread_count=row.reread_count,
        reread_met={int(look): count for look, count in row.reread_met.items()},
        new_since=row.new_since,
        chosen_uid=row.chosen_uid,
        chosen_validity=row.chosen_validity,
    )
    if row.first_uid is None:
        return cursor
    return replace(
        cursor,
        first_uid=row.first_uid,
        history_uid=row.first_uid + 1 if row.history_uid is None else row.history_uid,
        history_floor=row.history_floor or 0,
    )


def keep_cursor(folder: Folder, **values: Any) -> None:
    """Write columns of a folder; the caller commits."""
    _write([folder.id], values)


def _known(account: Account) -> Select[UUID, bytes, str, str | None, bool, str, datetime | None, str, bool]:
    return select(
        Folder.id,
        Folder.name_raw,
        Folder.name,
        Folder.delimiter,
        Folder.is_selectable,
        Folder.special_use,
        Folder.gone_at,
        Folder.last_error,
        Folder.is_synced,
    ).where(Folder.account_id == account.id, Folder.left_at.is_(None))


def _new_folder(account: Account, listing: FolderListing) -> dict[str, Any]:
    return {
        "account_id": account.id,
        "name_raw": listing.name_raw,
        "name": listing.name,
        "delimiter": listing.delimiter,
        "special_use": listing.special_use or OTHER,
        "is_selectable": listing.is_selectable,
    }


def _changes(row: Any, listing: FolderListing) -> dict[str, Any]:
    """What the server now says otherwise about a folder; there are accounts with thousands of them."""
    told: dict[str, Any] = {
        "name": listing.name,
        "delimiter": listing.delimiter,
        "is_selectable": listing.is_selectable,
        "special_use": listing.special_use or row.special_use,
        "gone_at": None,
        "last_error": _error_after(row, listing),
    }
    return {name: value for name, value in told.items() if getattr(row, name) != value}


def _error_after(row: Any, listing: FolderListing) -> str:
    """What is wrong with a folder that is listed: that it is well again, only a visit can tell."""
    if not listing.is_selectable and (row.is_selectable or row.gone_at is not None):
        return NO_MESSAGES
    if row.gone_at is not None and not row.is_synced:
        return ""
    return str(row.last_error)


def _write(folder_ids: list[UUID], values: dict[str, Any]) -> None:
    if not folder_ids:
        return
    if "last_error" in values:
        is_well = values["last_error"] == ""
        values = values | {"troubled_since": None if is_well else func.coalesce(Folder.troubled_since, now())}
    db.session.execute(
        update(Folder)
        .where(among(Folder.id, folder_ids))
        .values(**values)
        .execution_options(synchronize_session=False)
    )
