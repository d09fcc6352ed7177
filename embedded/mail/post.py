"""SMTP of the embedded mail server: the world writes in, and we write out to the world."""

import re
import secrets
import smtplib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword
from aiosmtpd.smtp import Session as SmtpSession

from embedded.mail.people import People
from embedded.mail.storage import Mail

LARGEST_MESSAGE = 64 * 1024 * 1024
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")


@dataclass(frozen=True)
class SentLetter:
    """What left the house: as the outside recipient received it."""

    sender: str
    recipient: str
    sent_at: datetime
    raw: bytes


class CustomersPost:
    """The world's mailboxes: one folder for each outside address, in order of arrival."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def keep(self, raw: bytes, *, recipient: str) -> None:
        """Store a message for somebody outside; its first lines are the trace of `_trace`."""
        place = self.folder / quote(recipient.lower(), safe="@")
        place.mkdir(parents=True, exist_ok=True)
        name = f"{time.time_ns():020d}-{secrets.token_hex(4)}"
        draft = place / f"{name}.tmp"
        draft.write_bytes(raw)
        draft.rename(place / f"{name}.eml")

    def addresses(self) -> list[str]:
        """Everybody outside who ever received something."""
        if not self.folder.exists():
            return []
        return sorted(unquote(place.name) for place in self.folder.iterdir())

    def received_by(self, address: str) -> list[SentLetter]:
        """What this address received, oldest first."""
        place = self.folder / quote(address.lower(), safe="@")
        return [_letter(file) for file in sorted(place.glob("*.eml"))]

    def everything(self) -> Iterator[SentLetter]:
        """All that left, by recipient and then by time."""
        for address in self.addresses():
            yield from self.received_by(address)


class PostOffice:
    """aiosmtpd's hooks: from anybody to a mailbox of ours; from who signed in to the world."""

    def __init__(self, mail: Mail, customers: CustomersPost) -> None:
        self._mail = mail
        self._customers = customers

    def authenticate(
        self, server: SMTP, session: SmtpSession, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        """Accept the name and password of anybody who has a mailbox here."""
        del server, session, envelope, mechanism
        if not isinstance(data, LoginPassword):
            return AuthResult(success=False, handled=False)
        name, password = data.login.decode(), data.password.decode()
        user = self._mail.people.signed_in(name, password)
        return AuthResult(success=user is not None, handled=False, auth_data=data)

    async def handle_RCPT(  # noqa: N802  # aiosmtpd finds it by this name
        self,
        server: SMTP,
        session: SmtpSession,
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        """Say yes to mailboxes of ours; to others only when the sender signed in."""
        del server
        refusal = self._refusal(self._mail.people, address, is_ours=bool(session.authenticated))
        if refusal is not None:
            return refusal
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 OK"

    async def handle_DATA(  # noqa: N802  # aiosmtpd finds it by this name
        self, server: SMTP, session: SmtpSession, envelope: Envelope
    ) -> str:
        """Deliver to each recipient, with the trace that a last hop adds (RFC 5321, 4.4)."""
        del server
        raw = envelope.content if isinstance(envelope.content, bytes) else b""
        sender = envelope.mail_from or ""
        for recipient in dict.fromkeys(envelope.rcpt_tos):
            traced = _trace(sender, recipient, session.host_name or "unknown") + raw
            user = self._mail.people.mailbox_of(recipient)
            if user is not None and not user.reads_elsewhere:
                await self._mail.deliver(user, traced)
            else:
                self._customers.keep(traced, recipient=recipient)
        return "250 2.0.0 Delivered"

    @staticmethod
    def _refusal(people: People, address: str, *, is_ours: bool) -> str | None:
        if not _ADDRESS.fullmatch(address):
            return "553 5.1.3 That is not an address"
        if people.mailbox_of(address) is not None:
            return None
        if people.is_local(address.rpartition("@")[2]):
            return "550 5.1.1 There is no such mailbox here"
        return None if is_ours else "550 5.7.1 Sign in before you write to others"


def smtp_protocol(office: PostOffice) -> SMTP:
    """One SMTP conversation, in plain text: everything stays on this machine."""
    return SMTP(
        office,
        data_size_limit=LARGEST_MESSAGE,
        enable_SMTPUTF8=True,
        hostname="localhost",
        ident="Postroom's embedded mail server",
        auth_require_tls=False,
        authenticator=office.authenticate,
    )


def deliver(smtp_url: str, raw: bytes, *, sender: str, recipients: list[str]) -> None:
    """Hand a message to a server as the world does: ``smtp://[name:password@]host:port``.

    Raises `smtplib.SMTPException` when the server refuses it.
    """
    server = urlsplit(smtp_url)
    with smtplib.SMTP(server.hostname or "127.0.0.1", server.port or 25, timeout=30) as client:
        if server.username is not None:
            client.login(unquote(server.username), unquote(server.password or ""))
        is_plain = raw.isascii() and all(map(str.isascii, [sender, *recipients]))
        options = [] if is_plain else ["BODY=8BITMIME", "SMTPUTF8"]
        client.sendmail(sender, recipients, raw, mail_options=options)


def _trace(sender: str, recipient: str, host: str) -> bytes:
    now = format_datetime(datetime.now(UTC))
    lines = (
        f"Return-Path: <{sender}>",
        f"Delivered-To: {recipient}",
        f"Received: from {host} by localhost with ESMTP; {now}",
    )
    return "".join(f"{line}\r\n" for line in lines).encode()


def _letter(file: Path) -> SentLetter:
    raw = file.read_bytes()
    return_path, delivered_to = (line.decode() for line in raw.split(b"\r\n", 2)[:2])
    return SentLetter(
        sender=return_path.removeprefix("Return-Path: <").removesuffix(">"),
        recipient=delivered_to.removeprefix("Delivered-To: "),
        sent_at=datetime.fromtimestamp(int(file.name[:20]) / 1e9, UTC),
        raw=raw,
    )
