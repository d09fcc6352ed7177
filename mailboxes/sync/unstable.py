"""A folder that its server numbers anew again and again: only content counts (F2, F3).

What came in lately is read with each visit, all once a day. That may take more than a pass has, or than a
day has bytes: then it goes on where the pass before ended. Messages that are not whole have no content to be
known by: date and size stand for it.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import repeat
from typing import Any

import structlog
from sqlalchemy import ColumnElement, func, null, select

from mailboxes.accounts import EVERY_UID, Folder
from mailboxes.arrivals import Arrival, of_another_epoch
from mailboxes.errors import ConnectionLostError, UidValidityChangedError
from mailboxes.imap import FetchedMessage, FolderState, MessageDetails
from mailboxes.imap.dialogue import GOODBYE
from mailboxes.intake.arrived import TOO_LARGE
from mailboxes.sync import leases
from mailboxes.sync.arriving import Advance, Lane, Prepared, arrive, prepared
from mailboxes.sync.folders import cursor_of, keep_cursor
from mailboxes.sync.following import follow_returned_content
from mailboxes.sync.history import OVERLAP, day_of, known_history
from mailboxes.sync.plan import LONG_AGO, SKEW, UIDS_AT_ONCE, Cursor, is_day_over, trust_after
from mailboxes.sync.refetching import complete_alike
from mailboxes.sync.running import Pass, TimeIsUpError, epoch_of_ours, lane_of, portions
from mailboxes.sync.stored import living
from mailboxes.sync.unstable_refetching import refetch_unstable
from mailboxes.sync.unstable_removals import follow_unstable_removals
from tenants.database import db, now
from tenants.database.bulk import among

UNNUMBERED = "The server gives this folder no lasting numbers. Postroom knows its messages by their content."
UNSTABLE = (
    "The server renumbers this folder again and again. Postroom goes on, and knows messages by their content."
)
ROWS_AT_ONCE = 10_000
MOST_ENDINGS = 6  # of the connection, in one visit: one that shows that it ends, and one over each message
ASKED_AGAIN = timedelta(hours=2)  # so long what was not handed out is asked for in each pass; then daily

log = structlog.get_logger()


@dataclass
class Reading:
    """Messages of a folder are asked for in batches, none twice.

    ``met``: of which look there were how many that are not whole, also before, where it goes on. So many of
    those that were stored before it are theirs; another one of that look is another message. ``just_met``:
    the looks of those in the last batch. ``shunned``: the looks of those over which the server has ended the
    connection; they are looked for one by one, and not asked for again in this visit.
    """

    run: Pass
    folder: Folder
    lane: Lane
    at_once: int
    shunned: set[int]
    met: Counter[int] = field(default_factory=Counter)
    just_met: set[int] = field(default_factory=set)

    def begun_anew(self, met: Mapping[int, int] | None = None) -> "Reading":
        """Another one in the same visit, which has met these before."""
        return Reading(self.run, self.folder, self.lane, self.at_once, self.shunned, Counter(met))


def visit_unstable(run: Pass, folder: Folder, state: FolderState, cursor: Cursor) -> None:
    """New mail, what else is unfamiliar, what is asked for, and once a day all: a batch of it at least,
    whatever the time.

    Where the connection ends, and the folder is numbered otherwise in the next one, the visit begins anew:
    what comes behind a message over which it ends every time is fetched all the same.
    """
    shunned, at_once = set[int](), UIDS_AT_ONCE
    for _ in range(MOST_ENDINGS):
        try:
            _visit(Reading(run, folder, _lane(run, cursor), at_once, shunned), state, cursor)
        except UidValidityChangedError:
            db.session.rollback()
            at_once, state, cursor = 1, run.imap.examine(folder.name_raw), cursor_of(folder)
            db.session.commit()
        else:
            return
    raise ConnectionLostError


def _visit(reading: Reading, state: FolderState, cursor: Cursor) -> None:
    run, folder = reading.run, reading.folder
    is_daily, is_whole = is_day_over(cursor, now()), True
    if state.exists != 0:
        before = run.report.new_count
        lately = run.imap.search_uids(since=day_of(cursor.new_since))
        unfamiliar = _unfamiliar(run, folder, lately, since=cursor.new_since - 2 * OVERLAP)
        is_whole = _read(reading, unfamiliar)
        new_count = run.report.new_count - before
        if is_whole and not is_daily and _are_more_there(cursor, state, new_count):
            others = _unfamiliar(run, folder, known_history(run, folder, cursor))
            is_whole = _read(reading.begun_anew(), others)
    if is_whole:
        _note_visit(run, folder, state, cursor)
        refetch_unstable(run, folder, state)
    if is_daily:
        uids = known_history(run, folder, cursor) if state.exists != 0 else []
        if _read_all(reading.begun_anew(cursor.reread_met), cursor, uids):
            follow_unstable_removals(run, folder, state, uids)
    if not is_whole:
        raise TimeIsUpError


def _are_more_there(cursor: Cursor, state: FolderState, new_count: int) -> bool:
    """Whether there are messages that did not come in lately and were not there before, as far as is told."""
    if state.exists is None or cursor.server_count is None:
        return False
    return state.exists > cursor.server_count + new_count


def _note_visit(run: Pass, folder: Folder, state: FolderState, cursor: Cursor) -> None:
    outdated = {"audit": null(), "audited_at": None} if cursor.is_distrusted else {}
    _keep(
        run,
        folder,
        new_since=max(cursor.new_since, run.looked_at - SKEW),
        last_error=UNNUMBERED if state.uid_validity is None else UNSTABLE,
        left_alone_until=None,
        **_numbers_after(cursor, state),
        **outdated,
    )
    log.info("folder is unstable", folder=str(folder.id))


def _lane(run: Pass, cursor: Cursor) -> Lane:
    lane = lane_of(run, cursor, is_seen_again=True)
    return replace(lane, uid_validity=epoch_of_ours(), history_through=EVERY_UID, new_uid=0)


def _read_all(reading: Reading, cursor: Cursor, uids: Sequence[int]) -> bool:
    """From where the pass before ended; whether all was read. Counted from the oldest: what came in meanwhile
    changes no place, and of what was removed, as many are left for tomorrow. The rest of a day's bytes is for
    new mail."""
    for begin in range(cursor.reread_count, len(uids), reading.at_once):
        if reading.run.is_history_over or not _read_portion(
            reading, begin, uids[begin : begin + reading.at_once]
        ):
            return False
    _keep(reading.run, reading.folder, reread_count=0, reread_met={}, compared_at=now())
    return True


def _read_portion(reading: Reading, begin: int, uids: Sequence[int]) -> bool:
    """Whether the day had bytes for it, and has some for another one."""
    run = reading.run
    for uid, _ in _take(reading, uids):
        more = {str(look): reading.met[look] for look in reading.just_met}
        met = {"reread_met": Folder.reread_met.concat(more)} if more else {}
        _keep(run, reading.folder, reread_count=begin + bisect_right(uids, uid), **met)
        run.demand_time()
        if run.is_history_over:
            return False
    return True


def _read(reading: Reading, uids: Sequence[int]) -> bool:
    """Whether there was time for all; some are stored in each pass, and are familiar in the next."""
    for begin in range(0, len(uids), reading.at_once):
        if begin and reading.run.is_over:
            return False
        for uid, has_stored in _take(reading, uids[begin : begin + reading.at_once]):
            if has_stored and uid != uids[-1] and reading.run.is_over:
                return False
    return True


def _take(reading: Reading, uids: Sequence[int]) -> Iterator[tuple[int, bool]]:
    """Store messages that are not here; of each batch, its last UID and whether something was stored."""
    run = reading.run
    run.demand_budget()
    told = _told(run, uids[0]) if reading.at_once == 1 else None
    if told is not None and _look(told.received_at, told.size) in reading.shunned:
        yield told.uid, False
        return
    try:
        for batch in prepared(run.imap.fetch_messages(uids)):
            yield batch[-1].message.uid, _store(reading, batch)
            run.demand_budget()
    except UidValidityChangedError:
        if told is not None:
            _shun(reading, told)
        raise


def _told(run: Pass, uid: int) -> MessageDetails:
    return run.imap.fetch_details([uid]).get(uid) or MessageDetails(uid)


def _shun(reading: Reading, told: MessageDetails) -> None:
    """The server has ended the connection over this one: that is all that is known of it."""
    reading.shunned.add(_look(told.received_at, told.size))
    message = FetchedMessage(told.uid, None, max(0, told.size), told.received_at, told.flags, failure=GOODBYE)
    _store(reading, [Prepared(message, None)])


def _store(reading: Reading, batch: Sequence[Prepared]) -> bool:
    """Store those of a batch that are not here; whether there were any."""
    run, folder, lane = reading.run, reading.folder, reading.lane
    known = _known(folder, batch)
    headers = [item for item in batch if not item.is_whole]
    reading.just_met = {_look(item.message.received_at, item.message.size) for item in headers}
    before = _here_before(folder, lane, headers)
    fresh = [item for item in batch if not _is_here(item, known, before, reading.met)]
    if fresh:
        others = complete_alike(run, folder, fresh)
        run.report.new_count += len(fresh) - len(others)
        if others:
            run.report.new_count += arrive(run.account, folder, run.fence, lane, others, Advance())
        if run.stored is not None:
            run.stored(False)
    back = [digest for digest, is_gone in known.items() if is_gone]
    if back:
        follow_returned_content(run.account, folder, run.fence, back)
    return bool(fresh)


def _is_here(item: Prepared, digests: Collection[bytes], before: Counter[int], met: Counter[int]) -> bool:
    """Whether its bytes are; one that is not whole takes one of its date and size, once in a reading: a stub,
    or what was fetched anyway."""
    if item.is_whole:
        return item.packed is not None and item.packed.sha256 in digests
    look = _look(item.message.received_at, item.message.size)
    met[look] += 1
    return met[look] <= before[look]


def _known(folder: Folder, batch: Collection[Prepared]) -> dict[bytes, bool]:
    """Digests of the batch that are here (those of a million messages would take all memory), and whether
    the server was taken to have lost them."""
    digests = [item.packed.sha256 for item in batch if item.is_whole and item.packed is not None]
    rows = db.session.execute(
        select(Arrival.sha256, func.bool_and(Arrival.vanished_at.is_not(None)).label("is_gone"))
        .where(Arrival.folder_id == folder.id, among(Arrival.sha256, digests))
        .group_by(Arrival.sha256)
    )
    known = {row.sha256: row.is_gone for row in rows}
    db.session.commit()
    return known


def _here_before(folder: Folder, lane: Lane, batch: Collection[Prepared]) -> Counter[int]:
    """How many messages of which look were here before this visit, of sizes as in the batch."""
    if not batch:
        return Counter()
    is_before = of_another_epoch(lane.uid_validity)
    sizes = {item.message.size for item in batch}
    before = Counter(_looks(folder, is_before, among(Arrival.size, sizes)))
    db.session.commit()
    return before


def _unfamiliar(run: Pass, folder: Folder, uids: Sequence[int], since: datetime = LONG_AGO) -> list[int]:
    """Of those that came in since then, or without a date: those of which not as many of the same date and
    size are stored."""
    stored = _stored_looks(folder, since)
    asked, looks = [], array("q")
    for portion in portions(uids):
        told = run.imap.fetch_details(portion)
        for uid in portion:
            message = told.get(uid) or MessageDetails(uid)
            if message.received_at is None or message.received_at >= since:  # some find all that they have
                asked.append(uid)
                looks.append(_look(message.received_at, message.size))
    there = array("q", sorted(looks))
    pairs = zip(asked, looks, strict=True)
    return [uid for uid, look in pairs if _count(there, look) > _count(stored, look)]


def _stored_looks(folder: Folder, since: datetime) -> Sequence[int]:
    """Of what was not handed out only where that is a while ago: it may be handed out soon."""
    is_settled = (
        (Arrival.sha256 != b"") | (Arrival.failure == TOO_LARGE) | (Arrival.arrived_at < now() - ASKED_AGAIN)
    )
    is_of_then = Arrival.received_at.is_(None) | (Arrival.received_at >= since)
    looks = array("q", sorted(array("q", _looks(folder, is_of_then, is_settled))))
    db.session.commit()
    return looks


def _looks(folder: Folder, *conditions: ColumnElement[bool]) -> Iterator[int]:
    """The look of each message that is here and was not taken for gone."""
    for one in living(folder, *conditions):
        yield from repeat(_look(one.received_at, one.size), one.count)


def _look(received_at: datetime | None, size: int) -> int:
    """Date and size as one number, as far as they are told: a million of them take eight megabytes."""
    return hash((-1.0 if received_at is None else received_at.timestamp(), max(0, size)))


def _count(looks: Sequence[int], look: int) -> int:
    return bisect_right(looks, look) - bisect_left(looks, look)


def _numbers_after(cursor: Cursor, state: FolderState) -> dict[str, Any]:
    """What to keep of them; a folder that only leaves out its UIDVALIDITY goes on where it was."""
    if not cursor.is_distrusted:
        return {"server_count": _count_after(cursor, state)}
    validity, renumberings = trust_after(cursor, state.uid_validity)
    return {
        "uid_validity": validity,
        "last_uid": 0,
        "history_floor": None,
        "changed_validity_count": renumberings,
        "server_count": state.exists,
    }


def _count_after(cursor: Cursor, state: FolderState) -> int | None:
    """Where its UIDs will count again, the most that were there: what was removed is missed then."""
    if not cursor.uid_validity:
        return state.exists
    if cursor.server_count is None or state.exists is None:
        return cursor.server_count
    return max(cursor.server_count, state.exists)


def _keep(run: Pass, folder: Folder, **values: Any) -> None:
    leases.demand(run.account.id, run.fence)
    keep_cursor(folder, **values)
    db.session.commit()
