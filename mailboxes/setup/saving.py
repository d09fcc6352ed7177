"""A mailbox is created or changed. Each function is one act; the door commits."""

import re
from collections.abc import Iterable
from uuid import UUID

from email_validator import EmailNotValidError, validate_email
from sqlalchemy import delete, select

from mailboxes.accounts import Account, Folder
from mailboxes.connections import store_password
from mailboxes.conversion import NOTHING, actions, checked_settings
from mailboxes.setup.checking import (
    FolderChoice,
    imap_password,
    known_folders,
    shared_password,
    smtp_password,
)
from mailboxes.setup.values import (
    ACCOUNT_FIELDS,
    MAILBOX_FIELDS,
    Grant,
    MailboxValues,
    for_the_record,
    values_of,
)
from mailboxes.system_mailboxes import Mailbox, MailboxGrant
from tenants.audit import Actor, record
from tenants.database import current_organization_id, db, now
from tenants.errors import InvalidError
from tenants.organizations import Membership
from tenants.permissions import Role

ENCRYPTIONS = ("tls", "starttls", "none")
LONGEST_LABEL = 100
MANY_ADDRESSES = 50


def create(values: MailboxValues, folders: list[FolderChoice], *, by: Actor) -> Mailbox:
    """A new mailbox of the current organization. `InvalidError` at the field that is wrong."""
    _normalize(values)
    _demand_valid(values, None, None)
    account = Account(organization_id=current_organization_id(), address=values.address)
    _fill_account(account, values, None)
    _keep_folders(account, folders, values.folders)
    mailbox = Mailbox(account_id=account.id, account_owner_id=current_organization_id())
    _fill_mailbox(mailbox, values)
    db.session.add(mailbox)
    db.session.flush()  # grants refer to it
    _keep_grants(mailbox, values.grants)
    record(by, "mailbox.created", mailbox.label, {}, for_the_record(values))
    return mailbox


def change(mailbox: Mailbox, values: MailboxValues, folders: list[FolderChoice], *, by: Actor) -> None:
    """What the page says becomes true. Another host or user is another account; messages stay."""
    account = account_of(mailbox)
    before = for_the_record(values_of(mailbox, account))
    _normalize(values)
    _demand_valid(values, mailbox, account)
    if account is not None:
        account = _changed_account(mailbox, account, values, folders)
    _fill_mailbox(mailbox, values)
    _keep_grants(mailbox, values.grants)
    db.session.flush()
    after = for_the_record(values)
    changed = [name for name in after if before.get(name) != after[name]]
    record(
        by,
        "mailbox.changed",
        mailbox.label,
        {name: before.get(name) for name in changed},
        {name: after[name] for name in changed} | _passwords(values),
    )


def pause(mailbox: Mailbox, *, by: Actor) -> None:
    """No more fetching, converting and answering; what is here stays."""
    mailbox.is_enabled = False
    record(by, "mailbox.paused", mailbox.label)


def resume(mailbox: Mailbox, *, by: Actor) -> None:
    """Go on where it was paused."""
    mailbox.is_enabled = True
    sync_soon(mailbox)
    record(by, "mailbox.resumed", mailbox.label)


def sync_soon(mailbox: Mailbox) -> UUID | None:
    """Make the account due at once, whatever its back-off says. Returns the account."""
    account = account_of(mailbox)
    if account is not None:
        account.next_attempt_at = now()
        db.session.flush()
    return mailbox.account_id


def account_of(mailbox: Mailbox) -> Account | None:
    """The account a mailbox reads, or None if it is global and this session may not see it."""
    return db.session.scalar(select(Account).where(Account.id == mailbox.account_id))


def _changed_account(
    mailbox: Mailbox, account: Account, values: MailboxValues, folders: list[FolderChoice]
) -> Account:
    moved = account.imap_host and (values.imap_host, values.imap_user) != (
        account.imap_host,
        account.imap_user,
    )
    if not moved:
        _fill_account(account, values, account)
        _keep_folders(account, folders or known_folders(account), values.folders)
        return account
    successor = Account(organization_id=account.organization_id, address=values.address)
    _fill_account(successor, values, account)
    _keep_folders(successor, folders, values.folders)
    account.is_enabled = False
    account.last_error = ""
    mailbox.account_id = successor.id
    return successor


def _fill_account(account: Account, values: MailboxValues, stored: Account | None) -> None:
    passwords = _account_passwords(values, stored)
    for name in ACCOUNT_FIELDS:
        setattr(account, name, getattr(values, name))
    account.address = values.address
    account.is_enabled = True
    account.next_attempt_at = now()
    if account.state in {"refused", "failing"}:
        account.state, account.failure_count, account.last_error = "new", 0, ""
    db.session.add(account)
    db.session.flush()  # a password is bound to the id
    store_password(account, "imap", passwords[0])
    store_password(account, "smtp", passwords[1])


def _account_passwords(values: MailboxValues, stored: Account | None) -> tuple[str, str]:
    login = values.imap_enabled or (values.smtp_enabled and not values.smtp_user)
    shared = imap_password(values, stored) if values.imap_enabled else ""
    if values.smtp_enabled and not values.smtp_user:
        shared = shared_password(values, stored)
    own = smtp_password(values, stored) if values.smtp_enabled and values.smtp_user else ""
    return (shared if login else ""), own


def _fill_mailbox(mailbox: Mailbox, values: MailboxValues) -> None:
    for name in MAILBOX_FIELDS:
        setattr(mailbox, name, getattr(values, name))


