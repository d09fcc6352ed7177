"""One pass over an account: new mail of every folder, what changed, then a slice of history, again and again.

Nothing on the server is touched (EXAMINE and PEEK), unless the read state is mirrored. Every batch is
committed with its cursor, so that a pass may end at any moment, in whatever way.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import func, select

from mailboxes.accounts import Account, Folder
from mailboxes.arrivals import Arrival
from mailboxes.connections import egress_policy, imap_settings
from mailboxes.crash_points import crash_point
from mailboxes.errors import FolderUnavailableError, MailServerError, UidValidityChangedError
from mailboxes.imap import FolderState, ImapConnection
from mailboxes.sync import leases
from mailboxes.sync.arriving import Advance, Lane, arrive, prepared
from mailboxes.sync.failures import as_mail_error, note_failure, note_stall, note_success
from mailboxes.sync.folders import cursor_of, keep_cursor, refresh_folders, synced_folders
from mailboxes.sync.following import (
    follow_flags,
    follow_removals,
    follow_renumbering,
    follow_returns,
    mirror_reads,
)
from mailboxes.sync.plan import (
    FLAGS_WITHOUT_MODSEQ,
    Cursor,
    Epoch,
    difference,
    epoch_of,
    floor_of,
    history_uids,
    is_comparison_due,
    new_uids,
)
from tenants.configuration.layers import value_of
from tenants.database import db, now
from tenants.secrets import UnreadableSecretError

ROUND_SECONDS = 3.0  # of history, then new mail is looked for again
PASS_SECONDS = 480.0  # then another account may have its turn
UIDS_AT_ONCE = 500
RECENT = timedelta(hours=1)  # what came in while the account was being set up is no history
OVERLAP = timedelta(days=2)  # SEARCH SINCE knows days, in the server's time zone
SKEW = timedelta(hours=1)  # between the server's clock and ours
UNSTABLE = (
    "The server renumbers this folder again and again. Postroom goes on, and knows messages by their content."
)

Progress = Callable[[int, int], None]
Heard = Callable[[], None]

log = structlog.get_logger()


@dataclass
class PassReport:
    """What a pass has done. ``error``: why it ended early; ``has_more``: history is left for another one."""

    new_count: int = 0
    history_count: int = 0
    vanished_count: int = 0
    changed_count: int = 0
    folder_count: int = 0
    has_more: bool = False
    is_lease_lost: bool = False
    error: MailServerError | None = None

    @property
    def stored_count(self) -> int:
        """How many arrivals were stored."""
        return self.new_count + self.history_count

    def __str__(self) -> str:
        """For a terminal."""
        if self.error is not None:
            return f"{self.error.message} {self.error.advice}"
        parts = [f"{self.new_count} new", f"{self.history_count} from the history"]
        parts += [f"{self.changed_count} changed", f"{self.vanished_count} gone"]
        return f"{', '.join(parts)} in {self.folder_count} folders."


@dataclass
class _Pass:
    """What the steps of a pass share."""

    account: Account
    fence: int
    imap: ImapConnection
    report: PassReport
    progress: Progress | None
    stored: Heard | None
    deadline: float
    visited: set[UUID] = field(default_factory=set)
    done: int = 0
    total: int = 0

    def expect(self, count: int) -> None:
        self.total += count
        self._tell()

    def note_done(self, count: int) -> None:
        self.done += count
        self._tell()

    def _tell(self) -> None:
        if self.progress is not None:
            self.progress(self.done, self.total)


def sync_account(
    account_id: UUID, fence: int, progress: Progress | None = None, stored: Heard | None = None
) -> PassReport:
    """Run one pass under a lease. Never raises for what a server does; the account's row tells it.

    The session is bound to the account's owner. ``stored`` is called after each commit of arrivals.
    """
    report = PassReport()
    account = _account(account_id)
    try:
        settings, policy = imap_settings(account), egress_policy()
        db.session.commit()
        with ImapConnection(settings, policy) as imap:
            _run(_Pass(account, fence, imap, report, progress, stored, time.monotonic() + PASS_SECONDS))
    except leases.LeaseLostError:
        report.is_lease_lost = True
        return report
    except (MailServerError, UnreadableSecretError) as error:
        db.session.rollback()
        report.error = as_mail_error(error)
    return _settled(account_id, fence, report)


def _account(account_id: UUID) -> Account:
    query = select(Account).where(Account.id == account_id)
    return db.session.scalars(query.execution_options(populate_existing=True)).one()


def _settled(account_id: UUID, fence: int, report: PassReport) -> PassReport:
    """Write down how the pass went, if the account is still ours."""
    try:
        leases.demand(account_id, fence)
    except leases.LeaseLostError:
        report.is_lease_lost = True
        return report
    account = _account(account_id)
    if report.error is None:
        note_success(account, has_more=report.has_more)
    elif isinstance(report.error, UidValidityChangedError):
        note_stall(account, report.error)
    else:
        note_failure(account, report.error)
    db.session.commit()
    return report


def _run(run: _Pass) -> None:
    refresh_folders(run.account, run.fence, run.imap.folders())
    is_first_round = True
    while True:
        folders = synced_folders(run.account)
        db.session.commit()
        run.report.folder_count = len(folders)
        for folder in folders:
            _visit(run, folder, is_first_round=is_first_round)
        if is_first_round and run.account.mirrors_read_state:
            run.report.changed_count += mirror_reads(run.account, run.fence, run.imap)
        has_more = _history_round(run, folders)
        if not has_more or time.monotonic() > run.deadline:
            run.report.has_more = has_more
            return
        is_first_round = False


# --- one folder ------------------------------------------------------------------------------


def _visit(run: _Pass, folder: Folder, *, is_first_round: bool) -> None:
    """New mail of a folder; once in a pass also what changed. A folder that fails stops no other."""
    try:
        state = run.imap.examine(folder.name_raw)
        cursor = cursor_of(folder)
        db.session.commit()
        epoch = epoch_of(cursor, state.uid_validity)
        if epoch is Epoch.UNSTABLE:
            _visit_unstable(run, folder, state, cursor)
            return
        if epoch is not Epoch.SAME:
            cursor = _begin_epoch(run, folder, state, cursor, epoch)
        new_count = _fetch_new(run, folder, state, cursor)
        if is_first_round:
            _follow(run, folder, state, cursor, new_count, is_steady=epoch is Epoch.SAME)
    except FolderUnavailableError as error:
        db.session.rollback()
        _note_unavailable(run, folder, error)


def _note_unavailable(run: _Pass, folder: Folder, error: FolderUnavailableError) -> None:
    leases.demand(run.account.id, run.fence)
    gone = {"gone_at": now()} if error.code == "NONEXISTENT" else {}
    keep_cursor(folder, last_error=f"{error.message} {error.advice}", **gone)
    db.session.commit()


def _begin_epoch(run: _Pass, folder: Folder, state: FolderState, cursor: Cursor, epoch: Epoch) -> Cursor:
    """The first visit, or the first after the server has renumbered: where history ends is fixed now."""
    uids = run.imap.all_uids(state)
    first_uid = max(uids, default=0)
    floor = floor_of(_chosen_history(run, folder, epoch), first_uid)
    renumberings = cursor.renumberings + 1 if epoch is Epoch.RENUMBERED else 0
    begun = Cursor(
        uid_validity=state.uid_validity,
        last_uid=first_uid,
        mod_seq=state.highest_mod_seq,
        first_uid=first_uid,
        history_uid=first_uid + 1,
        history_floor=floor,
        renumberings=renumberings,
        server_count=state.exists,
        compared_at=now() if epoch is Epoch.FIRST else None,
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
        changed_validity_count=renumberings,
        server_count=begun.server_count,
        compared_at=begun.compared_at,
        last_error="",
    )
    db.session.commit()
    crash_point("epoch stored")
    return begun


def _chosen_history(run: _Pass, folder: Folder, epoch: Epoch) -> Sequence[int]:
    """UIDs of the history to take over, or the lowest; after a renumbering, of all that may be here."""
    if epoch is Epoch.RENUMBERED:
        since = _oldest_stored(folder) or run.account.synced_at or now()
        db.session.commit()
        return run.imap.search_uids(since=_day(since))
    days = _history_days(run.account)
    db.session.commit()
    if days is None:
        return [1]
    return run.imap.search_uids(since=(now() - timedelta(days=days)).date()) if days else _recent(run)


def _recent(run: _Pass) -> list[int]:
    """What came in since the account was set up just now; nothing once it has been synced."""
    since = _set_up_at(run.account)
    if since is None:
        return []
    details = run.imap.fetch_details(run.imap.search_uids(since=_day(since))[-UIDS_AT_ONCE:])
    return [uid for uid, found in details.items() if found.received_at and found.received_at >= since]


def _set_up_at(account: Account) -> datetime | None:
    if account.synced_at is not None:
        return None
    return max(account.created_at, now() - RECENT).replace(microsecond=0)


def _history_days(account: Account) -> int | None:
    """How many days of history were chosen; None for all of it."""
    if account.history == "inherit":
        chosen = value_of("sync.history_days")
        return None if chosen == "all" else int(chosen)
    if account.history == "days":
        return account.history_days or 0
    return None if account.history == "all" else 0


def _oldest_stored(folder: Folder) -> datetime | None:
    return db.session.scalar(select(func.min(Arrival.received_at)).where(Arrival.folder_id == folder.id))


def _day(moment: datetime) -> date:
    return (moment - OVERLAP).date()


# --- new mail and history --------------------------------------------------------------------


def _fetch_new(run: _Pass, folder: Folder, state: FolderState, cursor: Cursor) -> int:
    if state.exists == 0 or (state.uid_next is not None and state.uid_next <= cursor.last_uid + 1):
        return 0
    uids = new_uids(run.imap.search_uids(cursor.last_uid + 1), cursor)
    crash_point("uids listed")
    lane = Lane(_validity(cursor))
    run.report.new_count += _take_in(run, folder, lane, uids, lambda batch: Advance(last_uid=max(batch)))
    return len(uids)


def _history_round(run: _Pass, folders: Sequence[Folder]) -> bool:
    """A few seconds of history, newest first; whether some is left."""
    ends = min(time.monotonic() + ROUND_SECONDS, run.deadline)
    for folder in folders:
        cursor = cursor_of(folder)
        db.session.commit()
        if not cursor.has_history_left or epoch_of(cursor, cursor.uid_validity) is Epoch.UNSTABLE:
            continue
        with suppress(FolderUnavailableError):
            if _fetch_history(run, folder, cursor, ends):
                return True
    return False


def _fetch_history(run: _Pass, folder: Folder, cursor: Cursor, ends: float) -> bool:
    """History of one folder until the time is over; whether some is left."""
    state = run.imap.examine(folder.name_raw)
    if state.uid_validity != cursor.uid_validity:
        raise UidValidityChangedError
    uids = history_uids(run.imap.all_uids(state), cursor)
    if folder.id not in run.visited:
        run.visited.add(folder.id)
        run.expect(len(uids))
    lane = _history_lane(run, folder, cursor)
    for start in range(0, len(uids), UIDS_AT_ONCE):
        if start and time.monotonic() > ends:
            return True
        portion = uids[start : start + UIDS_AT_ONCE]
        run.report.history_count += _take_in(
            run, folder, lane, portion, lambda batch: Advance(history_uid=min(batch)), is_expected=True
        )
    leases.demand(run.account.id, run.fence)
    keep_cursor(folder, history_uid=cursor.history_floor)
    db.session.commit()
    if lane.is_seen_again:
        follow_renumbering(run.account, folder, run.fence, _validity(cursor), now())
    return False


def _history_lane(run: _Pass, folder: Folder, cursor: Cursor) -> Lane:
    """In an epoch after a renumbering everything is seen again, and what came in meanwhile is new."""
    has_former = db.session.scalar(
        select(Arrival.id)
        .where(Arrival.folder_id == folder.id, Arrival.uid_validity != cursor.uid_validity)
        .limit(1)
    )
    db.session.commit()
    synced_at = run.account.synced_at
    return Lane(
        _validity(cursor),
        is_seen_again=has_former is not None,
        history_before=synced_at - SKEW if has_former and synced_at else _set_up_at(run.account),
        history_through=cursor.first_uid,
    )


def _take_in(
    run: _Pass,
    folder: Folder,
    lane: Lane,
    uids: Sequence[int],
    advance: Callable[[list[int]], Advance],
    *,
    is_expected: bool = False,
) -> int:
    """Fetch and store; every batch commits with the cursor. How many arrivals are new."""
    if not is_expected:
        run.expect(len(uids))
    count = 0
    for portion in _portions(uids):
        for batch in prepared(run.imap.fetch_messages(portion)):
            moved = advance([item.message.uid for item in batch])
            count += arrive(run.account, folder, run.fence, lane, batch, moved)
            run.note_done(len(batch))
            if run.stored is not None:
                run.stored()
    return count


def _portions(uids: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(uids), UIDS_AT_ONCE):
        yield uids[start : start + UIDS_AT_ONCE]


def _validity(cursor: Cursor) -> int:
    return cursor.uid_validity or 0


# --- what changed ----------------------------------------------------------------------------


def _follow(
    run: _Pass, folder: Folder, state: FolderState, cursor: Cursor, new_count: int, *, is_steady: bool
) -> None:
    kept: dict[str, Any] = {"server_count": state.exists, "last_error": "", "gone_at": None}
    if is_steady and not cursor.has_history_left:
        kept["changed_validity_count"] = 0  # it has held for a whole visit
    run.report.changed_count += _follow_changes(run, folder, state, cursor)
    kept["mod_seq"] = state.highest_mod_seq
    if is_comparison_due(cursor, state.exists, new_count, now()):
        _compare(run, folder, state, cursor_of(folder))
        kept["compared_at"] = now()
    leases.demand(run.account.id, run.fence)
    keep_cursor(folder, **kept)
    db.session.commit()


def _follow_changes(run: _Pass, folder: Folder, state: FolderState, cursor: Cursor) -> int:
    flags: dict[int, tuple[str, ...]] = {}
    if state.highest_mod_seq is not None and cursor.mod_seq is not None:
        if state.highest_mod_seq != cursor.mod_seq:
            flags = {found.uid: found.flags for found in run.imap.changed_since(cursor.mod_seq)}
    elif state.exists:
        newest = _newest_stored(folder, cursor)
        db.session.commit()
        flags = run.imap.fetch_flags(newest) if newest else {}
    return follow_flags(run.account, folder, run.fence, _validity(cursor), flags)


def _newest_stored(folder: Folder, cursor: Cursor) -> list[int]:
    return list(
        db.session.scalars(
            select(Arrival.uid)
            .where(
                Arrival.folder_id == folder.id,
                Arrival.uid_validity == cursor.uid_validity,
                Arrival.vanished_at.is_(None),
            )
            .order_by(Arrival.uid.desc())
            .limit(FLAGS_WITHOUT_MODSEQ)
        )
    )


def _compare(run: _Pass, folder: Folder, state: FolderState, cursor: Cursor) -> None:
    """The whole set of UIDs: what is missing here is fetched, what is missing there is marked (F5)."""
    rows = db.session.execute(
        select(Arrival.uid, Arrival.vanished_at.is_(None).label("is_living")).where(
            Arrival.folder_id == folder.id, Arrival.uid_validity == cursor.uid_validity
        )
    ).all()
    db.session.commit()
    found = difference(
        run.imap.all_uids(state),
        [row.uid for row in rows if row.is_living],
        [row.uid for row in rows if not row.is_living],
        cursor,
        state.exists,
    )
    validity = _validity(cursor)
    if found.missing:
        lane = replace(_history_lane(run, folder, cursor), history_through=cursor.first_uid)
        missing = sorted(found.missing)
        run.report.new_count += _take_in(run, folder, lane, missing, lambda batch: Advance())
    if found.vanished:
        run.report.vanished_count += follow_removals(
            run.account, folder, run.fence, validity, found.vanished, now()
        )
    if found.returned:
        follow_returns(run.account, folder, run.fence, validity, found.returned)
    if not cursor.has_history_left:
        follow_renumbering(run.account, folder, run.fence, validity, now())


# --- folders whose UIDs mean nothing ---------------------------------------------------------


def _visit_unstable(run: _Pass, folder: Folder, state: FolderState, cursor: Cursor) -> None:
    """Only content counts: what came in lately is fetched, and stored if its bytes are not here (F2, F3)."""
    since = run.account.synced_at or _set_up_at(run.account) or now()
    uids = _chosen_history(run, folder, Epoch.RENUMBERED) if state.exists else []
    # No server has such a UIDVALIDITY, and no two visits have the same.
    lane = Lane(time.time_ns() // 1_000_000, is_seen_again=True, history_before=since, history_through=2**63)
    known = _known_bytes(folder)
    db.session.commit()
    for portion in _portions(uids):
        for batch in prepared(run.imap.fetch_messages(portion)):
            fresh = [item for item in batch if item.packed is None or item.packed.sha256 not in known]
            if fresh:
                run.report.new_count += arrive(run.account, folder, run.fence, lane, fresh, Advance())
                if run.stored is not None:
                    run.stored()
    leases.demand(run.account.id, run.fence)
    keep_cursor(folder, compared_at=now(), server_count=state.exists, last_error=UNSTABLE)
    db.session.commit()
    log.info("folder is unstable", folder=str(folder.id))


def _known_bytes(folder: Folder) -> set[bytes]:
    return set(db.session.scalars(select(Arrival.sha256).where(Arrival.folder_id == folder.id)))
