"""A folder that fails is left for the rest of a pass, told where people look for it, and stops no other."""

from collections.abc import Sequence
from datetime import timedelta

from mailboxes.accounts import Folder
from mailboxes.errors import (
    CommandRefusedError,
    ConnectionLostError,
    FolderUnavailableError,
    MailServerError,
    ProtocolError,
    ServerTimeoutError,
    TurnedAwayError,
)
from mailboxes.sync import leases
from mailboxes.sync.folders import keep_cursor
from mailboxes.sync.running import Pass
from tenants.database import db, now

MOST_RECONNECTS = 3  # in one pass, after folders that hang or whose answers make no sense
MOST_TRIED_AGAIN = 2  # in one pass, of folders that have done so before: what breaks anew has one left
LEFT_ALONE = timedelta(minutes=10)  # a folder that hangs twice in a row: each time costs a minute and more
SILENCE = (ServerTimeoutError, ConnectionLostError, TurnedAwayError)  # a goodbye is one in words
OF_A_FOLDER = (CommandRefusedError, ProtocolError, *SILENCE)  # the server is there, but not for this one
READ_LAST = "The folder is read after all others, and not in every pass."
UNWRITTEN = "What is read here could not be marked as read in this folder of the server."


class LeftAloneError(MailServerError):
    """A folder is not tried for now."""

    message = "The server gave no answer, or none that could be understood."
    advice = "Postroom tries again by itself, within minutes."


def leave_alone(run: Pass, folders: Sequence[Folder]) -> None:
    """Folders that cost the connection lately: known as such, not tried while they are left alone, and few
    of them in one pass. However many there are, they do not end it."""
    known = [folder for folder in folders if folder.left_alone_until is not None]
    run.hung_before |= {folder.id for folder in known}
    others = [folder for folder in known if folder.special_use != "inbox"]
    tried = [folder for folder in others if not _is_left_alone(folder)][:MOST_TRIED_AGAIN]
    run.troubled |= {folder.id: LeftAloneError() for folder in others if folder not in tried}


def _is_left_alone(folder: Folder) -> bool:
    until = folder.left_alone_until
    return until is not None and now() < until <= now() + LEFT_ALONE  # else the clock has been set back


def leave(run: Pass, folder: Folder, error: MailServerError, *, is_read: bool = False) -> None:
    """Note what a folder fails by; commits. Raises where one after another breaks the conversation.

    ``is_read``: only its history fails, for which its new mail is not made to wait.
    """
    db.session.rollback()
    run.troubled[folder.id] = error
    _note_trouble(run, folder, error, is_read=is_read)
    _go_on(run, error)


def leave_unwritten(run: Pass, folder: Folder, error: MailServerError) -> None:
    """Note that reads cannot be told to the server; commits. The folder itself is read on."""
    db.session.rollback()
    _note(run, folder, {"last_error": f"{UNWRITTEN} {error.advice}"})
    run.connect_again()


def demand_readable(run: Pass, folders: Sequence[Folder]) -> None:
    """Raise what the inbox, or every folder, fails by: a trouble of the account, told as one (F51).

    What is refused once new mail was fetched is the folder's own; an answer out of step never is (F18).
    """
    of_folder = {id for id in run.fetched if isinstance(run.troubled.get(id), CommandRefusedError)}
    failed = [folder for folder in folders if folder.id in run.troubled.keys() - of_folder]
    for folder in failed:
        if folder.special_use == "inbox" or len(failed) == len(folders):
            raise run.troubled[folder.id]


def _go_on(run: Pass, error: MailServerError) -> None:
    """Connect anew if the error has ended the connection; raises it if that happens again and again."""
    if run.imap.is_open:
        return
    run.reconnect_count += 1
    most = MOST_RECONNECTS if run.fetched or not run.is_doubtful else 0
    if run.reconnect_count > most or run.imap.is_turned_away or run.is_out_of_time:
        raise error
    run.imap.open()


def _note_trouble(run: Pass, folder: Folder, error: MailServerError, *, is_read: bool) -> None:
    advice = READ_LAST if error.needs_reconnect else error.advice_alone
    noted: dict[str, object] = {"last_error": f"{error.message} {advice}"}
    if isinstance(error, FolderUnavailableError) and error.code == "NONEXISTENT":
        noted["gone_at"] = now()
    if error.needs_reconnect:
        # The inbox is tried with every pass: what it fails by is the account's trouble, which backs off.
        is_again = folder.id in run.hung_before and folder.special_use != "inbox" and not is_read
        noted["left_alone_until"] = now() + LEFT_ALONE if is_again else now()
    _note(run, folder, noted)


def _note(run: Pass, folder: Folder, noted: dict[str, object]) -> None:
    leases.demand(run.account.id, run.fence)
    keep_cursor(folder, **noted)
    db.session.commit()
