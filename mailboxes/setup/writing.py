"""From values to rows: an account with its folders, a mailbox with its grants."""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import delete, null, update

from mailboxes.accounts import (
    IN_TROUBLE,
    Account,
    Folder,
    choose_history_again,
    folders_of,
    leave_server,
    read_from_now_on,
)
from mailboxes.arrivals import Arrival
from mailboxes.connections import store_password
from mailboxes.setup.checking import FolderChoice
from mailboxes.setup.demands import account_passwords
from mailboxes.setup.signing_in import is_moved, keep_connection, keeps_connection
from mailboxes.setup.values import ACCOUNT_FIELDS, MAILBOX_FIELDS, Grant, MailboxValues
from mailboxes.system_mailboxes import Mailbox, MailboxGrant
from tenants.database import db, now
from tenants.database.bulk import among


def fill_whole_account(account: Account, values: MailboxValues, folders: Iterable[FolderChoice]) -> None:
    """An account that is there, with its folders: as typed, perhaps on another server."""
    if is_moved(account, values):
        leave_server(account)
        _give_up_what_was_left_there(account)
    fill_account(account, values, account)
    keep_folders(account, folders, values.folders)


def _give_up_what_was_left_there(account: Account) -> None:
    """What was not fetched whole from the former server is not to be had any more."""
    db.session.execute(
        update(Arrival)
        .where(
            Arrival.account_id == account.id,
            Arrival.sha256 == b"",
            Arrival.state != "before_history",
            Arrival.vanished_at.is_(None),
        )
        .values(vanished_at=now(), is_wanted=False)
        .execution_options(synchronize_session=False)
    )


def fill_account(account: Account, values: MailboxValues, stored: Account | None) -> None:
    """Connection and login as typed; passwords not typed are those of ``stored``."""
    passwords = account_passwords(values, stored)
    stays_connected = keeps_connection(values, stored)
    history = account.history, account.history_days
    server = account.imap_host, account.imap_user
    was_read = account.imap_enabled
    for name in ACCOUNT_FIELDS:
        setattr(account, name, getattr(values, name))
    account.address = values.address
    account.is_enabled = True
    account.next_attempt_at = now()
    if account.state in IN_TROUBLE and account.state != "disconnected":
        account.state, account.last_error = "new", ""
        account.failure_count = account.death_count = 0
    if server != (account.imap_host, account.imap_user):
        account.quiet_until, account.is_spent = None, False
    db.session.add(account)
    db.session.flush()  # a password is bound to the id
    if account.imap_enabled and not was_read:
        read_from_now_on(account)
    if history != (account.history, account.history_days):
        choose_history_again(account)
    store_password(account, "imap", passwords[0])
    store_password(account, "smtp", passwords[1])
    keep_connection(account, values, stays_connected=stays_connected)


def fill_mailbox(mailbox: Mailbox, values: MailboxValues) -> None:
    """What people see and what becomes of messages."""
    for name in MAILBOX_FIELDS:
        setattr(mailbox, name, getattr(values, name))


def keep_folders(account: Account, folders: Iterable[FolderChoice], chosen: list[bytes]) -> None:
    """The folders a server listed, of which the chosen ones are read; none is forgotten."""
    present = {folder.name_raw: folder for folder in db.session.scalars(folders_of(account))}
    next_uids = {}
    for choice in folders:
        next_uids[choice.name_raw] = choice.next_uid_now
        folder = present.get(choice.name_raw)
        if folder is None:
            folder = Folder(
                organization_id=account.organization_id, account_id=account.id, name_raw=choice.name_raw
            )
            db.session.add(folder)
            present[choice.name_raw] = folder
        folder.name, folder.delimiter = choice.name, choice.delimiter
        folder.special_use, folder.is_selectable = choice.stored_use, choice.is_selectable
        folder.server_count = choice.message_count
    for folder in present.values():
        is_chosen = folder.name_raw in chosen and folder.is_selectable
        if is_chosen and not folder.is_synced:
            folder.begin_now(next_uids.get(folder.name_raw))
        folder.is_synced = is_chosen
    db.session.flush()
    _ask_for_nothing_in([folder.id for folder in present.values() if not folder.is_synced])


def _ask_for_nothing_in(folder_ids: list[UUID]) -> None:
    """What somebody had asked for in folders that are read no more does not come with the next pass, and
    nothing is missing in them."""
    db.session.execute(
        update(Folder)
        .where(among(Folder.id, folder_ids), Folder.audited_at.is_not(None))
        .values(audit=null(), audited_at=None, audit_wanted_at=None)
        .execution_options(synchronize_session=False)
    )
    db.session.execute(
        update(Arrival)
        .where(
            among(Arrival.folder_id, folder_ids),
            Arrival.state.in_(("too_large", "unfetchable")),
            Arrival.is_wanted,
        )
        .values(is_wanted=False)
        .execution_options(synchronize_session=False)
    )


def keep_grants(mailbox: Mailbox, grants: list[Grant]) -> None:
    """These and no others have access; they were found valid before."""
    db.session.execute(delete(MailboxGrant).where(MailboxGrant.mailbox_id == mailbox.id))
    for grant in {(g.role_id, g.membership_id): g for g in grants}.values():
        db.session.add(
            MailboxGrant(
                mailbox_id=mailbox.id,
                role_id=grant.role_id,
                membership_id=grant.membership_id,
                level=grant.level,
            )
        )
    db.session.flush()
