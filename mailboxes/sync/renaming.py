"""A folder that is gone may have another name now: a new one with its UIDVALIDITY is suggested (F38).

Never more than that: servers give folders that are made in the same second the same number (F3). Where
somebody says so, the folder is read under its new name, from where it stopped.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, delete, select, update
from sqlalchemy.orm import aliased

from mailboxes.accounts import Account, Folder, folders_of
from mailboxes.sync import leases
from mailboxes.sync.folders import keep_cursor
from mailboxes.sync.leaving import OF_A_FOLDER
from mailboxes.sync.running import Pass
from tenants.audit import Actor, record, record_for_system
from tenants.database import db, now
from tenants.errors import ConflictError

MOST_ASKED = 20  # new folders, in one pass
AT_THAT_TIME = timedelta(hours=1)  # a folder that was new so long before another was gone may be that one
NO_VALIDITY = 0
ASKED_IN_VAIN = -1  # once: it is asked once more, for it may have been the connection's failure


@dataclass(frozen=True, slots=True)
class NewName:
    """A folder that is gone, and the new one that looks like it."""

    folder_id: UUID
    name: str


def look_for_new_names(run: Pass) -> None:
    """Ask folders that are new for their UIDVALIDITY, where one that is read is gone; commits.

    None is asked again, whatever it says; only where the conversation failed, once more in a later pass. For
    the end of a pass: one may end the connection, and then the others are asked in the next pass.
    """
    gone_at = db.session.scalar(
        folders_of(run.account)
        .with_only_columns(Folder.gone_at)
        .where(_is_gone(Folder))
        .order_by(Folder.gone_at)
        .limit(1)
    )
    unknown: Sequence[Folder] = []
    if gone_at is not None:
        is_unknown = Folder.listed_validity.is_(None) | (Folder.listed_validity == ASKED_IN_VAIN)
        query = folders_of(run.account).where(_is_new(Folder, gone_at), is_unknown)
        in_turn = query.order_by(Folder.listed_validity.desc().nulls_first(), Folder.id.desc())
        unknown = db.session.scalars(in_turn.limit(MOST_ASKED)).all()
    db.session.commit()
    for folder in unknown:
        if not run.imap.is_open:
            break
        _ask(run, folder)


def new_names(account: Account) -> dict[UUID, NewName]:
    """What each folder that is gone may be called now, by its id."""
    gone, new = Folder, aliased(Folder)
    query = (
        select(gone.id, gone.gone_at, new.id.label("new_id"), new.name)
        .join(new, and_(new.account_id == gone.account_id, new.owner_id == gone.owner_id))
        .where(gone.account_id == account.id, gone.left_at.is_(None), new.left_at.is_(None), _is_gone(gone))
        .where(_is_free(new), new.listed_validity == gone.uid_validity)
        .order_by(new.id)
    )
    rows = db.session.execute(query).all()
    return {row.id: NewName(row.new_id, row.name) for row in rows if row.new_id >= _made_at(row.gone_at)}


def read_instead(account: Account, folder_id: UUID, *, by: Actor, label: str) -> str:
    """Read a folder that is gone under the name that was found for it; that name. The caller commits.

    The rows of both are one from now on. `ConflictError` if the suggestion holds no longer.
    """
    found = new_names(account).get(folder_id)
    query: Select[Any] = select(Folder).where(Folder.id.in_([folder_id, found and found.folder_id]))
    rows = {row.id: row for row in db.session.scalars(query.with_for_update())}
    if found is None or len(rows) < 2:  # both are there
        raise ConflictError("This folder has no new name any more. Look at the folders again.")
    gone, new = rows[folder_id], rows[found.folder_id]
    names = {name: getattr(new, name) for name in ("name_raw", "name", "delimiter", "is_selectable")}
    former = gone.name
    db.session.execute(delete(Folder).where(Folder.id == new.id))
    db.session.execute(update(Folder).where(Folder.id == gone.id).values(**names, gone_at=None))
    account.next_attempt_at = now()
    note = record_for_system if account.organization_id is None else record
    note(by, "mailbox.folder_renamed", label, {"folder": former}, {"folder": found.name})
    return found.name


def _ask(run: Pass, folder: Folder) -> None:
    try:
        validity = run.imap.status(folder.name_raw).uid_validity or NO_VALIDITY
    except OF_A_FOLDER as error:
        is_first = folder.listed_validity is None
        validity = ASKED_IN_VAIN if is_first and error.needs_reconnect else NO_VALIDITY
    leases.demand(run.account.id, run.fence)
    keep_cursor(folder, listed_validity=validity)
    db.session.commit()


def _is_gone(folder: type[Folder]) -> ColumnElement[bool]:
    return and_(folder.is_synced, folder.gone_at.is_not(None), folder.uid_validity.is_not(None))


def _is_free(folder: type[Folder]) -> ColumnElement[bool]:
    """Whether nothing was ever read in a folder that could be read."""
    return and_(
        folder.is_synced.is_(False),
        folder.is_selectable,
        folder.gone_at.is_(None),
        folder.uid_validity.is_(None),
    )


def _is_new(folder: type[Folder], gone_at: datetime) -> ColumnElement[bool]:
    return and_(_is_free(folder), folder.id >= _made_at(gone_at))


def _made_at(gone_at: datetime) -> UUID:
    """The least id of what was made about then: ids begin with the time (`tenants.database.uuid7`)."""
    milliseconds = int((gone_at - AT_THAT_TIME).timestamp() * 1000)
    return UUID(int=milliseconds << 80)
