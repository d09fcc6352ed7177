"""A folder that its server numbers anew again and again: only content counts (F2, F3).

What came in lately is read with each visit, all once a day. That may take more than a pass has, or than a
day has bytes: then it goes on where the pass before ended.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import select

from mailboxes.accounts import EVERY_UID, Folder
from mailboxes.arrivals import Arrival
from mailboxes.imap import FolderState
from mailboxes.sync import leases
from mailboxes.sync.arriving import Advance, Lane, Prepared, arrive, prepared
from mailboxes.sync.folders import keep_cursor
from mailboxes.sync.history import OVERLAP, day_of, known_history
from mailboxes.sync.plan import LONG_AGO, SKEW, UIDS_AT_ONCE, Cursor, is_day_over, trust_after
from mailboxes.sync.running import Pass, TimeIsUpError, epoch_of_ours, lane_of, portions
from tenants.bulk import among
from tenants.database import db, now

UNNUMBERED = "The server gives this folder no lasting numbers. Postroom knows its messages by their content."
UNSTABLE = (
    "The server renumbers this folder again and again. Postroom goes on, and knows messages by their content."
)
ROWS_AT_ONCE = 10_000

log = structlog.get_logger()


def visit_unstable(run: Pass, folder: Folder, state: FolderState, cursor: Cursor) -> None:
    """New mail, what else is unfamiliar, and once a day all: a portion of it at least, whatever the time."""
    lane = _lane(run, cursor)
    is_daily, is_whole = is_day_over(cursor, now()), True
    if state.exists != 0:
        lately = run.imap.search_uids(since=day_of(cursor.new_since))
        unfamiliar = _unfamiliar(run, folder, lately, since=cursor.new_since - 2 * OVERLAP)
        is_whole = _read(run, folder, lane, unfamiliar)
        if not is_daily and state.exists != (cursor.server_count or 0) + len(unfamiliar):
            others = _unfamiliar(run, folder, known_history(run, folder, cursor))
            is_whole = is_whole and _read(run, folder, lane, others)
    if is_whole:
        _note_visit(run, folder, state, cursor)
    if is_daily:
        _read_all(run, folder, lane, cursor, known_history(run, folder, cursor) if state.exists != 0 else [])
    if not is_whole:
        raise TimeIsUpError


def _note_visit(run: Pass, folder: Folder, state: FolderState, cursor: Cursor) -> None:
    _keep(
        run,
        folder,
        new_since=max(cursor.new_since, run.looked_at - SKEW),
        last_error=UNNUMBERED if state.uid_validity is None else UNSTABLE,
        left_alone_until=None,
        **_numbers_after(cursor, state),
    )
    log.info("folder is unstable", folder=str(folder.id))


def _lane(run: Pass, cursor: Cursor) -> Lane:
    lane = lane_of(run, cursor, is_seen_again=True)
    return replace(lane, uid_validity=epoch_of_ours(), history_through=EVERY_UID)


def _read_all(run: Pass, folder: Folder, lane: Lane, cursor: Cursor, uids: Sequence[int]) -> None:
    """From where the pass before ended. Counted from the oldest: what came in meanwhile changes no place, and
    of what was removed, as many are left for tomorrow. The rest of a day's bytes is for new mail."""
    for begin in range(cursor.reread_count, len(uids), UIDS_AT_ONCE):
        if run.is_history_over:
            return
        portion = uids[begin : begin + UIDS_AT_ONCE]
        _take(run, folder, lane, portion)
        _keep(run, folder, reread_count=begin + len(portion))
        run.demand_time()
    _keep(run, folder, reread_count=0, compared_at=now())


def _read(run: Pass, folder: Folder, lane: Lane, uids: Sequence[int]) -> bool:
    """Whether there was time for all."""
    for number, portion in enumerate(portions(uids)):
        if number and run.is_over:
            return False
        _take(run, folder, lane, portion)
    return True


def _take(run: Pass, folder: Folder, lane: Lane, uids: Sequence[int]) -> None:
    """Store messages whose bytes are not here."""
    run.demand_budget()
    for batch in prepared(run.imap.fetch_messages(uids)):
        known = _known(folder, batch)
        fresh = [item for item in batch if item.packed is None or item.packed.sha256 not in known]
        if fresh:
            run.report.new_count += arrive(run.account, folder, run.fence, lane, fresh, Advance())
            if run.stored is not None:
                run.stored(False)


def _known(folder: Folder, batch: Collection[Prepared]) -> set[bytes]:
    """Digests of the batch that are here: those of a million messages would take all memory."""
    digests = [item.packed.sha256 for item in batch if item.packed is not None]
    here = select(Arrival.sha256).where(Arrival.folder_id == folder.id, among(Arrival.sha256, digests))
    known = set(db.session.scalars(here))
    db.session.commit()
    return known


def _unfamiliar(run: Pass, folder: Folder, uids: Sequence[int], since: datetime = LONG_AGO) -> list[int]:
    """Of those that came in since then, or without a date: those of which not as many of the same date and
    size are stored."""
    stored = _stored_looks(folder, since)
    unfamiliar, dated, looks = [], array("q"), array("q")
    for portion in portions(uids):
        told = run.imap.fetch_details(portion)
        for uid in portion:
            received_at = told[uid].received_at if uid in told else None
            if received_at is None:
                unfamiliar.append(uid)
            elif received_at >= since:  # there are servers that find all that they have
                dated.append(uid)
                looks.append(_look(received_at, told[uid].size))
    there = array("q", sorted(looks))
    pairs = zip(dated, looks, strict=True)
    return sorted(unfamiliar + [uid for uid, look in pairs if _count(there, look) > _count(stored, look)])


def _stored_looks(folder: Folder, since: datetime) -> Sequence[int]:
    rows = db.session.execute(
        select(Arrival.received_at, Arrival.size)
        .where(Arrival.folder_id == folder.id, Arrival.sha256 != b"", Arrival.received_at >= since)
        .execution_options(yield_per=ROWS_AT_ONCE)
    )
    looks = _sorted(_look(row.received_at, row.size) for row in rows)
    db.session.commit()
    return looks


def _sorted(looks: Iterable[int]) -> Sequence[int]:
    return array("q", sorted(array("q", looks)))


def _look(received_at: datetime, size: int) -> int:
    """Date and size as one number: a million of them take eight megabytes."""
    return hash((received_at.timestamp(), size))


def _count(looks: Sequence[int], look: int) -> int:
    return bisect_right(looks, look) - bisect_left(looks, look)


def _numbers_after(cursor: Cursor, state: FolderState) -> dict[str, Any]:
    """What to keep of them; a folder that only leaves out its UIDVALIDITY goes on where it was."""
    if not cursor.is_distrusted:
        return {} if cursor.uid_validity else {"server_count": state.exists}
    validity, renumberings = trust_after(cursor, state.uid_validity)
    return {
        "uid_validity": validity,
        "last_uid": 0,
        "history_floor": None,
        "changed_validity_count": renumberings,
        "server_count": state.exists,
    }


def _keep(run: Pass, folder: Folder, **values: Any) -> None:
    leases.demand(run.account.id, run.fence)
    keep_cursor(folder, **values)
    db.session.commit()
