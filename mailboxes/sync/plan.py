"""What a pass has to do in a folder. Pure: numbers and sets in, decisions out.

The cursor is what is committed, never what a server announces (UIDNEXT is a moving hint). A server may
count wrongly, repeat itself, forget to order, renumber; sets and their differences survive all of that.
"""

from array import array
from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from mailboxes.uids import HIGHEST_UID, Uids, in_order

MOST_RENUMBERINGS = 5  # in a row; then UIDs of the folder are no longer trusted
STEADY_VISITS = 10  # with the same UIDVALIDITY; then they are again
NO_VALIDITY = 0  # no server may have it (RFC 9051 §9): whatever comes next is a renumbering
COMPARED_EVERY = timedelta(days=1)
SKEW = timedelta(hours=1)  # between the server's clock and ours
FLAGS_WITHOUT_MODSEQ = 500  # newest messages whose flags are asked for in each pass
UIDS_AT_ONCE = 500
FEW_FOLDERS = 30  # are visited whatever is told: all of an account, or those whose turn it is
FEWEST_AT_ONCE = 10
PORTION_SECONDS = 1.0

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
LONGEST_PAUSE = timedelta(hours=1)
REFUSED_PAUSE = timedelta(hours=1)
LONG_REFUSED_PAUSE = timedelta(hours=6)
FIRST_PAUSE = timedelta(seconds=30)
FIRST_CALM_PAUSE = timedelta(minutes=10)
REFUSALS_BEFORE_LONG_PAUSE = 3


class Epoch(StrEnum):
    """What the UIDVALIDITY of a folder says about the UIDs that are stored."""

    FIRST = "first"
    SAME = "same"
    RENUMBERED = "renumbered"
    UNSTABLE = "unstable"


@dataclass(frozen=True, slots=True)
class Cursor:
    """What is committed of a folder.

    UIDs up to ``first_uid`` were there when the folder was chosen (again). Of those, everything from
    ``history_uid`` up is stored, and nothing below ``history_floor`` ever will be (0: not decided yet).
    ``server_count``, ``uid_next``: what the server told at the last whole visit.
    ``flags_uid``: down to here the flags of all messages were asked for, and the rest is still to be asked.
    ``untold_at``: when the server last did not tell what had changed since ``mod_seq``.
    ``reread_count``: how many of an unstable folder have been read anew since it was due; ``reread_met``: how
    many of these are not whole, by their look.
    ``new_since``: what the server received since then is new, whatever its UID; but not what has a UID below
    ``chosen_uid``, the next one when the folder was chosen, while it is numbered by ``chosen_validity``.
    """

    uid_validity: int | None = None
    last_uid: int = 0
    mod_seq: int | None = None
    first_uid: int = 0
    history_uid: int = 0
    history_floor: int = 0
    renumberings: int = 0
    server_count: int | None = None
    uid_next: int | None = None
    compared_at: datetime | None = None
    flags_uid: int | None = None
    untold_at: datetime | None = None
    reread_count: int = 0
    reread_met: Mapping[int, int] = field(default_factory=dict)
    new_since: datetime = LONG_AGO
    chosen_uid: int | None = None
    chosen_validity: int | None = None

    @property
    def new_uid(self) -> int:
        """The lowest UID that may be new."""
        is_told = self.chosen_uid is not None and self.chosen_validity == self.uid_validity
        return self.chosen_uid or 0 if is_told else 0

    @property
    def has_history_left(self) -> bool:
        """Whether a part of the chosen history is not stored yet."""
        return self.is_history_chosen and self.history_uid > self.history_floor

    @property
    def is_history_whole(self) -> bool:
        """Whether all of the chosen history is stored."""
        return self.is_history_chosen and not self.has_history_left

    @property
    def is_history_chosen(self) -> bool:
        """Whether it is decided where the history begins."""
        return self.history_floor > 0

    @property
    def is_distrusted(self) -> bool:
        """Whether its UIDs mean nothing, whatever the server says now."""
        return self.renumberings >= MOST_RENUMBERINGS


@dataclass(frozen=True, slots=True)
class Difference:
    """Server and store set against each other: UIDs to fetch, to mark as gone, to bring back."""

    missing: Uids
    vanished: Uids
    returned: Uids


def epoch_of(cursor: Cursor, uid_validity: int | None) -> Epoch:
    """Whether stored UIDs mean anything. A server without UIDVALIDITY promises nothing (F3)."""
    if uid_validity is None or cursor.is_distrusted:
        return Epoch.UNSTABLE
    if cursor.uid_validity is None:
        return Epoch.FIRST
    return Epoch.SAME if cursor.uid_validity == uid_validity else Epoch.RENUMBERED


