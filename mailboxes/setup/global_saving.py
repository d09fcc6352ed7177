"""Global mailboxes: the installation's account, read by a mailbox of its home organization.

Two owners mean two transactions. The session of the caller is bound to the home organization and writes
the mailbox; the account is written in scopes of the installation. While a change is under way the account
is switched off, and the last commit switches it on: whatever dies in between leaves an account that
fetches nothing, and a mailbox whose page says so and is simply saved again. These functions commit.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete as sql_delete
from sqlalchemy import exists, select

from mailboxes.accounts import Account
from mailboxes.arrivals import Arrival
from mailboxes.outgoing import resume_sending
from mailboxes.raws import forget_objects, forget_raws
from mailboxes.setup.checking import FolderChoice
from mailboxes.setup.connection import connection_of
from mailboxes.setup.deleting import remove
from mailboxes.setup.demands import demand_connection, demand_valid, normalize
from mailboxes.setup.overview import Overview, overviews_of
from mailboxes.setup.saving import changes, pause, resume
from mailboxes.setup.values import ACCOUNT_FIELDS, MailboxValues, for_the_record, values_of
from mailboxes.setup.writing import (
    fill_account,
    fill_mailbox,
    is_moved,
    keep_folders,
    keep_grants,
    successor_of,
)
from mailboxes.system_mailboxes import Mailbox
from tenants.audit import Actor, record, record_for_system
from tenants.database import (
    INSTALLATION,
    across_organizations,
    current_organization_id,
    db,
    inside_installation,
    now,
)
from tenants.errors import NotFoundError

LEFT_BEHIND = timedelta(hours=1)
_CONNECTION = frozenset({*ACCOUNT_FIELDS, "folders", "imap_password", "smtp_password"})


@dataclass(frozen=True, slots=True)
class Home:
    """A global mailbox, the organization it is in and the account it reads."""

    mailbox_id: UUID
    organization_id: UUID
    account_id: UUID


def homes() -> list[Home]:
    """Every global mailbox, for the system's pages; nothing of them but where they are."""
    with across_organizations("the system's pages list the mailboxes that read global accounts") as session:
        query = select(Mailbox.id, Mailbox.organization_id, Mailbox.account_id)
        query = query.where(Mailbox.account_owner_id == INSTALLATION).order_by(Mailbox.id)
        return [Home(*row) for row in session.execute(query)]


def home_of(mailbox_id: UUID) -> UUID:
    """The organization that a global mailbox is in; `NotFoundError` if it is no global mailbox."""
    for home in homes():
        if home.mailbox_id == mailbox_id:
            return home.organization_id
    raise NotFoundError("This mailbox does not exist.")


def global_overview_of(mailbox: Mailbox) -> Overview:
    """One row of the system's grid."""
    with across_organizations("a system page shows how a global mailbox and its account are") as session:
        return overviews_of(session, [mailbox.id])[0]


def create_global(values: MailboxValues, folders: list[FolderChoice], *, by: Actor) -> Mailbox:
    """A global account, and a mailbox for it in the current organization, which is its home."""
    normalize(values)
    demand_valid(values, None)
    demand_connection(values, None, folders)
    home = current_organization_id()
    account_id = _made(values, folders, home)
    mailbox = Mailbox(account_id=account_id, account_owner_id=INSTALLATION)
    fill_mailbox(mailbox, values)
    db.session.add(mailbox)
    db.session.flush()  # grants refer to it
    keep_grants(mailbox, values.grants)
    _record_twice(by, "mailbox.created", mailbox, {}, for_the_record(values))
    db.session.commit()
    _switch(account_id, is_enabled=True)
    return mailbox


def change_global(mailbox: Mailbox, values: MailboxValues, folders: list[FolderChoice], *, by: Actor) -> None:
    """What the system's page says becomes true, of the account and of the mailbox."""
    with inside_installation("the account of a global mailbox is compared"):
        connection = connection_of(mailbox)
    before = for_the_record(values_of(mailbox, connection.account, connection.synced))
    normalize(values)
    demand_valid(values, mailbox)
    folders = folders or connection.folders
    demand_connection(values, connection.account, folders)
    mailbox.account_id = account_id = _changed(mailbox.account_id, values, folders)
    fill_mailbox(mailbox, values)
    keep_grants(mailbox, values.grants)
    db.session.flush()
    resume_sending(mailbox)  # perhaps the new settings are right
    _record_twice(by, "mailbox.changed", mailbox, *changes(before, values, connects=True))
    db.session.commit()
    _switch(account_id, is_enabled=True)


