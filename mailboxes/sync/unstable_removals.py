"""What is removed from a folder whose UIDs mean nothing: known by dates that no message there has any more.

Three things have to agree: the search found all that the folder is said to hold (F8), the server hands out no
message that it received in that second, and it has so many fewer than are here. A server that dates messages
anew, or does not show all it has, loses none.
"""

from array import array
from bisect import bisect_left
from collections.abc import Sequence
from datetime import UTC, datetime

from mailboxes.accounts import Folder
from mailboxes.imap import FolderState
from mailboxes.sync.following import follow_lost_dates
from mailboxes.sync.running import Pass, portions
from mailboxes.sync.stored import living
from tenants.database import db, now


def follow_unstable_removals(run: Pass, folder: Folder, state: FolderState, uids: Sequence[int]) -> None:
    """Mark what is gone, and commit. ``uids``: of all that may be here; each was read a moment ago."""
    is_all_found = state.exists is not None and len(uids) >= state.exists
    there = _dates_there(run, uids) if is_all_found else None
    if there is None:
        return
    lost, count, lost_count = array("q"), 0, 0
    for one in living(folder):
        count += one.count
        if one.received_at is not None and not _has(there, second := int(one.received_at.timestamp())):
            lost.append(second)
            lost_count += one.count
    db.session.commit()
    if lost_count <= count - len(there):
        dates = [datetime.fromtimestamp(second, UTC) for second in lost]
        run.report.vanished_count += follow_lost_dates(run.account, folder, run.fence, dates, now())


def _dates_there(run: Pass, uids: Sequence[int]) -> "array[int] | None":
    """The seconds in which the server received them, ascending; None where it does not tell of each."""
    seconds = array("q")
    for portion in portions(uids):
        if run.is_out_of_time:
            return None
        told = run.imap.fetch_details(portion).values()
        seconds.extend(int(one.received_at.timestamp()) for one in told if one.received_at is not None)
    return array("q", sorted(seconds)) if len(seconds) == len(uids) else None


def _has(ascending: "array[int]", second: int) -> bool:
    place = bisect_left(ascending, second)
    return place < len(ascending) and ascending[place] == second