def renumberings_after(cursor: Cursor) -> int:
    """How many there have been with this one; the last that is put up with makes the folder unstable."""
    count = cursor.renumberings + 1
    return count if count < MOST_RENUMBERINGS else MOST_RENUMBERINGS + STEADY_VISITS


def trust_after(cursor: Cursor, uid_validity: int | None) -> tuple[int | None, int]:
    """After a visit to a distrusted folder: the UIDVALIDITY and the count of renumberings to keep.

    A folder that shows the same UIDVALIDITY for `STEADY_VISITS` begins a new epoch with its next visit.
    """
    if uid_validity is None or uid_validity != cursor.uid_validity:
        return uid_validity, MOST_RENUMBERINGS + STEADY_VISITS
    count = cursor.renumberings - 1
    return (uid_validity, count) if count >= MOST_RENUMBERINGS else (NO_VALIDITY, 0)


def may_have_new(cursor: Cursor, exists: int | None, uid_next: int | None) -> bool:
    """Whether to search beyond the cursor. UIDNEXT is a hint: it counts only where the number of messages,
    if it is told, is what it was."""
    if exists == 0:
        return False
    is_as_before = exists is None or exists == cursor.server_count
    return not (is_as_before and uid_next is not None and uid_next <= cursor.last_uid + 1)


def are_told_at_once(folder_count: int, untold_at: datetime | None, at: datetime) -> bool:
    """Whether a server is asked of all folders in one go; one that told wrongly is asked after a day."""
    return folder_count > FEW_FOLDERS and (untold_at is None or _is_day_from(untold_at, at))


def is_as_visited(cursor: Cursor, uid_validity: int | None, uid_next: int | None, exists: int | None) -> bool:
    """Whether a server tells of a folder, without opening it, what it told at the last whole visit."""
    told = uid_validity, uid_next, exists
    known = cursor.uid_validity, cursor.uid_next, cursor.server_count
    return None not in told and told == known and not cursor.is_distrusted


def is_at_rest(cursor: Cursor, exists: int | None, mod_seq: int | None, at: datetime) -> bool:
    """Whether a folder without new mail needs no visit: no flag has changed, and nothing is under way."""
    are_flags_known = exists == 0 or (mod_seq is not None and mod_seq == cursor.mod_seq)
    is_followed = cursor.flags_uid is None and cursor.untold_at is None and cursor.renumberings == 0
    is_chosen_long_ago = cursor.chosen_uid is None or cursor.has_history_left
    is_begun = cursor.is_history_chosen and is_chosen_long_ago and cursor.first_uid <= cursor.last_uid
    return are_flags_known and is_followed and is_begun and not is_day_over(cursor, at)


def is_behind(cursor: Cursor, uid_validity: int | None, uid_next: int | None, mod_seq: int | None) -> bool:
    """Whether a server tells of a folder less than it told before: these numbers go up and never back."""
    pairs = (uid_next, cursor.uid_next), (mod_seq, cursor.mod_seq)
    is_same = uid_validity is not None and uid_validity == cursor.uid_validity
    return is_same and any(a is not None and b is not None and a < b for a, b in pairs)


def new_uids(found: Iterable[int], cursor: Cursor) -> "array[int]":
    """UIDs beyond the cursor, ascending; ``n:*`` also answers with the last old one (F4, F6).

    There may be a million of them after a long pause.
    """
    ascending = in_order(found if isinstance(found, array) else array("q", found))
    return ascending[bisect_right(ascending, cursor.last_uid) :]


def history_uids(found: Uids, cursor: Cursor) -> Uids:
    """UIDs of the chosen history that are not stored yet."""
    return found.between(cursor.history_floor, min(cursor.history_uid - 1, cursor.first_uid))


def is_new(received_at: datetime | None, new_since: datetime, looked_at: datetime) -> bool:
    """Whether a message came in between; INTERNALDATE counts whole seconds.

    A date that is still to come, by more than clocks differ, says no more than none.
    """
    return received_at is not None and new_since.replace(microsecond=0) <= received_at <= looked_at + SKEW


