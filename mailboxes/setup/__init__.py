"""Setting up mailboxes: created, changed, checked, paused, deleted, with account, folders and access.

- `MailboxValues`, `values_of(mailbox, account)`, `create(values)`, `change(mailbox, values)`: the whole page.
- `check(values, account)`: try the connection as it is typed, without saving anything.
- `proposals_for(address)`: connection settings to offer for an address.
- `mailbox_page(filter, order)`: the grid, which is the health page too.
- `deletion_effects(mailbox)`, `begin_deleting(mailbox, typed_label)`, `going()`.
- `mailboxes.global_mailboxes` does the same for global mailboxes, for system administrators.
"""

from mailboxes.setup.checking import FolderChoice, check, known_folders, proposals_for
from mailboxes.setup.connection import Connection, connection_of
from mailboxes.setup.deleting import (
    begin_deleting,
    deletion_effects,
    demand_own_to_delete,
    going,
    records_that_stay,
)
from mailboxes.setup.grid import GridFilter, mailbox_page
from mailboxes.setup.overview import Overview, overview_of
from mailboxes.setup.saving import change, create, go_live, lock, own_account, pause, resume, sync_soon
from mailboxes.setup.values import Grant, MailboxValues, values_of

__all__ = [
    "Connection",
    "FolderChoice",
    "Grant",
    "GridFilter",
    "MailboxValues",
    "Overview",
    "begin_deleting",
    "change",
    "check",
    "connection_of",
    "create",
    "deletion_effects",
    "demand_own_to_delete",
    "go_live",
    "going",
    "known_folders",
    "lock",
    "mailbox_page",
    "overview_of",
    "own_account",
    "pause",
    "proposals_for",
    "records_that_stay",
    "resume",
    "sync_soon",
    "values_of",
]
