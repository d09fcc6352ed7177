"""What a connection to a submission server needs to know."""

from dataclasses import dataclass, field
from typing import Literal

from mailboxes.sasl import TokenSource
from mailboxes.wire import Timeouts

Encryption = Literal["tls", "starttls", "none"]


@dataclass(frozen=True, slots=True)
class SmtpSettings:
    """One account on one submission server; without ``user`` nobody signs in.

    ``encryption``: as for IMAP; a password is sent unencrypted only if *none* was chosen.
    ``tokens``: signs in with access tokens instead of the password.
    ``ehlo_name``: how we introduce ourselves.
    """

    host: str
    port: int
    encryption: Encryption
    user: str = ""
    password: str = field(default="", repr=False)
    tokens: TokenSource | None = field(default=None, repr=False)
    ca_file: str | None = None
    ehlo_name: str = "[127.0.0.1]"
    timeouts: Timeouts = field(default_factory=Timeouts)
