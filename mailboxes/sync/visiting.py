"""One visit to one folder: new mail, and once in a pass also what changed."""

import time
from array import array
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import case, func

from mailboxes.accounts import Folder
from mailboxes.crash_points import crash_point
from mailboxes.errors import UidValidityChangedError
from mailboxes.imap import FolderState
from mailboxes.sync import leases
from mailboxes.sync.arriving import Advance
from mailboxes.sync.auditing import audit, is_audit_wanted
from mailboxes.sync.flags import changed_flags
from mailboxes.sync.folders import cursor_of, keep_cursor, synced_folders
from mailboxes.sync.following import follow_flags, follow_removals, follow_renumbering
from mailboxes.sync.history import has_former, history_lane, where_history_ends
from mailboxes.sync.leaving import OF_A_FOLDER, leave
from mailboxes.sync.plan import (
    SKEW,
    Cursor,
    Epoch,
    are_changes_told,
    difference,
    epoch_of,
    is_comparison_due,
    is_day_over,
    is_numbered_anew,
    may_have_new,
    new_since_after,
    new_uids,
    renumberings_after,
)
from mailboxes.sync.refetching import refetch
from mailboxes.sync.reusing import begin_anew, replace_reused, reused_uid_of, suspect_returned
from mailboxes.sync.running import Pass, TimeIsUpError, lane_of, take_in, validity_of
from mailboxes.sync.stored import stored_uids
from mailboxes.sync.unchanged import unchanged_folders
from mailboxes.sync.unstable import visit_unstable
from mailboxes.uids import Uids
from tenants.database import db, now

LOOK_SECONDS = 3.0  # between two looks for new mail of the inbox, while the other folders are visited


def visit_each(run: Pass, folders: Sequence[Folder], *, is_first_round: bool) -> None:
    """Visit all folders that may need it, while there is time; one that fails holds up no other.

    One renumbered while it is read is told last. There may be thousands: whoever calls meanwhile is heard.
    """
    renumbered: UidValidityChangedError | None = None
    looked_at = time.monotonic()
    unchanged = unchanged_folders(run, folders, is_first_round=is_first_round)
    for number, folder in enumerate([folder for folder in folders if folder.id not in unchanged]):
        if number and run.is_over:
            run.is_cut = True
            break
        if is_first_round and time.monotonic() - looked_at >= LOOK_SECONDS:
            looked_at = time.monotonic()
            renumbered = _look_into_inbox(run, folders) or renumbered
        if folder.id not in run.troubled:
            renumbered = _visit_or_leave(run, folder, is_first_round=is_first_round) or renumbered
    if renumbered is not None:
        raise renumbered


def _look_into_inbox(run: Pass, folders: Sequence[Folder]) -> UidValidityChangedError | None:
    """Its new mail, if somebody has heard of some since the round began."""
    inbox = next((one for one in folders if one.special_use == "inbox"), None)
    if inbox is None or inbox.id in run.troubled or not run.is_called:
        return None
    run.begin_round()
    return _visit_or_leave(run, inbox, is_first_round=False)


def _visit_or_leave(run: Pass, folder: Folder, *, is_first_round: bool) -> UidValidityChangedError | None:
    """Visit one folder, and note what it fails by; that it was renumbered meanwhile is returned."""
    if is_first_round:
        _note_turn(run, folder)
    try:
        _visit(run, folder, is_first_round=is_first_round)
    except TimeIsUpError:
        db.session.rollback()
        run.is_cut = True
        run.cut.add(folder.id)
        run.connect_again()  # lost behind what was stored last: no fault of the folder that comes next
    except UidValidityChangedError as error:
        db.session.rollback()
        return error
    except OF_A_FOLDER as error:
        leave(run, folder, error)
    return None


def _note_turn(run: Pass, folder: Folder) -> None:
    """It has had its turn, whatever comes of it: even if this process ends, others are before it now."""
    leases.demand(run.account.id, run.fence)
    run.visited_before[folder.id] = folder.visited_at
    keep_cursor(folder, visited_at=run.began_at)
    db.session.commit()


def _visit(run: Pass, folder: Folder, *, is_first_round: bool) -> None:
    """New mail of a folder; once in a pass also what changed."""
    state = run.imap.examine(folder.name_raw)
    cursor = cursor_of(folder)
    db.session.commit()
    epoch = epoch_of(cursor, state.uid_validity)
    if epoch is Epoch.UNSTABLE:
        visit_unstable(run, folder, state, cursor)
        run.fetched.add(folder.id)
        return
    if epoch is not Epoch.SAME:
        cursor = begin_epoch(run, folder, state, cursor, epoch)
    elif not cursor.is_history_chosen:
        cursor = _choose_history_again(run, folder, cursor)
    new_count = _fetch_new(run, folder, state, cursor)
    run.fetched.add(folder.id)
    if is_first_round:
        _follow(run, folder, state, cursor, new_count, is_steady=epoch is Epoch.SAME)
    if is_audit_wanted(folder):
        audit(run, folder, run.imap.all_uids(state))


