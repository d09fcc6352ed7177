"""The folders of an account as the server lists them, kept as rows; a folder is never forgotten."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Select, case, select, update

from mailboxes.accounts import Account, Folder
from mailboxes.imap import FolderListing
from mailboxes.sync import leases
from mailboxes.sync.plan import Cursor
from tenants.database import db, now

OTHER = "other"
VISITED = {"inbox": 0, "sent": 1, "other": 2, "archive": 3, "drafts": 4, "trash": 4, "junk": 4}


def refresh_folders(account: Account, fence: int, listed: Sequence[FolderListing]) -> None:
    """Note new, changed and vanished folders, and commit. What is synced stays a person's choice.

    An empty list is a server's slip, not the end of all folders.
    """
    if not listed:
        return
    leases.demand(account.id, fence)
    known = {folder.name_raw: folder for folder in db.session.scalars(_folders_of(account))}
    for listing in listed:
        folder = known.pop(listing.name_raw, None)
        if folder is None:
            db.session.add(_new_folder(account, listing))
        else:
            _update(folder, listing)
    for folder in known.values():
        folder.gone_at = folder.gone_at or now()
        folder.last_error = folder.last_error or "The folder is no longer on the server."
    db.session.commit()


def synced_folders(account: Account) -> list[Folder]:
    """Folders to visit, the inbox first: where a message lies in several, that one counts."""
    query = (
        _folders_of(account)
        .where(Folder.is_synced, Folder.is_selectable, Folder.gone_at.is_(None))
        .order_by(
            case(
                {"inbox": 0, "sent": 1, "other": 2, "archive": 3, "all": 5}, value=Folder.special_use, else_=4
            ),
            Folder.name,
        )
    )
    return list(db.session.scalars(query.execution_options(populate_existing=True)))


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
            Folder.compared_at,
        ).where(Folder.id == folder.id)
    ).one()
    cursor = Cursor(
        uid_validity=row.uid_validity,
        last_uid=row.last_uid,
        mod_seq=row.mod_seq,
        renumberings=row.changed_validity_count,
        server_count=row.server_count,
        compared_at=row.compared_at,
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
    db.session.execute(
        update(Folder)
        .where(Folder.id == folder.id)
        .values(**values)
        .execution_options(synchronize_session=False)
    )


def _folders_of(account: Account) -> Select[Folder]:
    return select(Folder).where(Folder.account_id == account.id)


def _new_folder(account: Account, listing: FolderListing) -> Folder:
    return Folder(
        organization_id=account.organization_id,
        account_id=account.id,
        name_raw=listing.name_raw,
        name=listing.name,
        delimiter=listing.delimiter,
        special_use=listing.special_use or OTHER,
        is_selectable=listing.is_selectable,
    )


def _update(folder: Folder, listing: FolderListing) -> None:
    folder.name, folder.delimiter = listing.name, listing.delimiter
    folder.is_selectable = listing.is_selectable
    if listing.special_use is not None:
        folder.special_use = listing.special_use
    if folder.gone_at is not None:
        folder.gone_at, folder.last_error = None, ""
