"""Servers that give a UID to another message, under the same UIDVALIDITY (F6).

They may not (RFC 9051 §2.3.1.1), but a mailbox that was emptied and filled anew, or restored, does it. What
was stored under such a UID moves out of the way, and the other message is fetched like any that was missing.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from heapq import merge
from typing import Any

from sqlalchemy import func, select, update

from mailboxes.accounts import Folder
from mailboxes.arrivals import Arrival, hold
from mailboxes.imap import MessageDetails
from mailboxes.sync import leases
from mailboxes.sync.arriving import Advance, Lane, Prepared, arrive, prepared
from mailboxes.sync.folders import keep_cursor
from mailboxes.sync.following import PLACES_AT_ONCE, follow_removals, follow_returns
from mailboxes.sync.history import history_lane
from mailboxes.sync.plan import UIDS_AT_ONCE, Cursor
from mailboxes.sync.running import Pass, epoch_of_ours, validity_of
from mailboxes.uids import Uids
from tenants.database import db, now
from tenants.database.bulk import among

FIRST_SUSPECTS = 20


def begin_anew(run: Pass, folder: Folder, cursor: Cursor, there: Uids, living: Uids, gone: Uids) -> None:
    """The server counts from a lower UID again: what is new has UIDs from there on. Commits.

    What it no longer has makes room. UIDs are given in ascending order, so that where the newest are the
    same, so are all: a server that only counts its next UID from the newest message that is left costs no
    look at a whole folder. Else each is suspected.
    """
    others = _differing(run, folder, cursor, (living & there).newest(FIRST_SUSPECTS))
    for lost in (living - there, gone - there):
        make_room(run, folder, cursor, lost)
    highest = max(there, default=0)
    leases.demand(run.account.id, run.fence)
    keep_cursor(
        folder,
        last_uid=highest,
        first_uid=func.least(Folder.first_uid, highest),
        reused_uid=highest + 1 if others else Folder.reused_uid,
    )
    db.session.commit()


def suspect_returned(run: Pass, folder: Folder) -> None:
    """Messages that were gone are there again, or others are. Commits."""
    _keep_place(run, folder, func.coalesce(Folder.reused_uid, 0))


def reused_uid_of(folder: Folder) -> int | None:
    """Down to where what is stored was compared; None where nothing is suspected."""
    return db.session.scalar(select(Folder.reused_uid).where(Folder.id == folder.id))


def replace_reused(
    run: Pass, folder: Folder, cursor: Cursor, suspects: Uids, returned: Uids
) -> Iterator[None]:
    """Store what lies under UIDs that another message had, newest first, in portions; commits each.

    Messages that were gone are compared by content, and marked as there if they are the same; suspects by
    size and date. Raises `TimeIsUpError` where the pass is over; ends where the rest of the day's bytes is
    for new mail. Whoever calls again with what is left then goes on there.
    """
    lane = _lane(run, folder, cursor)
    for portion in Uids.ascending(merge(suspects, returned)).portions(UIDS_AT_ONCE):
        if run.is_history_over:
            return
        others = _differing(run, folder, cursor, [uid for uid in portion if uid in suspects])
        doubtful = [uid for uid in portion if uid in returned or uid in others]
        for batch in prepared(run.imap.fetch_messages(doubtful)):
            _settle(run, folder, cursor, lane, batch)
            _keep_place(run, folder, func.least(Folder.reused_uid, batch[-1].message.uid))
            run.demand_budget()
            run.demand_time()
        _keep_place(run, folder, func.least(Folder.reused_uid, portion[-1]))
        run.demand_time()
        yield
    _keep_place(run, folder, None)


def make_room(run: Pass, folder: Folder, cursor: Cursor, uids: Collection[int]) -> None:
    """Mark what was stored under these UIDs as gone, and keep it under a number that no server has."""
    validity, ours = validity_of(cursor), epoch_of_ours()
    follow_removals(run.account, folder, run.fence, validity, uids, now())
    for portion in Uids.of(uids).portions(PLACES_AT_ONCE):
        leases.demand(run.account.id, run.fence)
        taken = hold(
            Arrival.folder_id == folder.id, Arrival.uid_validity == validity, among(Arrival.uid, portion)
        )
        db.session.execute(
            update(Arrival)
            .where(among(Arrival.id, taken))
            .values(uid_validity=ours)
            .execution_options(synchronize_session=False)
        )
        db.session.commit()


def _settle(run: Pass, folder: Folder, cursor: Cursor, lane: Lane, batch: Sequence[Prepared]) -> None:
    """What is the same is there again; what is another takes its place."""
    known = {row.uid: row.sha256 for row in _stored(folder, cursor, [item.message.uid for item in batch])}
    fresh = [item for item in batch if _digest(item) != known.get(item.message.uid)]
    others = {item.message.uid for item in fresh}
    if fresh:
        make_room(run, folder, cursor, others)
        run.report.new_count += arrive(run.account, folder, run.fence, lane, fresh, Advance())
        if run.stored is not None:
            run.stored(False)
    follow_returns(run.account, folder, run.fence, validity_of(cursor), known.keys() - others)


def _keep_place(run: Pass, folder: Folder, uid: Any) -> None:
    leases.demand(run.account.id, run.fence)
    keep_cursor(folder, reused_uid=uid)
    db.session.commit()


def _digest(item: Prepared) -> bytes:
    return item.packed.sha256 if item.is_whole and item.packed else b""


def _differing(run: Pass, folder: Folder, cursor: Cursor, suspects: Sequence[int]) -> set[int]:
    """Those whose date or size is not what it was."""
    if not suspects:
        return set()
    told = run.imap.fetch_details(suspects)
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
    return replace(history_lane(run, folder, cursor), history_through=cursor.last_uid, new_uid=0)