def begin_epoch(run: Pass, folder: Folder, state: FolderState, cursor: Cursor, epoch: Epoch) -> Cursor:
    """The first visit, or the first after the server has renumbered: where history ends is fixed now."""
    uids = run.imap.all_uids(state)
    first_uid = max(uids, default=0)
    is_renumbered = epoch is Epoch.RENUMBERED
    numbered = replace(cursor, uid_validity=state.uid_validity)
    floor = where_history_ends(run, folder, numbered, first_uid, is_seen_again=is_renumbered)
    renumberings = renumberings_after(cursor) if is_renumbered else 0
    begun = Cursor(
        uid_validity=state.uid_validity,
        last_uid=first_uid,
        mod_seq=state.highest_mod_seq,
        first_uid=first_uid,
        history_uid=first_uid + 1,
        history_floor=floor,
        renumberings=renumberings,
        server_count=state.exists,
        uid_next=state.uid_next if len(uids) >= (state.exists or 0) else None,
        compared_at=None if is_renumbered else now(),
        new_since=cursor.new_since,
        chosen_uid=cursor.chosen_uid,
        chosen_validity=cursor.chosen_validity,
    )
    leases.demand(run.account.id, run.fence)
    keep_cursor(
        folder,
        uid_validity=begun.uid_validity,
        last_uid=begun.last_uid,
        mod_seq=begun.mod_seq,
        first_uid=begun.first_uid,
        history_uid=begun.history_uid,
        history_floor=begun.history_floor,
        history_total=None,
        history_left=None,
        history_began_at=None,
        changed_validity_count=renumberings,
        flags_uid=None,
        reread_count=0,
        reread_met={},
        reused_uid=None,
        server_count=begun.server_count,
        uid_next=begun.uid_next,
        compared_at=begun.compared_at,
        last_error="",
    )
    db.session.commit()
    crash_point("epoch stored")
    run.left.pop(folder.id, None)
    return begun


def _choose_history_again(run: Pass, folder: Folder, cursor: Cursor) -> Cursor:
    """Somebody wants more (or less) of the history; what is stored already stays."""
    is_seen_again = has_former(folder, cursor)
    floor = where_history_ends(run, folder, cursor, cursor.first_uid, is_seen_again=is_seen_again)
    chosen = replace(cursor, history_floor=min(floor, cursor.history_uid))
    leases.demand(run.account.id, run.fence)
    keep_cursor(folder, history_floor=chosen.history_floor, history_left=None)
    db.session.commit()
    run.left.pop(folder.id, None)
    return chosen


def _fetch_new(run: Pass, folder: Folder, state: FolderState, cursor: Cursor) -> int:
    if not may_have_new(cursor, state.exists, state.uid_next):
        return 0
    found = run.imap.search_uids(cursor.last_uid + 1, uid_next=state.uid_next or 0)
    uids = new_uids(found, cursor)
    crash_point("uids listed")
    lane = replace(lane_of(run, cursor), came_since=min(cursor.new_since + SKEW, run.looked_at))
    run.report.new_count += take_in(run, folder, lane, uids, lambda batch: Advance(last_uid=max(batch)))
    return len(uids)


# --- what changed ----------------------------------------------------------------------------


