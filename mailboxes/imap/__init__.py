"""The only speaker of IMAP (RFC 9051, 3501) and the only importer of imapclient.

`ImapConnection` is what the rest of Postroom uses. Below it: `client` puts IMAPClient on a guarded
wire, `dialogue` says commands and reads answers, `refusals` knows what a NO means, `session` opens and, by
`signing_in`, signs in; `folders`, `folder_numbers`, `fetching`, `changes` and `searching` understand answers,
`reading` gets messages out of servers that make it hard.
"""

from mailboxes.imap.changes import Changes
from mailboxes.imap.connection import ImapConnection
from mailboxes.imap.fetching import FetchedMessage, MessageDetails
from mailboxes.imap.folder_numbers import FolderState, FolderStatus
from mailboxes.imap.folders import FolderListing, raw_name, shown_name
from mailboxes.imap.settings import Encryption, ImapSettings
from mailboxes.wire import Timeouts

__all__ = [
    "Changes",
    "Encryption",
    "FetchedMessage",
    "FolderListing",
    "FolderState",
    "FolderStatus",
    "ImapConnection",
    "ImapSettings",
    "MessageDetails",
    "Timeouts",
    "raw_name",
    "shown_name",
]
