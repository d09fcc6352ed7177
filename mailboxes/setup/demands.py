"""What is typed on the mailbox page is put in order, and refused where it cannot be true."""

import re
from collections.abc import Iterable
from uuid import UUID

from email_validator import EmailNotValidError, validate_email
from sqlalchemy import func, or_, select

from mailboxes.accounts import Account
from mailboxes.conversion import NOTHING, actions, checked_settings
from mailboxes.setup.checking import FolderChoice, imap_password, shared_password, smtp_password
from mailboxes.setup.signing_in import demand_connected, is_connected, take_providers_servers
from mailboxes.setup.values import Grant, MailboxValues
from mailboxes.system_mailboxes import Mailbox
from tenants.database import db
from tenants.errors import InvalidError
from tenants.organizations import Membership
from tenants.permissions import Role

KINDS = ("other", "google", "microsoft")
ENCRYPTIONS = ("tls", "starttls", "none")
LEVELS = ("read", "reply")
LONGEST_LABEL = 100
MANY_ADDRESSES = 50


def normalize(values: MailboxValues, account: Account | None = None) -> None:
    """One way of writing each value; `InvalidError` at the field of an address or host that is none."""
    values.label = " ".join(values.label.split())
    values.address = _address(values.address, "address")
    values.aliases = [
        alias
        for alias in dict.fromkeys(normal_addresses(values.aliases, "aliases"))
        if alias != values.address
    ]
    values.trusted_forms = normal_addresses(values.trusted_forms, "trusted_forms")
    take_providers_servers(values, account)
    demand_connected(values, account)
    values.imap_host = _host(values.imap_host, "imap_host", needed=values.imap_enabled)
    values.smtp_host = _host(values.smtp_host, "smtp_host", needed=values.smtp_enabled)
    for name in ("imap_user", "smtp_user", "trusted_authserv_id"):
        setattr(values, name, getattr(values, name).strip())


def demand_valid(values: MailboxValues, mailbox: Mailbox | None) -> None:
    """`InvalidError` at the first field that is wrong, before anything is written."""
    if not values.label or len(values.label) > LONGEST_LABEL:
        raise InvalidError(f"Give the mailbox a label of up to {LONGEST_LABEL} characters.", field="label")
    _demand_free(values, mailbox)
    _demand_free_addresses(values, mailbox)
    _demand_action(values, mailbox)
    demand_grants(values.grants)


def _demand_free(values: MailboxValues, mailbox: Mailbox | None) -> None:
    same_label = func.lower(Mailbox.label) == func.lower(values.label)
    others = select(Mailbox).where(or_(same_label, Mailbox.address == values.address))
    if mailbox is not None:
        others = others.where(Mailbox.id != mailbox.id)
    for other in db.session.scalars(others):
        if other.address == values.address and other.label.lower() != values.label.lower():
            raise InvalidError(
                f"The mailbox {other.label} has this address already. Change that one instead.",
                field="address",
            )
        raise InvalidError(f"Another mailbox is called {other.label}. Choose another label.", field="label")


def _demand_free_addresses(values: MailboxValues, mailbox: Mailbox | None) -> None:
    """An address or alias leads to one mailbox of an organization, be it the address there or an alias."""
    typed = [values.address, *values.aliases]
    others = select(Mailbox).where(
        Mailbox.global_mailbox_id.is_(None),
        or_(Mailbox.address.in_(typed), Mailbox.aliases.overlap(typed)),
    )
    if mailbox is not None:
        others = others.where(Mailbox.id != mailbox.id)
    for other in db.session.scalars(others.order_by(Mailbox.label)):
        taken = next(one for one in typed if one in {other.address, *other.aliases})
        raise InvalidError(
            f"{taken} belongs to the mailbox {other.label}. Take it away there first.",
            field="address" if taken == values.address else "aliases",
        )


def demand_connection(
    values: MailboxValues, account: Account | None, folders: Iterable[FolderChoice]
) -> None:
    """The same for account and folders, where the connection is the caller's to change."""
    if values.kind not in KINDS:
        raise InvalidError("Choose an account type from the list.", field="kind")
    for protocol, enabled in (("imap", values.imap_enabled), ("smtp", values.smtp_enabled)):
        if not enabled:
            continue
        if not 1 <= getattr(values, f"{protocol}_port") <= 65535:
            raise InvalidError("Type a port from 1 to 65535.", field=f"{protocol}_port")
        if getattr(values, f"{protocol}_encryption") not in ENCRYPTIONS:
            raise InvalidError("Choose an encryption from the list.", field=f"{protocol}_encryption")
    login = values.imap_enabled or (values.smtp_enabled and not values.smtp_user)
    if login and not values.imap_user:
        raise InvalidError("Type the user name that signs in to the server.", field="imap_user")
    selectable = {folder.name_raw for folder in folders if folder.is_selectable}
    if values.imap_enabled and selectable.isdisjoint(values.folders):
        raise InvalidError(
            "Choose at least one folder. Press “Check connection / Retrieve folders” to see them.",
            field="folders",
        )
    _demand_history(values)
    account_passwords(values, account)


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


def demand_grants(grants: Iterable[Grant]) -> None:
    """`InvalidError` unless these are roles and people of the current organization, with a known level."""
    given = list(grants)
    roles = _present(Role, {grant.role_id for grant in given})
    members = _present(Membership, {grant.membership_id for grant in given})
    for grant in given:
        known = grant.role_id in roles or grant.membership_id in members
        if not known or grant.level not in LEVELS:
            raise InvalidError("Choose roles and people of this organization.", field="grants")


def _present(table: type[Role | Membership], ids: set[UUID | None]) -> set[UUID]:
    """Those of these ids that name a row of the current organization."""
    return set(db.session.scalars(select(table.id).where(table.id.in_(ids - {None}))))


def normal_addresses(addresses: Iterable[str], field: str) -> list[str]:
    """A list of addresses in one way of writing; `InvalidError` at the field if one is none."""
    typed = list(addresses)
    if len(typed) > MANY_ADDRESSES:  # counted first: to check thousands takes seconds
        raise InvalidError(f"List at most {MANY_ADDRESSES} addresses.", field=field)
    return [_address(address, field) for address in typed]


def account_passwords(values: MailboxValues, stored: Account | None) -> tuple[str, str]:
    """The passwords of IMAP (or of the login that serves both) and of a separate SMTP login.

    `InvalidError` where one is missing, or was given for another place.
    """
    if is_connected(values, stored) or (values.connects_later and not values.imap_password):
        return "", ""
    login = values.imap_enabled or (values.smtp_enabled and not values.smtp_user)
    shared = imap_password(values, stored) if values.imap_enabled else ""
    if values.smtp_enabled and not values.smtp_user:
        shared = shared_password(values, stored)
    own = smtp_password(values, stored) if values.smtp_enabled and values.smtp_user else ""
    return (shared if login else ""), own


def _address(text: str, field: str) -> str:
    try:
        checked = validate_email(text.strip(), check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        raise InvalidError(
            f"{text.strip() or 'That'} is no email address. Write it like support@example.com.", field=field
        ) from None
    return checked.normalized.lower()


def _host(text: str, field: str, *, needed: bool) -> str:
    host = text.strip().rstrip(".").lower()
    if needed and not re.fullmatch(r"[^\s/@\x00-\x20]{1,253}", host):
        raise InvalidError("Type the name of the server, such as imap.example.com.", field=field)
    return host
