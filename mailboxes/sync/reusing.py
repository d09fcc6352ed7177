"""Servers that give a UID to another message, under the same UIDVALIDITY (F6).

They may not (RFC 9051 §2.3.1.1), but a mailbox that was emptied and filled anew, or restored, does it. What
was stored under such a UID moves out of the way, and the other message is fetched like any that was missing.
"""

import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import select, update

from mailboxes.accounts import Folder
from mailboxes.arrivals import Arrival
from mailboxes.imap import MessageDetails
from mailboxes.sync import leases
from mailboxes.sync.arriving import Advance, Lane, Prepared, arrive, prepared
from mailboxes.sync.following import follow_removals
from mailboxes.sync.history import history_lane
from mailboxes.sync.plan import Cursor
from mailboxes.sync.running import Pass, portions, validity_of
from mailboxes.uids import Uids
from tenants.bulk import among
from tenants.database import db, now

FIRST_SUSPECTS = 20


def replace_reused(
    run: Pass, folder: Folder, cursor: Cursor, returned: Collection[int], suspects: Uids
) -> set[int]:
    """Store what lies under UIDs that another message had; of ``returned``, those that are the same.

    Messages that were gone and are there again are compared by content, the other suspects by size and date.
    """
    others = _differing(run, folder, cursor, suspects)
    lane = _lane(run, folder, cursor)
    same: set[int] = set()
    for portion in portions(sorted({*returned, *others})):
        known = {row.uid: row.sha256 for row in _stored(folder, cursor, portion)}
        for batch in prepared(run.imap.fetch_messages(portion)):
            fresh = [item for item in batch if _digest(item) != known.get(item.message.uid)]
            same |= {item.message.uid for item in batch} - {item.message.uid for item in fresh}
            if fresh:
                make_room(run, folder, cursor, [item.message.uid for item in fresh])
                run.report.new_count += arrive(run.account, folder, run.fence, lane, fresh, Advance())
    return same & set(returned)


def make_room(run: Pass, folder: Folder, cursor: Cursor, uids: Collection[int]) -> None:
    """Mark what was stored under these UIDs as gone, and keep it under a number that no server has."""
    validity = validity_of(cursor)
    follow_removals(run.account, folder, run.fence, validity, uids, now())
    leases.demand(run.account.id, run.fence)
    db.session.execute(
        update(Arrival)
        .where(Arrival.folder_id == folder.id, Arrival.uid_validity == validity, among(Arrival.uid, uids))
        .values(uid_validity=time.time_ns() // 1_000_000)
        .execution_options(synchronize_session=False)
    )
    db.session.commit()


def _digest(item: Prepared) -> bytes:
    return item.packed.sha256 if item.is_whole and item.packed else b""


def _differing(run: Pass, folder: Folder, cursor: Cursor, suspects: Uids) -> set[int]:
    """Those whose date or size is not what it was.

    UIDs are given in ascending order, so that where the newest are the same, so are all: a server that
    only counts its next UID from the newest message that is left costs no look at a whole folder.
    """
    newest = suspects.newest(FIRST_SUSPECTS)
    others = _differing_among(run, folder, cursor, newest)
    return others | _differing_among(run, folder, cursor, suspects - set(newest)) if others else set()


def _differing_among(run: Pass, folder: Folder, cursor: Cursor, suspects: Collection[int]) -> set[int]:
    if not suspects:
        return set()
    told = run.imap.fetch_details(sorted(suspects))
    stored = {row.uid: row for row in _stored(folder, cursor, suspects)}
    return {uid for uid, found in told.items() if uid in stored and _is_another(found, stored[uid])}


def _is_another(told: MessageDetails, stored: Any) -> bool:
    if told.received_at is not None and stored.received_at is not None:
        return bool(told.received_at != stored.received_at)
    return bool(told.size >= 0 and told.size != stored.size)


def _stored(folder: Folder, cursor: Cursor, uids: Collection[int]) -> Sequence[Any]:
    rows = db.session.execute(
        select(Arrival.uid, Arrival.sha256, Arrival.size, Arrival.received_at).where(
            Arrival.folder_id == folder.id,
            Arrival.uid_validity == cursor.uid_validity,
            among(Arrival.uid, uids),
        )
    ).all()
    db.session.commit()
    return rows


def _lane(run: Pass, folder: Folder, cursor: Cursor) -> Lane:
    """All of these UIDs were another message's: only when it came in says whether one is new."""
    return replace(history_lane(run, folder, cursor), history_through=cursor.last_uid)
