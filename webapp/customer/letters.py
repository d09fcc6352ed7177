"""Messages of the demo's customers: built, handed to the mail server, and what came back."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from email.utils import quote as escaped
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit
from uuid import UUID

from flask import current_app

from mailboxes.connections import egress_policy
from mailboxes.parsing import parse
from mailboxes.smtp import DeliveryResult, SmtpSettings, deliver
from tenants.application import settings_of

KINDS = {
    "person": "A person writes",
    "out_of_office": "An out-of-office message",
    "newsletter": "A newsletter",
}
_HEADERS = {
    "person": {},
    "out_of_office": {"Auto-Submitted": "auto-replied", "X-Auto-Response-Suppress": "All"},
    "newsletter": {
        "List-Id": "News <news.trade-weekly.example>",
        "List-Unsubscribe": "<mailto:leave@trade-weekly.example>",
        "Precedence": "bulk",
    },
}
_MESSAGE_ID = re.compile(r"<[\x21-\x3b\x3d\x3f-\x7e]{1,200}>")
_SPECIAL = re.compile(r"[][()<>@:;\\,.\"]")
MOST_REFERENCES = 50


@dataclass(frozen=True)
class Letter:
    """What a customer sends; ``id`` is in its Message-ID."""

    id: UUID
    sender: Address
    recipient: str
    subject: str
    text: str
    kind: str = "person"
    in_reply_to: str = ""
    references: str = ""

    @property
    def message_id(self) -> str:
        """Its Message-ID."""
        return f"<{self.id}@{self.sender.domain}>"

    def written(self) -> bytes:
        """The message as it travels."""
        message = EmailMessage(policy=policy.SMTP)
        message["From"] = self.sender
        message["To"] = self.recipient
        message["Subject"] = self.subject
        message["Date"] = format_datetime(datetime.now(UTC))
        message["Message-ID"] = self.message_id
        answered = _MESSAGE_ID.findall(self.in_reply_to)[:1]
        if answered:
            earlier = _MESSAGE_ID.findall(self.references)[-MOST_REFERENCES:]
            message["In-Reply-To"] = answered[0]
            message["References"] = " ".join(dict.fromkeys([*earlier, *answered]))
        for name, value in _HEADERS[self.kind].items():
            message[name] = value
        message.set_content(self.text.replace("\r\n", "\n"))
        return message.as_bytes()


@dataclass(frozen=True)
class Received:
    """What somebody got from one of our mailboxes, or from Postroom itself."""

    name: str
    at: datetime
    recipient: str
    sender: str
    subject: str
    text: str
    message_id: str  # as the next two without the angle brackets
    in_reply_to: str
    references: tuple[str, ...]


def person(name: str, address: str) -> str:
    """Somebody as people type them, ready to be read again."""
    if not name or name == address:
        return address
    return f'"{escaped(name)}" <{address}>' if _SPECIAL.search(name) else f"{name} <{address}>"


def send(letter: Letter) -> DeliveryResult:
    """Hand a letter to the mail server, as the world does."""
    server = urlsplit(settings_of(current_app).customer_smtp_url)
    return deliver(
        SmtpSettings(server.hostname or "127.0.0.1", server.port or 25, "none"),
        egress_policy(),
        envelope_sender=letter.sender.addr_spec,
        recipients=[letter.recipient],
        data=letter.written(),
        before_final_dot=lambda: None,
    )


def received_by(address: str, mailboxes: set[str]) -> list[Received]:
    """What an address of the world got from these mailboxes, oldest first."""
    return _letters(quote(address.lower(), safe="@"), mailboxes)


def received_by_anybody(senders: set[str]) -> list[Received]:
    """What anybody in the world got from these senders, oldest first."""
    return sorted(_letters("*", senders), key=lambda one: one.at)


def _letters(folders: str, senders: set[str]) -> list[Received]:
    world = Path(settings_of(current_app).customer_mail_directory)
    found = [_received(file) for file in sorted(world.glob(f"{folders}/*.eml"))]
    return [one for one in found if one.sender in senders]


def _received(file: Path) -> Received:
    parsed = parse(file.read_bytes())
    return Received(
        name=file.stem,
        at=datetime.fromtimestamp(int(file.name[:20]) / 1e9, UTC),
        recipient=unquote(file.parent.name),
        sender=parsed.sender.address.lower() if parsed.sender else "",
        subject=parsed.subject,
        text=parsed.text,
        message_id=parsed.message_id or "",
        in_reply_to=parsed.in_reply_to or "",
        references=tuple(parsed.references),
    )
