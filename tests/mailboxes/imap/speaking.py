"""What tests of the IMAP speaker share: a message, and ways to use a connection."""

from collections.abc import Callable
from contextlib import AbstractContextManager

from mailboxes.egress import EgressPolicy
from mailboxes.imap import FetchedMessage, ImapConnection, ImapSettings

RAW = b"Subject: hello\r\nFrom: a@example.com\r\n\r\nHow are you?\r\n"

Open = Callable[..., AbstractContextManager[ImapConnection]]


def fetched(connection: ImapConnection, *uids: int) -> list[FetchedMessage]:
    return list(connection.fetch_messages(uids))


def whole_session(account: ImapSettings, policy: EgressPolicy) -> list[bytes | None]:
    with ImapConnection(account, policy) as connection:
        connection.folders()
        connection.examine(b"INBOX")
        messages = list(connection.fetch_messages(list(connection.all_uids())))
        connection.run(b"NOOP")
    return [message.raw for message in messages]