def _keep_folders(account: Account, folders: Iterable[FolderChoice], chosen: list[bytes]) -> None:
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


def _keep_grants(mailbox: Mailbox, grants: list[Grant]) -> None:
    roles = set(db.session.scalars(select(Role.id)))
    members = set(db.session.scalars(select(Membership.id)))
    db.session.execute(delete(MailboxGrant).where(MailboxGrant.mailbox_id == mailbox.id))
    for grant in {(g.role_id, g.membership_id): g for g in grants}.values():
        known = grant.role_id in roles or grant.membership_id in members
        if not known or grant.level not in {"read", "reply"}:
            raise InvalidError("Choose roles and people of this organization.", field="grants")
        db.session.add(
            MailboxGrant(
                mailbox_id=mailbox.id,
                role_id=grant.role_id,
                membership_id=grant.membership_id,
                level=grant.level,
            )
        )
    db.session.flush()


def _normalize(values: MailboxValues) -> None:
    values.label = " ".join(values.label.split())
    values.address = _address(values.address, "address")
    values.aliases = [_address(alias, "aliases") for alias in values.aliases]
    values.trusted_forms = [_address(form, "trusted_forms") for form in values.trusted_forms]
    values.imap_host = _host(values.imap_host, "imap_host", needed=values.imap_enabled)
    values.smtp_host = _host(values.smtp_host, "smtp_host", needed=values.smtp_enabled)
    for name in ("imap_user", "smtp_user", "trusted_authserv_id"):
        setattr(values, name, getattr(values, name).strip())


def _demand_valid(values: MailboxValues, mailbox: Mailbox | None, account: Account | None) -> None:
    if not values.label or len(values.label) > LONGEST_LABEL:
        raise InvalidError(f"Give the mailbox a label of up to {LONGEST_LABEL} characters.", field="label")
    if max(len(values.aliases), len(values.trusted_forms)) > MANY_ADDRESSES:
        raise InvalidError(f"List at most {MANY_ADDRESSES} addresses.", field="aliases")
    _demand_free(values, mailbox)
    if mailbox is None or not mailbox.is_global:
        _demand_connection(values, account)
    _demand_action(values, mailbox)


def _demand_free(values: MailboxValues, mailbox: Mailbox | None) -> None:
    others = select(Mailbox).where(Mailbox.id != mailbox.id) if mailbox is not None else select(Mailbox)
    for other in db.session.scalars(others):
        if other.label.casefold() == values.label.casefold():
            raise InvalidError(
                f"Another mailbox is called {other.label}. Choose another label.", field="label"
            )
        if other.address == values.address:
            raise InvalidError(
                f"The mailbox {other.label} has this address already. Change that one instead.",
                field="address",
            )


def _demand_connection(values: MailboxValues, account: Account | None) -> None:
    for protocol, enabled in (("imap", values.imap_enabled), ("smtp", values.smtp_enabled)):
        if not enabled:
            continue
        if not 1 <= getattr(values, f"{protocol}_port") <= 65535:
            raise InvalidError("Type a port from 1 to 65535.", field=f"{protocol}_port")
        if getattr(values, f"{protocol}_encryption") not in ENCRYPTIONS:
            raise InvalidError("Choose an encryption of the list.", field=f"{protocol}_encryption")
    login = values.imap_enabled or (values.smtp_enabled and not values.smtp_user)
    if login and not values.imap_user:
        raise InvalidError("Type the user name that signs in to the server.", field="imap_user")
    if values.imap_enabled and not values.folders:
        raise InvalidError(
            "Choose at least one folder. Press “Check connection / Retrieve folders” to see them.",
            field="folders",
        )
    _demand_history(values)
    _account_passwords(values, account)


def _demand_history(values: MailboxValues) -> None:
    if values.history not in {"inherit", "now", "days", "all"}:
        raise InvalidError("Choose how much history to take over.", field="history")
    if values.history == "days" and not 1 <= (values.history_days or 0) <= 36500:
        raise InvalidError("Type for how many days, from 1 to 36500.", field="history_days")


def _demand_action(values: MailboxValues, mailbox: Mailbox | None) -> None:
    if values.action == NOTHING:
        values.action_settings = {}
        return
    action = actions().get(values.action)
    if action is None:
        raise InvalidError("Choose what happens with new messages.", field="action")
    kept = mailbox is not None and mailbox.action == values.action
    offered, reason = action.is_offered()
    if not offered and not kept:
        raise InvalidError(reason, field="action")
    try:
        values.action_settings = checked_settings(values.action, values.action_settings)
    except InvalidError as error:
        raise InvalidError(error.message, field=f"{values.action}_{error.field}") from None


def _address(text: str, field: str) -> str:
    try:
        checked = validate_email(text.strip(), check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        raise InvalidError(
            f"{text.strip() or 'That'} is no e-mail address. Write it like support@example.com.", field=field
        ) from None
    return checked.normalized.lower()


def _host(text: str, field: str, *, needed: bool) -> str:
    host = text.strip().rstrip(".").lower()
    if needed and not re.fullmatch(r"[^\s/@\x00-\x20]{1,253}", host):
        raise InvalidError("Type the name of the server, such as imap.example.com.", field=field)
    return host


def _passwords(values: MailboxValues) -> dict[str, str]:
    given = {"imap_password": values.imap_password, "smtp_password": values.smtp_password}
    return {name: "changed" for name, value in given.items() if value}
