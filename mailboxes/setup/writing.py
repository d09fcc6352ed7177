"""From values to rows: an account with its folders, a mailbox with its grants."""

from collections.abc import Iterable

from sqlalchemy import delete, select

from mailboxes import oauth
from mailboxes.accounts import Account, Folder, choose_history_again
from mailboxes.connections import store_password
from mailboxes.proofs import take_proofs_along
from mailboxes.setup.checking import FolderChoice
from mailboxes.setup.demands import account_passwords
from mailboxes.setup.signing_in import keep_connection
from mailboxes.setup.values import ACCOUNT_FIELDS, MAILBOX_FIELDS, Grant, MailboxValues
from mailboxes.system_mailboxes import Mailbox, MailboxGrant
from tenants.database import db, now


def is_moved(account: Account, values: MailboxValues) -> bool:
    """Whether the values mean another account: another server, or another user there."""
    place = (values.imap_host, values.imap_user)
    return bool(account.imap_host) and place != (account.imap_host, account.imap_user)


def successor_of(account: Account, values: MailboxValues, folders: Iterable[FolderChoice]) -> Account:
    """The account that is read instead; the former one rests, without its passwords."""
    successor = Account(
        organization_id=account.organization_id,
        home_organization_id=account.home_organization_id,
        delivery_mode=account.delivery_mode,
        address=values.address,
    )
    fill_account(successor, values, account)
    keep_folders(successor, folders, values.folders)
    account.is_enabled = False
    account.last_error = ""
    store_password(account, "imap", "")
    store_password(account, "smtp", "")
    oauth.forget(account)
    take_proofs_along(account, successor)
    return successor


def fill_account(account: Account, values: MailboxValues, stored: Account | None) -> None:
    """Connection and login as typed; passwords not typed are those of ``stored``."""
    passwords = account_passwords(values, stored)
    history = account.history, account.history_days
    server = account.imap_host, account.imap_user
    for name in ACCOUNT_FIELDS:
        setattr(account, name, getattr(values, name))
    account.address = values.address
    account.is_enabled = True
    account.next_attempt_at = now()
    if account.state in {"refused", "failing"}:
        account.state, account.failure_count, account.last_error = "new", 0, ""
    if server != (account.imap_host, account.imap_user):
        account.quiet_until = None
    db.session.add(account)
    db.session.flush()  # a password is bound to the id
    if history != (account.history, account.history_days):
        choose_history_again(account)
    store_password(account, "imap", passwords[0])
    store_password(account, "smtp", passwords[1])
    keep_connection(account, values, stored)


def fill_mailbox(mailbox: Mailbox, values: MailboxValues) -> None:
    """What people see and what becomes of messages."""
    for name in MAILBOX_FIELDS:
        setattr(mailbox, name, getattr(values, name))


def keep_folders(account: Account, folders: Iterable[FolderChoice], chosen: list[bytes]) -> None:
    """The folders a server listed, of which the chosen ones are read; none is forgotten."""
    present = {
        folder.name_raw: folder
        for folder in db.session.scalars(select(Folder).where(Folder.account_id == account.id))
    }
    for choice in folders:
        folder = present.get(choice.name_raw)
        if folder is None:
            folder = Folder(
                organization_id=account.organization_id, account_id=account.id, name_raw=choice.name_raw
            )
            db.session.add(folder)
            present[choice.name_raw] = folder
        folder.name, folder.delimiter = choice.name, choice.delimiter
        folder.special_use, folder.is_selectable = choice.special_use, choice.is_selectable
        folder.server_count = choice.message_count
    for folder in present.values():
        folder.is_synced = folder.name_raw in chosen and folder.is_selectable
    db.session.flush()


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
