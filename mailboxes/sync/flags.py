"""Which flags of a folder may have changed: as the server tells, or as each message is asked about."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import structlog

from mailboxes.accounts import Folder
from mailboxes.errors import CommandRefusedError, ConnectionLostError, TurnedAwayError
from mailboxes.imap import Changes, FolderState
from mailboxes.sync import leases
from mailboxes.sync.folders import keep_cursor
from mailboxes.sync.following import follow_flags
from mailboxes.sync.plan import FLAGS_WITHOUT_MODSEQ, Cursor, are_changes_told, is_day_over
from mailboxes.sync.running import Pass, validity_of
from mailboxes.sync.stored import newest_with_flags, note_untold, with_flags
from mailboxes.uids import Uids
from tenants.database import db, now

log = structlog.get_logger()


def changed_flags(
    run: Pass, folder: Folder, state: FolderState, cursor: Cursor
) -> Iterator[Mapping[int, tuple[str, ...]]]:
    """What has changed, where the server knows that; else flags of the newest, and once a day of all."""
    if _is_unchanged(cursor, state) and not _is_known_to_lie(run, folder, cursor):
        return
    changes = _told_changes(run, folder, state, cursor)
    if changes is not None:
        yield changes.flags
        if changes.others or cursor.flags_uid is not None:
            yield from _flags_of(run, folder, cursor, _to_be_asked(folder, cursor, changes.others))
        return
    newest = newest_with_flags(folder, cursor, FLAGS_WITHOUT_MODSEQ) if state.exists != 0 else []
    db.session.commit()
    if newest:
        yield _flags_told(run, folder, cursor, newest)
    # Where the server was asked in vain, all are asked for when it is asked again.
    is_untold = state.highest_mod_seq is not None and not are_changes_told(cursor, run.began_at)
    if newest and (cursor.flags_uid is not None or (is_day_over(cursor, now()) and not is_untold)):
        older = with_flags(folder, cursor, below=cursor.flags_uid or newest[-1])
        yield from _flags_of(run, folder, cursor, older)


def _is_unchanged(cursor: Cursor, state: FolderState) -> bool:
    """Whether the server says that nothing has changed."""
    return state.highest_mod_seq is not None and state.highest_mod_seq == cursor.mod_seq


def _is_known_to_lie(run: Pass, folder: Folder, cursor: Cursor) -> bool:
    """Once a day the newest are looked at all the same: some servers count no changes of flags. Where one has
    changed, or the look at all of them is under way, what the server says does not count."""
    if cursor.flags_uid is not None:
        return True
    newest = newest_with_flags(folder, cursor, FLAGS_WITHOUT_MODSEQ) if is_day_over(cursor, now()) else []
    db.session.commit()
    flags = _flags_told(run, folder, cursor, newest) if newest else {}
    return follow_flags(run.account, folder, run.fence, validity_of(cursor), flags) > 0


def _told_changes(run: Pass, folder: Folder, state: FolderState, cursor: Cursor) -> Changes | None:
    """None: the server does not tell. Where it refuses, or ends the connection over one message, any may have
    changed; then it is asked again tomorrow."""
    if state.highest_mod_seq is None or cursor.mod_seq is None or _is_unchanged(cursor, state):
        return None
    if not are_changes_told(cursor, run.began_at):
        return None
    try:
        changes = run.imap.changed_since(cursor.mod_seq)
    except (CommandRefusedError, TurnedAwayError, ConnectionLostError) as error:
        log.info("changes are not told", folder=str(folder.id), error=type(error).__name__)
        if not isinstance(error, CommandRefusedError):
            run.imap.reopen()  # raises where the server is gone: then it has refused nothing
        _keep(run, folder, changes_untold_at=run.began_at)
        return Changes({}, with_flags(folder, cursor))
    if cursor.untold_at is not None:
        _keep(run, folder, changes_untold_at=None)
    return changes


def _to_be_asked(folder: Folder, cursor: Cursor, changed: Uids) -> Uids:
    """What has changed, and all below where the pass before broke off, if it did."""
    if cursor.flags_uid is None:
        return changed
    below = max([cursor.flags_uid, *(uid + 1 for uid in changed.newest(1))])
    return with_flags(folder, cursor, below=below)


def _flags_of(
    run: Pass, folder: Folder, cursor: Cursor, uids: Uids
) -> Iterator[Mapping[int, tuple[str, ...]]]:
    """Newest first; where a pass has no time left or breaks off, the next one goes on below."""
    db.session.commit()
    for portion in uids.portions(FLAGS_WITHOUT_MODSEQ):
        yield _flags_told(run, folder, cursor, portion)
        _keep(run, folder, flags_uid=portion[-1])
        if run.is_over:
            return
    _keep(run, folder, flags_uid=None)


def _flags_told(
    run: Pass, folder: Folder, cursor: Cursor, uids: Sequence[int]
) -> Mapping[int, tuple[str, ...]]:
    """Flags of these; one over which the server ends the connection is not asked for again today."""
    run.imap.ended_over.clear()
    try:
        return run.imap.fetch_flags(uids)
    finally:
        if run.imap.ended_over:
            leases.demand(run.account.id, run.fence)
            note_untold(folder, cursor, run.imap.ended_over)
            db.session.commit()


def _keep(run: Pass, folder: Folder, **values: Any) -> None:
    leases.demand(run.account.id, run.fence)
    keep_cursor(folder, **values)
    db.session.commit()