def _follow(
    run: Pass, folder: Folder, state: FolderState, cursor: Cursor, new_count: int, *, is_steady: bool
) -> None:
    kept: dict[str, Any] = {"last_error": "", "gone_at": None, "left_alone_until": None}
    kept |= {"reread_count": 0, "reread_met": {}}
    new_since, is_ahead = new_since_after(cursor, run.looked_at), Folder.new_since > run.looked_at + SKEW
    later = case((is_ahead, new_since), else_=func.greatest(Folder.new_since, new_since))
    kept["new_since"] = case((Folder.reused_uid.is_(None), later), else_=Folder.new_since)
    if cursor.chosen_uid is not None and not cursor.has_history_left:
        kept["chosen_uid"] = func.nullif(Folder.chosen_uid, cursor.chosen_uid)
    kept["first_uid"] = func.least(Folder.first_uid, Folder.last_uid)  # if it was chosen again
    if is_steady and not cursor.has_history_left:
        kept["changed_validity_count"] = 0  # it has held for a whole visit
    run.report.changed_count += _follow_changes(run, folder, state, cursor)
    if are_changes_told(cursor, run.began_at):
        kept["mod_seq"] = state.highest_mod_seq  # else what has changed since then is not all known yet
    is_daily, there = is_day_over(cursor, now()), None
    if is_comparison_due(cursor, state.exists, state.uid_next, new_count, now()):
        state = _opened_again(run, folder, cursor)
        there = _compare(run, folder, state, cursor_of(folder))
        kept["compared_at"] = now()
    kept |= {"server_count": state.exists, "uid_next": _uid_next_after(state, cursor, there)}
    leases.demand(run.account.id, run.fence)
    keep_cursor(folder, **kept)
    db.session.commit()
    # Whatever the folder fails by from here on, it is not asked for again before tomorrow.
    is_resumed = folder.reused_uid is not None
    if there is not None or is_resumed:
        there = _settle_reused(run, folder, state, there)
    refetch(run, folder, cursor, is_daily=is_daily or is_resumed)
    if there is not None and (is_daily or is_resumed):
        audit(run, folder, there)


def _uid_next_after(state: FolderState, cursor: Cursor, there: Uids | None) -> Any:
    """The next UID, if all messages below it are known: while it is told again, nothing has come. Some
    servers count messages that they do not find yet."""
    is_all_found = there is not None and state.exists is not None and len(there) >= state.exists
    is_as_before = (state.uid_next, state.exists) == (cursor.uid_next, cursor.server_count)
    if state.uid_next is None or is_all_found or is_as_before:
        return state.uid_next
    return case((Folder.last_uid + 1 >= state.uid_next, state.uid_next), else_=None)


def _settle_reused(run: Pass, folder: Folder, state: FolderState, there: Uids | None) -> Uids | None:
    """What lies under UIDs that others had is compared, as far as this pass and the day's bytes go.

    ``there``: the server's UIDs, if they are known already; returned if they had to be.
    """
    cursor, reused_uid = cursor_of(folder), reused_uid_of(folder)
    db.session.commit()
    if reused_uid is None or run.is_history_over:
        return there
    there = run.imap.all_uids(state) if there is None else there
    suspects = there & stored_uids(folder, cursor, is_living=True, below=reused_uid)
    returned = there & stored_uids(folder, cursor, is_living=False)
    db.session.commit()
    for _ in replace_reused(run, folder, cursor, suspects, returned):
        if run.is_called:
            _look_for_new(run, folder, cursor)
    return there


def _follow_changes(run: Pass, folder: Folder, state: FolderState, cursor: Cursor) -> int:
    count = 0
    for flags in changed_flags(run, folder, state, cursor):
        count += follow_flags(run.account, folder, run.fence, validity_of(cursor), flags)
        if run.is_called:
            _look_for_new(run, folder, cursor)
    return count


def _look_for_new(run: Pass, folder: Folder, cursor: Cursor) -> None:
    """New mail of every folder, in the middle of what takes long in one; then that one is open again."""
    run.begin_round()
    others = synced_folders(run.account)
    db.session.commit()
    visit_each(run, others, is_first_round=False)
    if folder.id in run.troubled:
        raise run.troubled[folder.id]
    _opened_again(run, folder, cursor)


def _opened_again(run: Pass, folder: Folder, cursor: Cursor) -> FolderState:
    """The folder as it is now: to follow what changed may have taken minutes."""
    state = run.imap.examine(folder.name_raw)
    if state.uid_validity != cursor.uid_validity:
        raise UidValidityChangedError
    return state


def _compare(run: Pass, folder: Folder, state: FolderState, cursor: Cursor) -> Uids:
    """The whole set of UIDs: what is missing here is fetched, what is missing there is marked (F5)."""
    living, gone = (stored_uids(folder, cursor, is_living=is_living) for is_living in (True, False))
    db.session.commit()
    there = run.imap.all_uids(state)
    found = difference(there, living, gone, cursor, state.exists)
    validity = validity_of(cursor)
    if found.missing:
        lane = history_lane(run, folder, cursor)
        missing = array("q", found.missing)
        run.report.new_count += take_in(
            run, folder, lane, missing, lambda batch: Advance(last_uid=max(batch))
        )
    if found.vanished:
        run.report.vanished_count += follow_removals(
            run.account, folder, run.fence, validity, found.vanished, now()
        )
    if is_numbered_anew(cursor, state.uid_next, there):
        begin_anew(run, folder, cursor, there, living, gone)
    if found.returned:
        suspect_returned(run, folder)
    if cursor.is_history_whole:
        follow_renumbering(run.account, folder, run.fence, validity, now())
    return there
