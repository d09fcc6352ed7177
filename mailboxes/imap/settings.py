"""What a connection to an IMAP server needs to know."""

from dataclasses import dataclass, field
from typing import Literal

from mailboxes.sasl import TokenSource
from mailboxes.wire import Timeouts

Encryption = Literal["tls", "starttls", "none"]

MAX_MESSAGE_BYTES = 50 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ImapSettings:
    """One account on one server.

    ``encryption``: *tls* from the first byte, *starttls* required before login, *none* only because a
    person chose it. ``ca_file``: PEM of authorities trusted besides the system's.
    ``tokens``: signs in with access tokens instead of the password.
    Messages over ``max_message_bytes`` are told of, but stay on the server.
    """

    host: str
    port: int
    encryption: Encryption
    user: str
    password: str = field(repr=False)
    tokens: TokenSource | None = field(default=None, repr=False)
    ca_file: str | None = None
    timeouts: Timeouts = field(default_factory=Timeouts)
    max_message_bytes: int = MAX_MESSAGE_BYTES
