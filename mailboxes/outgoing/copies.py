"""What was sent is filed in the account's Sent folder, apart from sending: it never sends again (S14).

Servers that file their own copy need none of ours (S13). Google and Microsoft always do; of others we
know it when the copy has been read there and recognised by our Message-ID, or when the folder, asked for
that Message-ID, has it: so nothing is filed twice either if we died after filing it.
"""

import time
from collections.abc import Sequence
from datetime import timedelta

import structlog
from sqlalchemy import exists, select

from mailboxes import timeline
from mailboxes.accounts import Account, Folder, folders_of
from mailboxes.connection_places import filing
from mailboxes.connections import egress_policy, imap_settings
from mailboxes.crash_points import crash_point
from mailboxes.errors import (
    CommandRefusedError,
    ConnectionLostError,
    MailboxFullError,
    MailServerError,
    ProtocolError,
    ServerTimeoutError,
    ServerUnavailableError,
    ThrottledError,
)
from mailboxes.imap import ImapConnection
from mailboxes.imap.folders import is_well_known
from mailboxes.messages import Location, Message
from mailboxes.outgoing.outbox import Outgoing, due_copies
from mailboxes.outgoing.routes import account_behind
from mailboxes.outgoing.sending import TURN_SECONDS
from mailboxes.raws import MissingRawError, raw_content
from mailboxes.system_mailboxes import Mailbox
from tenants.database import across_organizations, db, now
from tenants.secrets import UnreadableSecretError

MOST_ATTEMPTS = 6
WAIT = timedelta(minutes=10)  # doubled before each attempt, so that no server is still busy with the last one
AFTER_ANOTHER = timedelta(seconds=30)  # that is being filed in the same account
ABOUT_THE_SAME_DAY = timedelta(days=2)  # whatever the clock and the zone of the server
FILES_BY_ITSELF = ("google", "microsoft")

log = structlog.get_logger()


def file_copies() -> int:
    """File the copies that are due in the current organization; commits after each. How many were filed.

    After `TURN_SECONDS` none is begun: a server that hardly answers holds up nobody else's mail.
    """
    filed = 0
    due = due_copies().limit(1).with_for_update(skip_locked=True)
    ends_at = time.monotonic() + TURN_SECONDS
    while time.monotonic() < ends_at and (row := db.session.scalar(due)) is not None:
        row.copy_attempts += 1
        row.copy_after = now() + WAIT * 2**row.copy_attempts
        db.session.commit()  # the attempt counts, whatever happens
        filed += _file(row)
        db.session.commit()
    db.session.commit()
    return filed


def _file(row: Outgoing) -> bool:
    mailbox = db.session.get_one(Mailbox, (row.organization_id, row.mailbox_id))
    account = account_behind(mailbox)
    needless = _needless(row, account)
    if needless or account is None:
        _end(row, "skipped", needless)
        return False
    folder = _sent_folder(account)
    if folder is None:
        _end(row, "skipped", "The account has no Sent folder that we know.")
        return False
    with filing(account.id) as is_alone:
        if not is_alone:
            row.copy_attempts -= 1  # it was none
            row.copy_after = now() + AFTER_ANOTHER
            return False
        return _file_in(row, account, folder)


def _file_in(row: Outgoing, account: Account, folder: Folder) -> bool:
    try:
        _append(row, account, folder)
    except (MailServerError, MissingRawError, UnreadableSecretError) as error:
        return _not_filed(row, error)
    crash_point("copy filed")
    _end(row, "done", f"A copy is in {folder.name}.")
    return True


def _needless(row: Outgoing, account: Account | None) -> str:
    """Why no copy is filed; "" if one is."""
    if account is None or not account.imap_enabled or not account.copies_sent:
        return "This account keeps no copies of what is sent."
    if account.smtp_enabled and account.kind in FILES_BY_ITSELF:
        return "The provider files what it sends by itself."
    is_there = exists().where(
        Location.organization_id == row.organization_id, Location.message_id == row.message_id
    )
    if db.session.scalar(select(is_there)):
        return "The server has filed its own copy."
    return ""


def _sent_folder(account: Account) -> Folder | None:
    query = (
        folders_of(account)
        .where(
            Folder.special_use == "sent",
            Folder.is_selectable,
            Folder.gone_at.is_(None),
        )
        .order_by(Folder.is_synced.desc(), Folder.id)
    )
    if account.organization_id is not None:
        return _best(db.session.scalars(query).all())
    with across_organizations("a global account keeps copies of what its mailboxes send") as session:
        return _best(session.scalars(query).all())


def _best(folders: Sequence[Folder]) -> Folder | None:
    """The one that is synced; of several, the one that is called so: programs mark others as sent, too."""
    return min(folders, key=lambda one: (not one.is_synced, not _is_called_sent(one)), default=None)


def _is_called_sent(folder: Folder) -> bool:
    return is_well_known(folder.name, folder.delimiter, "sent")


def _append(row: Outgoing, account: Account, folder: Folder) -> None:
    message = db.session.get_one(Message, (row.organization_id, row.message_id))
    if message.raw_id is None:
        raise MissingRawError
    raw, settings, policy = raw_content(message.raw_id), imap_settings(account), egress_policy()
    db.session.commit()  # no transaction is open while the server is waited for
    with ImapConnection(settings, policy) as connection:
        if not _is_there(connection, row, folder):
            connection.append(folder.name_raw, raw, flags=("\\Seen",), when=row.sent_at)


def _is_there(connection: ImapConnection, row: Outgoing, folder: Folder) -> bool:
    since = (row.sent_at or row.created_at) - ABOUT_THE_SAME_DAY
    try:
        return connection.has_message(folder.name_raw, row.header_id, since.date())
    except CommandRefusedError:  # a folder for writing only, or a server that searches no headers
        return False
    except ThrottledError:
        raise
    except (ServerTimeoutError, ConnectionLostError, ProtocolError, ServerUnavailableError):
        # A server that chokes on such a search, or says that it does (Yahoo).
        if row.copy_attempts > 1:
            raise  # an earlier attempt may have filed it
        connection.reopen()
        return False


def _not_filed(row: Outgoing, error: Exception) -> bool:
    log.warning("copy not filed", outgoing=str(row.id), error=type(error).__name__)
    if row.copy_attempts >= MOST_ATTEMPTS:
        why = f" {error.message}" if isinstance(error, MailboxFullError) else ""
        _end(row, "failed", f"The copy could not be filed in the Sent folder.{why} The message was sent.")
    return False


def _end(row: Outgoing, state: str, reason: str) -> None:
    row.copy_state = state
    message = db.session.get_one(Message, (row.organization_id, row.message_id))
    words = {"done": "filed", "skipped": "not filed", "failed": "not filed"}
    timeline.record(message, "filed", words[state], reason)