def new_since_after(cursor: Cursor, looked_at: datetime) -> datetime:
    """From when on mail is new, after a visit that looked for it then.

    All that came before is stored, or stays on the server by choice. While history is left, new mail may be
    among it: a folder that could not be read for weeks, or that was renumbered, has all of it there.
    """
    if cursor.has_history_left:
        return cursor.new_since
    is_ahead = cursor.new_since > looked_at + SKEW  # it was noted by a clock that has been set back since
    return looked_at - SKEW if is_ahead else max(cursor.new_since, looked_at - SKEW)


def portion_after(count: int, seconds: float) -> int:
    """How much history to take next, after so much of it took so long: new mail is waiting for its turn."""
    return max(FEWEST_AT_ONCE, min(UIDS_AT_ONCE, round(count * PORTION_SECONDS / max(seconds, 0.001))))


def floor_of(chosen: Collection[int], first_uid: int) -> int:
    """The lowest UID of the chosen history; just above everything if nothing was chosen."""
    return min((uid for uid in chosen if 0 < uid <= first_uid), default=first_uid + 1)


def is_day_over(cursor: Cursor, at: datetime) -> bool:
    """Whether the last full comparison is a day ago, or somebody asked for another one."""
    return cursor.compared_at is None or _is_day_from(cursor.compared_at, at)


def are_changes_told(cursor: Cursor, at: datetime) -> bool:
    """Whether to ask the server what has changed; one that did not tell is asked again after a day."""
    is_long_ago = cursor.untold_at is None or _is_day_from(cursor.untold_at, at)
    return is_long_ago or cursor.compared_at is None


def _is_day_from(moment: datetime, at: datetime) -> bool:
    """Whether it is a day ago, or lies as far ahead: it was noted by a clock that has been set back since."""
    return abs(at - moment) >= COMPARED_EVERY


def is_comparison_due(
    cursor: Cursor, exists: int | None, uid_next: int | None, new_count: int, at: datetime
) -> bool:
    """Whether the whole set of UIDs has to be looked at: daily, and when the numbers do not add up."""
    if is_day_over(cursor, at):
        return True
    if uid_next is not None and uid_next <= cursor.last_uid:
        return True
    if exists is None:
        return False
    return cursor.server_count is None or exists != cursor.server_count + new_count


def difference(server: Uids, living: Uids, gone: Uids, cursor: Cursor, exists: int | None) -> Difference:
    """Compare what the server has with what is stored of this epoch.

    A server that lists fewer messages than it counts has not shown everything: then nothing is
    taken for gone (F8), nor where it does not count and lists none. UIDs below the history that is stored
    are not missing; those above the cursor are, where the server has told of no new ones.
    """
    lowest = min(cursor.history_uid, cursor.first_uid + 1)
    is_complete = len(server) >= (1 if exists is None else exists)
    missing = (server - living - gone).between(lowest, HIGHEST_UID)
    return Difference(
        missing=missing,
        vanished=living - server if is_complete and not _is_odd(server, living, missing) else Uids(),
        returned=gone & server,
    )


def _is_odd(server: Uids, living: Uids, missing: Uids) -> bool:
    """Whether most of what the server lists should be known and is not, and lies below all that is stored
    (iCloud). Where it proves to be there, the next comparison has it."""
    if not server or not living or server.newest(1)[0] >= next(iter(living)):
        return False
    return 2 * len(missing) > len(server)


def is_numbered_anew(cursor: Cursor, uid_next: int | None, server: Collection[int]) -> bool:
    """Whether the server counts from a lower UID again, though UIDVALIDITY says that it may not (F6)."""
    return uid_next is not None and max(server, default=0) < uid_next <= cursor.last_uid


def pause_after(
    failures: int,
    *,
    is_refused: bool,
    retry_after: float | None,
    jitter: float,
    is_permanent: bool = False,
) -> timedelta:
    """How long to leave a server alone after so many failures in a row.

    ``jitter``: 0 … 1, so that many accounts of one server do not come back together. What a throttling
    server asks for is obeyed (F34); a rejected login is repeated hourly at most (F31). What waits for
    a change (``is_permanent``), such as an expired certificate, is looked at calmly.
    """
    if is_refused:
        pause = REFUSED_PAUSE if failures < REFUSALS_BEFORE_LONG_PAUSE else LONG_REFUSED_PAUSE
    else:
        first = FIRST_CALM_PAUSE if is_permanent else FIRST_PAUSE
        pause = min(LONGEST_PAUSE, first * 2 ** min(max(failures, 1) - 1, 10))
        pause *= 0.75 + jitter / 2
    return max(pause, timedelta(seconds=retry_after or 0))
