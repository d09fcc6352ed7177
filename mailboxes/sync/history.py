"""The messages that were there before a folder was chosen: how many of them, and a slice at a time."""

import time
from bisect import bisect_left
from collections.abc import Sequence
from datetime import date, datetime, timedelta

from sqlalchemy import func, select

from mailboxes.accounts import Account, Folder
from mailboxes.arrivals import Arrival, of_another_epoch
from mailboxes.errors import UidValidityChangedError
from mailboxes.imap import FolderState
from mailboxes.sync import deaths, leases
from mailboxes.sync.arriving import Advance, Lane
from mailboxes.sync.folders import cursor_of, keep_cursor
from mailboxes.sync.following import follow_renumbering
from mailboxes.sync.leaving import OF_A_FOLDER, leave
from mailboxes.sync.plan import Cursor, Epoch, epoch_of, floor_of, history_uids, is_new, portion_after
from mailboxes.sync.running import Pass, TimeIsUpError, lane_of, portions, take_in, validity_of
from mailboxes.sync.stored import stored_uids
from mailboxes.uids import Uids
from tenants.configuration.layers import value_of
from tenants.database import db, now

ROUND_SECONDS = 3.0  # then new mail is looked for again
LONG_LOOK_SECONDS = 3.0  # what takes longer is repeated no sooner than after as long
FIRST_PORTION = 100  # then as many as come in a second
OVERLAP = timedelta(days=2)  # SEARCH SINCE knows days, in the server's time zone


def where_history_ends(
    run: Pass, folder: Folder, cursor: Cursor, first_uid: int, *, is_seen_again: bool
) -> int:
    """The lowest UID to take over: as chosen; and where UIDs are new ones, of all that may be here."""
    floor = floor_of(_chosen_history(run, cursor), first_uid)
    return min(floor, floor_of(known_history(run, folder, cursor), first_uid)) if is_seen_again else floor


def known_history(run: Pass, folder: Folder, cursor: Cursor) -> Sequence[int]:
    """UIDs, after a renumbering, of all that may be here."""
    oldest = select(func.min(Arrival.received_at)).where(Arrival.folder_id == folder.id)
    since = db.session.scalar(oldest) or cursor.new_since
    db.session.commit()
    return run.imap.search_uids(since=day_of(since))


def has_former(folder: Folder, cursor: Cursor) -> bool:
    """Whether something is here of before the folder was renumbered."""
    former = (
        select(Arrival.id)
        .where(Arrival.folder_id == folder.id, of_another_epoch(cursor.uid_validity or 0))
        .limit(1)
    )
    found = db.session.scalar(former)
    db.session.commit()
    return found is not None


def _chosen_history(run: Pass, cursor: Cursor) -> Sequence[int]:
    """UIDs of the history to take over, or the lowest, and of what came in since the folder was chosen."""
    days = _history_days(run.account)
    db.session.commit()
    if days is None:
        return [1]
    if not days:
        return _recent(run, cursor)
    begins = min(now() - timedelta(days=days), cursor.new_since - timedelta(days=1))
    return run.imap.search_uids(since=begins.date())


def _recent(run: Pass, cursor: Cursor) -> list[int]:
    """What came in since the folder was chosen; the search knows no hours."""
    recent: list[int] = []
    since = cursor.new_since
    found = run.imap.search_uids(since=day_of(since))
    for portion in portions(found[bisect_left(found, cursor.new_uid) :]):
        told = run.imap.fetch_details(portion)
        recent += [uid for uid, message in told.items() if is_new(message.received_at, since, run.looked_at)]
    return recent


def _history_days(account: Account) -> int | None:
    """How many days of history are chosen by now, be it since the pass began; None for all of it."""
    query = select(Account.history, Account.history_days).where(Account.id == account.id)
    history, history_days = db.session.execute(query).one()
    if history == "inherit":
        chosen = value_of("sync.history_days")
        return None if chosen == "all" else int(chosen)
    if history == "days":
        return history_days or 0
    return None if history == "all" else 0


def day_of(moment: datetime) -> date:
    """The day to search from, so that nothing since that moment is missed."""
    return (moment - OVERLAP).date()


