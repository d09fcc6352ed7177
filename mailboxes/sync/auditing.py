"""The gap audit of a folder within a pass, daily and on demand, and the ways to ask for what is missing."""

from array import array
from collections import defaultdict
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update

from mailboxes.accounts import Folder
from mailboxes.arrivals import Arrival
from mailboxes.sync import leases
from mailboxes.sync.folders import cursor_of, keep_cursor
from mailboxes.sync.gaps import gaps
from mailboxes.sync.plan import Cursor
from mailboxes.sync.refetching import hurry
from mailboxes.sync.running import Pass
from mailboxes.uids import Uids
from tenants.database import db, now
from tenants.database.bulk import among

NO_MESSAGES = "It holds other folders and no messages."
RENUMBERED = "Its server renumbers it again and again: its messages are known by their content."


def ask_for_audit(account_id: UUID, *, fetches: bool = False) -> None:
    """Audit every folder that can be with the next pass, which is due at once; ``fetches`` what is missing
    first, also of those that are known by content.

    The session is bound to the account's owner; the caller commits.
    """
    query = select(Folder).where(Folder.account_id == account_id, Folder.is_synced, Folder.gone_at.is_(None))
    folders = db.session.scalars(query.execution_options(populate_existing=True)).all()
    audited = [folder for folder in folders if not why_never_audited(folder)]
    _write(audited, audit_wanted_at=now(), left_alone_until=None)
    if fetches:
        _write(folders, compared_at=None, left_alone_until=None)
    hurry([account_id])


def why_never_audited(folder: Folder) -> str:
    """Why a folder is not compared message by message, in a sentence; "" if it is."""
    if not folder.is_selectable:
        return NO_MESSAGES
    cursor = Cursor(uid_validity=folder.uid_validity, renumberings=folder.changed_validity_count)
    return RENUMBERED if cursor.is_distrusted else ""


def is_audit_wanted(folder: Folder) -> bool:
    """Whether somebody has asked since the last one."""
    wanted, audited = folder.audit_wanted_at, folder.audited_at
    return wanted is not None and (audited is None or audited < wanted)


def audit(run: Pass, folder: Folder, there: Uids) -> None:
    """Set the UIDs that the server has against what is stored of them, and keep the figures; commits."""
    cursor = cursor_of(folder)
    living, gone = _known(folder, cursor)
    db.session.commit()
    found = gaps(there, living, gone, cursor)
    leases.demand(run.account.id, run.fence)
    keep_cursor(folder, audit=found.as_json(), audited_at=func.clock_timestamp())
    db.session.commit()


def _write(folders: Sequence[Folder], **values: Any) -> None:
    db.session.execute(
        update(Folder)
        .where(among(Folder.id, [folder.id for folder in folders]))
        .values(**values)
        .execution_options(synchronize_session=False)
    )


def _known(folder: Folder, cursor: Cursor) -> tuple[dict[str, Uids], Uids]:
    """UIDs of this epoch by the state of their arrivals, and those that vanished; read in portions."""
    living: dict[str, array[int]] = defaultdict(lambda: array("q"))
    gone = array("q")
    rows = db.session.execute(
        select(Arrival.uid, Arrival.state, Arrival.vanished_at.is_(None))
        .where(Arrival.folder_id == folder.id, Arrival.uid_validity == cursor.uid_validity)
        .order_by(Arrival.uid)
        .execution_options(yield_per=10_000)
    )
    for uid, state, is_living in rows:
        (living[state] if is_living else gone).append(uid)
    return {state: Uids.ascending(uids) for state, uids in living.items()}, Uids.ascending(gone)