def delete_global(mailbox: Mailbox, typed_label: str, *, by: Actor) -> None:
    """Delete a global mailbox with what it holds, then its account. `InvalidError` without its label."""
    account_id, label = mailbox.account_id, mailbox.label
    objects = remove(mailbox, typed_label, by=by)  # refused before anything is switched off
    record_for_system(by, "mailbox.deleted", label)
    _switch(account_id, is_enabled=False)
    db.session.commit()
    forget_objects(objects)
    _remove(account_id)


def pause_global(mailbox: Mailbox, *, by: Actor) -> None:
    """As `pause`, on the record of the system too."""
    pause(mailbox, by=by)
    record_for_system(by, "mailbox.paused", mailbox.label)


def resume_global(mailbox: Mailbox, *, by: Actor) -> None:
    """As `resume`, and the account is due at once."""
    resume(mailbox, by=by)
    record_for_system(by, "mailbox.resumed", mailbox.label)
    sync_global_soon(mailbox)


def sync_global_soon(mailbox: Mailbox) -> UUID:
    """Make the account due at once, whatever its back-off says. Returns the account."""
    with inside_installation("a system page asks for a pass over a global account") as session:
        account = session.get_one(Account, mailbox.account_id)
        account.next_attempt_at = now()
        session.commit()
    return mailbox.account_id


def _made(values: MailboxValues, folders: list[FolderChoice], home: UUID) -> UUID:
    """A new account, switched off until a mailbox reads it."""
    with inside_installation("a global account is made") as session:
        _forget_unused()
        account = Account(address=values.address, home_organization_id=home)
        fill_account(account, values, None)
        keep_folders(account, folders, values.folders)
        account.is_enabled = False
        session.commit()
        return account.id


def _changed(account_id: UUID, values: MailboxValues, folders: list[FolderChoice]) -> UUID:
    """The account that the mailbox reads from now on, switched off until it does."""
    with inside_installation("a global account is changed") as session:
        account = session.get_one(Account, account_id)
        if is_moved(account, values):
            account = successor_of(account, values, folders)
        else:
            fill_account(account, values, account)
            keep_folders(account, folders, values.folders)
        account.is_enabled = False
        session.commit()
        return account.id


def _switch(account_id: UUID, *, is_enabled: bool) -> None:
    with inside_installation("a global account is switched on or off") as session:
        session.get_one(Account, account_id).is_enabled = is_enabled
        session.commit()


def _remove(account_id: UUID) -> None:
    """No mailbox reads it any more: it goes, with what it had fetched and not delivered."""
    with inside_installation("a global account is deleted with its mailbox") as session:
        raws = [
            raw_id
            for raw_id in session.scalars(select(Arrival.raw_id).where(Arrival.account_id == account_id))
            if raw_id is not None
        ]
        session.execute(sql_delete(Account).where(Account.id == account_id))
        objects = forget_raws(raws)
        session.commit()
        forget_objects(objects)


def _forget_unused() -> None:
    """Accounts that a create left behind when it died: never switched on, never used, no mailbox."""
    read = {home.account_id for home in homes()}
    unused = select(Account).where(
        Account.is_enabled.is_(False),
        Account.created_at < now() - LEFT_BEHIND,
        ~exists().where(Arrival.account_id == Account.id),
    )
    for account in db.session.scalars(unused):
        if account.id not in read:
            db.session.delete(account)
    db.session.flush()


def _record_twice(
    by: Actor, act: str, mailbox: Mailbox, before: dict[str, Any], after: dict[str, Any]
) -> None:
    """The system's record has all of it, the organization's what its administrators may see."""
    record_for_system(by, act, mailbox.label, before, after)
    record(by, act, mailbox.label, _without_connection(before), _without_connection(after))


def _without_connection(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in _CONNECTION}
