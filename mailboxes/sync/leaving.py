"""A folder that fails is left for the rest of a pass, told where people look for it, and stops no other."""

from collections.abc import Sequence

from mailboxes.accounts import Folder
from mailboxes.errors import CommandRefusedError, FolderUnavailableError, MailServerError, ProtocolError
from mailboxes.sync import leases
from mailboxes.sync.folders import keep_cursor
from mailboxes.sync.running import Pass
from tenants.database import db, now

MOST_RECONNECTS = 3  # in one pass, after folders whose answers make no sense
OF_A_FOLDER = (CommandRefusedError, ProtocolError)  # the server is there, but not for this one


def leave(run: Pass, folder: Folder, error: MailServerError) -> None:
    """Note what a folder fails by; commits. Raises where one after another breaks the conversation."""
    db.session.rollback()
    run.troubled[folder.id] = error
    if not run.imap.is_open:
        if len(run.troubled) > MOST_RECONNECTS:
            raise error
        run.imap.open()
    _note_trouble(run, folder, error)


def demand_readable(run: Pass, folders: Sequence[Folder]) -> None:
    """Raise what the inbox, or every folder, fails by: a trouble of the account, told as one (F51).

    What is refused once new mail was fetched is the folder's own; an answer out of step never is (F18).
    """
    of_folder = {id for id in run.fetched if isinstance(run.troubled.get(id), CommandRefusedError)}
    failed = [folder for folder in folders if folder.id in run.troubled.keys() - of_folder]
    for folder in failed:
        if folder.special_use == "inbox" or len(failed) == len(folders):
            raise run.troubled[folder.id]


def _note_trouble(run: Pass, folder: Folder, error: MailServerError) -> None:
    leases.demand(run.account.id, run.fence)
    is_gone = isinstance(error, FolderUnavailableError) and error.code == "NONEXISTENT"
    gone = {"gone_at": now()} if is_gone else {}
    keep_cursor(folder, last_error=f"{error.message} {error.advice}", **gone)
    db.session.commit()
