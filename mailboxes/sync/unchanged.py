"""Folders in which nothing has happened, as the server tells of all of them in one go (RFC 5819).

What is told is a reason not to visit one, and nothing else: no cursor moves by it, and it is not believed for
long. Each folder is visited once a day and in its turn, the inbox always; a server that tells of less than
was there before is not asked for a day. Where an account reads few folders, all are visited.
"""

from collections.abc import Mapping, Sequence
from uuid import UUID

import structlog
from sqlalchemy import select

from mailboxes.accounts import Folder
from mailboxes.arrivals import Arrival
from mailboxes.errors import MailServerError, ServerUnavailableError
from mailboxes.imap import FolderStatus
from mailboxes.intake.held import MISSING
from mailboxes.sync import leases
from mailboxes.sync.auditing import is_audit_wanted
from mailboxes.sync.folders import cursor_from
from mailboxes.sync.leaving import OF_A_FOLDER
from mailboxes.sync.plan import (
    COMPARED_EVERY,
    FEW_FOLDERS,
    are_told_at_once,
    is_as_visited,
    is_at_rest,
    is_behind,
)
from mailboxes.sync.running import Pass
from tenants.database import db, now

log = structlog.get_logger()


def unchanged_folders(run: Pass, folders: Sequence[Folder], *, is_first_round: bool) -> set[UUID]:
    """Of folders in their turn, those that need no visit now. ``is_first_round``: in which more is looked for
    than new mail."""
    is_asked = are_told_at_once(len(folders), run.account.statuses_untold_at, now())
    told = _told(run) if is_asked else {}
    in_turn = [folder.id for folder in folders if folder.id not in run.troubled][:FEW_FOLDERS]
    if any(_is_behind(folder, told[folder.name_raw]) for folder in folders if folder.name_raw in told):
        log.info("what is told of folders is behind", account=str(run.account.id))
        _note_untold(run)
        return set()
    unchanged = {
        folder.id
        for folder in folders
        if folder.name_raw in told
        and folder.special_use != "inbox"
        and _is_as_visited(folder, told[folder.name_raw])
        and not (is_first_round and (folder.id in in_turn or _is_busy(folder, told[folder.name_raw])))
    }
    return unchanged - _awaited(run) if is_first_round and unchanged else unchanged


def _told(run: Pass) -> Mapping[bytes, FolderStatus]:
    try:
        return run.imap.statuses()
    except OF_A_FOLDER as error:
        _note_refused(run, error)
        run.connect_again()
        return {}
    except ServerUnavailableError as error:  # it is asked too much: left alone, and then not asked for this
        _note_refused(run, error)
        raise


def _note_refused(run: Pass, error: MailServerError) -> None:
    """Noted first: a server that lets nobody in after it was asked would be asked in each pass for ever."""
    log.info("folders are not told of at once", error=type(error).__name__)
    _note_untold(run)


def _note_untold(run: Pass) -> None:
    leases.demand(run.account.id, run.fence)
    run.account.statuses_untold_at = now()
    db.session.commit()


def _is_as_visited(folder: Folder, told: FolderStatus) -> bool:
    return is_as_visited(cursor_from(folder), told.uid_validity, told.uid_next, told.messages)


def _is_behind(folder: Folder, told: FolderStatus) -> bool:
    return is_behind(cursor_from(folder), told.uid_validity, told.uid_next, told.highest_mod_seq)


def _is_busy(folder: Folder, told: FolderStatus) -> bool:
    """Whether a visit has something to do, though nothing new has come."""
    is_at_ease = not folder.last_error and folder.left_alone_until is None and folder.reused_uid is None
    is_resting = is_at_rest(cursor_from(folder), told.messages, told.highest_mod_seq, now())
    return not (is_at_ease and is_resting) or is_audit_wanted(folder)


def _awaited(run: Pass) -> set[UUID]:
    """Folders with messages that somebody asks for, or that the server may hand out by now."""
    is_tried = (Arrival.state == "unfetchable") & (Arrival.arrived_at > now() - COMPARED_EVERY)
    query = select(Arrival.folder_id).where(
        Arrival.account_id == run.account.id,
        Arrival.state.in_(MISSING),
        Arrival.vanished_at.is_(None),
        Arrival.is_wanted | is_tried,
    )
    awaited = set(db.session.scalars(query.distinct()))
    db.session.commit()
    return awaited
