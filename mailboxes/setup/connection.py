"""The account behind a mailbox, with its folders, as far as somebody may see it."""

from dataclasses import dataclass, field

from mailboxes.accounts import Account
from mailboxes.setup.checking import FolderChoice, known_folders
from mailboxes.setup.saving import account_of
from mailboxes.setup.values import synced_folders
from mailboxes.system_mailboxes import Mailbox


@dataclass(frozen=True)
class Connection:
    """An account (None where it is the system's, and this session an organization's) and its folders."""

    account: Account | None
    folders: list[FolderChoice] = field(default_factory=list)
    synced: list[bytes] = field(default_factory=list)


def connection_of(mailbox: Mailbox) -> Connection:
    """What the owner that the session is bound to may see of a mailbox's account."""
    account = account_of(mailbox)
    if account is None:
        return Connection(None)
    return Connection(account, known_folders(account), synced_folders(account))
