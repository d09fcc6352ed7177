"""Somebody's mail on a server, as a mail program sees it."""

import imaplib
import ssl
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

INBOX = "INBOX"


@dataclass(frozen=True)
class ImapAccount:
    """How to reach a person's mail by IMAP; ``plain_port``: also without encryption, if it is not 0."""

    host: str
    port: int
    encryption: str
    user: str
    password: str
    ca_file: Path | None = None
    plain_port: int = 0

    def session(self) -> imaplib.IMAP4:
        """A signed-in connection; a context manager that signs out."""
        session: imaplib.IMAP4
        if self.encryption == "tls":
            trust = ssl.create_default_context(cafile=self.ca_file)
            session = imaplib.IMAP4_SSL(self.host, self.port, ssl_context=trust, timeout=20)
        else:
            session = imaplib.IMAP4(self.host, self.port, timeout=20)
        session.login(self.user, self.password)
        return session

    def append(self, session: imaplib.IMAP4, raw: bytes, received_at: datetime | None = None) -> None:
        """File a message in the inbox, as a server does when one comes in; now, or some time ago."""
        when = imaplib.Time2Internaldate(received_at) if received_at else ""
        outcome, answer = session.append(INBOX, "", when, raw)
        assert outcome == "OK", answer

    def raws(self) -> list[bytes]:
        """Every message of the inbox, as the server hands it out."""
        with self.session() as session:
            session.select(INBOX, readonly=True)
            _, answer = session.uid("FETCH", "1:*", "(UID BODY.PEEK[])")
        return [one[1] for one in answer if isinstance(one, tuple)]

    def count(self, folder: str = INBOX) -> int:
        """How many messages a folder has."""
        with self.session() as session:
            return count_in(session, folder)


def count_in(session: imaplib.IMAP4, folder: str) -> int:
    """How many messages a folder has; read-only."""
    _, answer = session.select(folder, readonly=True)
    return int(answer[0] or 0)
