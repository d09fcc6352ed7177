"""Somebody's mail on a server, as a mail program sees it."""

import imaplib
import os
import ssl
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

INBOX = "INBOX"


@dataclass(frozen=True)
class ImapAccount:
    """How to reach a person's mail by IMAP; ``plain_port``: also without encryption, if it is not 0.

    ``maildir``: where the server keeps it, if that is a Maildir on this machine.
    """

    host: str
    port: int
    encryption: str
    user: str
    password: str
    ca_file: Path | None = None
    plain_port: int = 0
    maildir: Path | None = None

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

    def file_all(self, raws: Iterable[bytes], received_at: datetime) -> int:
        """File very many messages in the inbox before anybody has used it; how many bytes they have.

        They go past the server where that is possible: each APPEND takes longer than the one before.
        """
        if self.maildir is not None:
            return sum(map(len, _filed(self.maildir, raws, received_at.timestamp())))
        size = 0
        with self.session() as session:
            for raw in raws:
                self.append(session, raw, received_at)
                size += len(raw)
        return size

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


def _filed(maildir: Path, raws: Iterable[bytes], moment: float) -> Iterator[bytes]:
    """Each message, once it lies in a new Maildir, with the owner of the folder around it."""
    owner = maildir.parent.stat()
    for folder in (maildir, *(maildir / name for name in ("cur", "new", "tmp"))):
        folder.mkdir()
        os.chown(folder, owner.st_uid, owner.st_gid)
    for number, raw in enumerate(raws):
        path = maildir / "cur" / f"{int(moment)}.M{number:07}.filed:2,"
        path.write_bytes(raw)
        os.chown(path, owner.st_uid, owner.st_gid)
        os.utime(path, (moment, moment))
        yield raw


def count_in(session: imaplib.IMAP4, folder: str) -> int:
    """How many messages a folder has; read-only."""
    _, answer = session.select(folder, readonly=True)
    return int(answer[0] or 0)
