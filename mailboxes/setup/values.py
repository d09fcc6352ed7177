"""Everything the mailbox page holds, as plain values."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from mailboxes.accounts import Account, Folder, folders_of
from mailboxes.oauth import Pending
from mailboxes.system_mailboxes import Mailbox, MailboxGrant
from tenants.database import db, now

# The fields of an account that a password belongs to: if one changes, it is demanded anew.
IMAP_PLACE = ("imap_host", "imap_port", "imap_encryption", "imap_user")
SMTP_PLACE = ("smtp_host", "smtp_port", "smtp_encryption", "smtp_user")


@dataclass(frozen=True)
class Grant:
    """A role or a member with a level (read or reply)."""

    level: str
    role_id: UUID | None = None
    membership_id: UUID | None = None


@dataclass
class MailboxValues:
    """A mailbox with its account. Empty passwords keep what is stored.

    ``folders``: raw names of the folders to read. An empty ``smtp_user`` lets the IMAP login serve both.
    ``connection``: one to the provider, just made. ``connects_later``: saved without one, to be connected.
    """

    label: str = ""
    address: str = ""
    aliases: list[str] = field(default_factory=list)
    is_enabled: bool = True
    is_shadow: bool = False
    kind: str = "other"
    imap_enabled: bool = True
    imap_host: str = ""
    imap_port: int = 993
    imap_encryption: str = "tls"
    imap_user: str = ""
    imap_password: str = field(default="", repr=False)
    smtp_enabled: bool = False
    smtp_host: str = ""
    smtp_port: int = 587
    smtp_encryption: str = "starttls"
    smtp_user: str = ""
    smtp_password: str = field(default="", repr=False)
    connection: Pending | None = None
    connects_later: bool = False
    folders: list[bytes] = field(default_factory=list)
    history: str = "inherit"
    history_days: int | None = None
    mirrors_read_state: bool = False
    copies_sent: bool = True
    action: str = "nothing"
    action_settings: dict[str, Any] = field(default_factory=dict)
    automation_from: datetime = field(default_factory=now)
    converts_automatic: bool = False
    trusted_forms: list[str] = field(default_factory=list)
    trusted_authserv_id: str = ""
    answers_unaddressed: bool = False
    signature: str | None = None
    grants: list[Grant] = field(default_factory=list)


ACCOUNT_FIELDS = (
    "kind",
    "imap_enabled",
    "imap_host",
    "imap_port",
    "imap_encryption",
    "imap_user",
    "smtp_enabled",
    "smtp_host",
    "smtp_port",
    "smtp_encryption",
    "smtp_user",
    "history",
    "history_days",
    "mirrors_read_state",
    "copies_sent",
)
MAILBOX_FIELDS = (
    "label",
    "address",
    "aliases",
    "is_enabled",
    "is_shadow",
    "action",
    "action_settings",
    "automation_from",
    "converts_automatic",
    "trusted_forms",
    "trusted_authserv_id",
    "answers_unaddressed",
    "signature",
)


def values_of(mailbox: Mailbox, account: Account | None, folders: list[bytes] | None = None) -> MailboxValues:
    """A stored mailbox as the page holds it; passwords stay out.

    ``account`` is None where the account is global and this session may not see it. ``folders``: those
    that are read, where they come from another session.
    """
    given: dict[str, Any] = {name: getattr(mailbox, name) for name in MAILBOX_FIELDS}
    if account is not None:
        given |= {name: getattr(account, name) for name in ACCOUNT_FIELDS}
    read = synced_folders(account) if folders is None else folders
    return MailboxValues(**given, folders=read, grants=grants_of(mailbox))


def for_the_record(values: MailboxValues) -> dict[str, Any]:
    """What the audit log keeps of a mailbox and its connection: no passwords, text only."""
    kept = {name: getattr(values, name) for name in (*MAILBOX_FIELDS, *ACCOUNT_FIELDS)}
    kept["automation_from"] = values.automation_from.isoformat()
    kept["folders"] = sorted(name.decode(errors="replace") for name in values.folders)
    kept["access"] = sorted(
        f"{grant.role_id or grant.membership_id} {grant.level}" for grant in values.grants
    )
    return kept


def synced_folders(account: Account | None) -> list[bytes]:
    """Raw names of the folders that are read."""
    if account is None:
        return []
    query = folders_of(account).where(Folder.is_synced).order_by(Folder.name)
    return [folder.name_raw for folder in db.session.scalars(query)]


def grants_of(mailbox: Mailbox) -> list[Grant]:
    """Who has access to a mailbox, always in one order."""
    query = select(MailboxGrant).where(MailboxGrant.mailbox_id == mailbox.id).order_by(MailboxGrant.id)
    rows = db.session.scalars(query)
    return [Grant(row.level, row.role_id, row.membership_id) for row in rows]