def history_round(run: Pass, folders: Sequence[Folder], looked_seconds: float = 0.0) -> bool:
    """A few seconds of history, newest first, or until somebody calls; whether some is left for now.

    ``looked_seconds``: how long it took to look for new mail before. There may be thousands of folders:
    then a round is as long, or the pass would do nothing else.
    """
    if run.is_history_over:
        return False  # not even listed: what is left of the day's bytes is for new mail
    seconds = looked_seconds if looked_seconds > LONG_LOOK_SECONDS else ROUND_SECONDS
    ends = min(time.monotonic() + seconds, run.deadline)
    has_begun = False
    for folder in _with_history(run.account, folders):
        cursor = cursor_of(folder)
        db.session.commit()
        if (
            folder.id in run.troubled.keys() | run.cut
            or not cursor.has_history_left
            or epoch_of(cursor, cursor.uid_validity) is Epoch.UNSTABLE
        ):
            continue
        if has_begun and _is_over(run, ends):
            return True
        has_begun = True
        try:
            if _fetch_history(run, folder, cursor, ends):
                return True
        except TimeIsUpError:
            db.session.rollback()
            run.connect_again()  # lost behind what was stored last: no fault of the folder that comes next
            return True
        except OF_A_FOLDER as error:
            leave(run, folder, error, is_read=True)
    return False


def _with_history(account: Account, folders: Sequence[Folder]) -> list[Folder]:
    """Those of which a part of the chosen history may not be stored."""
    begun = func.coalesce(Folder.history_uid, Folder.first_uid + 1)
    query = select(Folder.id).where(Folder.account_id == account.id, begun > Folder.history_floor)
    found = set(db.session.scalars(query))
    with_history = [folder for folder in folders if folder.id in found]
    db.session.commit()
    return with_history


def _is_over(run: Pass, ends: float) -> bool:
    """Whether new mail comes first now."""
    return run.is_called or time.monotonic() > ends


def _fetch_history(run: Pass, folder: Folder, cursor: Cursor, ends: float) -> bool:
    """History of one folder until the time is over; whether some is left."""
    state = run.imap.examine(folder.name_raw)
    if state.uid_validity is None:
        return False  # left out for once; a visit says what that means
    if state.uid_validity != cursor.uid_validity:
        raise UidValidityChangedError
    _list_what_is_left(run, folder, cursor, state)
    lane = history_lane(run, folder, cursor)
    has_begun = False
    while run.left[folder.id]:
        if run.is_history_over:
            return False
        if has_begun and _is_over(run, ends):
            return True
        _take_portion(run, folder, lane)
        has_begun = True
    leases.demand(run.account.id, run.fence)
    keep_cursor(folder, history_uid=cursor.history_floor, history_left=0)
    db.session.commit()
    if lane.is_seen_again:
        follow_renumbering(run.account, folder, run.fence, validity_of(cursor), now())
    return False


def _take_portion(run: Pass, folder: Folder, lane: Lane) -> None:
    """The newest of what is left, as much as comes in about a second."""
    left = run.left[folder.id]
    portion = left.newest(run.portion or FIRST_PORTION)
    began = time.monotonic()
    run.report.history_count += take_in(
        run, folder, lane, portion, lambda batch: _down_to(min(batch), left), is_expected=True
    )
    run.left[folder.id] = _below(portion[-1], left)
    if run.account.death_count:
        deaths.begin_anew(run.account)
    run.portion = portion_after(len(portion), time.monotonic() - began)


def _down_to(uid: int, left: Uids) -> Advance:
    """Where the cursor stands when everything from this UID up is stored."""
    return Advance(history_uid=uid, history_left=len(_below(uid, left)))


def _below(uid: int, left: Uids) -> Uids:
    return left.between(1, uid - 1)


def _list_what_is_left(run: Pass, folder: Folder, cursor: Cursor, state: FolderState) -> None:
    """UIDs of history to fetch; listed once in a pass, for a million takes a second.

    Where the server has gone back to a former numbering, most of it may be stored under it.
    """
    if folder.id not in run.left:
        stored = stored_uids(folder, cursor, is_living=True, below=cursor.history_uid)
        db.session.commit()
        run.left[folder.id] = history_uids(run.imap.all_uids(state), cursor) - stored
        run.expect(len(run.left[folder.id]))
        _note_what_is_left(run, folder, len(run.left[folder.id]))


def _note_what_is_left(run: Pass, folder: Folder, count: int) -> None:
    """For those who wait: how many messages were to be fetched when that began, and how many are now."""
    leases.demand(run.account.id, run.fence)
    keep_cursor(
        folder,
        history_left=count,
        history_total=func.greatest(Folder.history_total, count),
        history_began_at=func.coalesce(Folder.history_began_at, now()),
    )
    db.session.commit()


def history_lane(run: Pass, folder: Folder, cursor: Cursor) -> Lane:
    """After a renumbering everything is seen again; what came in since the folder was read last is new."""
    return lane_of(run, cursor, is_seen_again=has_former(folder, cursor))
