"""A mailbox of an organization is created or changed. Each function is one act; the door commits.

A mailbox that follows a global one is changed in `mailboxes.global_mailboxes.overriding`.
"""

from typing import Any

from sqlalchemy import select

from mailboxes.accounts import Account, seen_account
from mailboxes.outgoing import resume_sending
from mailboxes.setup.checking import FolderChoice, known_folders
from mailboxes.setup.demands import demand_connection, demand_valid, normalize
from mailboxes.setup.values import MailboxValues, for_the_record, values_of
from mailboxes.setup.writing import (
    fill_account,
    fill_mailbox,
    fill_whole_account,
    keep_folders,
    keep_grants,
)
from mailboxes.system_mailboxes import Mailbox
from tenants.audit import Actor, record
from tenants.database import current_organization_id, db, now
from tenants.errors import ForbiddenError, NotFoundError


def create(values: MailboxValues, folders: list[FolderChoice], *, by: Actor) -> Mailbox:
    """A new mailbox of the current organization. `InvalidError` at the field that is wrong."""
    normalize(values)
    demand_valid(values, None)
    demand_connection(values, None, folders)
    account = Account(organization_id=current_organization_id(), address=values.address)
    fill_account(account, values, None)
    keep_folders(account, folders, values.folders)
    mailbox = Mailbox(account_id=account.id, account_owner_id=current_organization_id())
    fill_mailbox(mailbox, values)
    db.session.add(mailbox)
    db.session.flush()  # grants refer to it
    keep_grants(mailbox, values.grants)
    record(by, "mailbox.created", mailbox.label, {}, for_the_record(values))
    return mailbox


def change(mailbox: Mailbox, values: MailboxValues, folders: list[FolderChoice], *, by: Actor) -> None:
    """What the page says becomes true. What is here stays, wherever is read from now on."""
    account = own_account(mailbox)
    before = for_the_record(values_of(mailbox, account))
    normalize(values, account)
    if mailbox.is_shadow and not values.is_shadow:
        values.automation_from = max(values.automation_from, now())
    demand_valid(values, mailbox)
    folders = folders or known_folders(account)
    demand_connection(values, account, folders)
    fill_whole_account(account, values, folders)
    fill_mailbox(mailbox, values)
    keep_grants(mailbox, values.grants)
    db.session.flush()
    resume_sending(mailbox)  # perhaps the new settings are right
    record(by, "mailbox.changed", mailbox.label, *changes(before, values))


def lock(mailbox: Mailbox) -> None:
    """Read it anew and keep all others out until the end, so that nothing of what they saved is lost.

    `NotFoundError` if one of them deletes it.
    """
    account = select(Account).where(Account.id == mailbox.account_id).with_for_update(key_share=True)
    db.session.scalar(account.execution_options(populate_existing=True))  # first, as passes hold them
    this = select(Mailbox).where(Mailbox.id == mailbox.id).with_for_update(key_share=True)
    if db.session.scalar(this.execution_options(populate_existing=True)) is None:
        raise NotFoundError("Somebody has deleted this mailbox. Nothing was saved.")


def pause(mailbox: Mailbox, *, by: Actor) -> None:
    """No more fetching, converting and answering; what is here stays."""
    mailbox.is_enabled = False
    record(by, "mailbox.paused", mailbox.label)


def resume(mailbox: Mailbox, *, by: Actor) -> None:
    """Go on where it was paused."""
    mailbox.is_enabled = True
    sync_soon(mailbox)
    resume_sending(mailbox)
    record(by, "mailbox.resumed", mailbox.label)


def go_live(mailbox: Mailbox, *, by: Actor) -> None:
    """End shadow mode: automation begins with what arrives from now on."""
    mailbox.is_shadow = False
    mailbox.automation_from = now()
    record(by, "mailbox.live", mailbox.label, {"is_shadow": True}, {"is_shadow": False})


def sync_soon(mailbox: Mailbox) -> None:
    """Make the account due at once, whatever its back-off says. `ForbiddenError` if it is the system's."""
    own_account(mailbox).next_attempt_at = now()
    db.session.flush()


def own_account(mailbox: Mailbox) -> Account:
    """The organization's account that a mailbox reads; `ForbiddenError` if it is the system's."""
    account = account_of(mailbox)
    if account is None:
        raise ForbiddenError("The system's administrators look after the connection of this mailbox.")
    return account


def account_of(mailbox: Mailbox) -> Account | None:
    """The account a mailbox reads, or None if it is global and this session may not see it."""
    return seen_account(mailbox.account_id)


def changes(before: dict[str, Any], values: MailboxValues) -> tuple[dict[str, Any], dict[str, Any]]:
    """For the record: what was otherwise before, and what it is now."""
    after = for_the_record(values)
    changed = [name for name in after if before.get(name) != after[name]]
    given = {"imap_password": values.imap_password, "smtp_password": values.smtp_password}
    passwords = {name: "changed" for name, value in given.items() if value}
    return {name: before.get(name) for name in changed}, {name: after[name] for name in changed} | passwords
