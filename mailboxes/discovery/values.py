"""What is proposed."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Server:
    """Where to connect. ``encryption``: tls or starttls; nothing is proposed without."""

    host: str
    port: int
    encryption: str


@dataclass(frozen=True, slots=True)
class Proposal:
    """Settings from one source. ``origin`` says which, for people; ``kind`` is an account's.

    ``hint``: what the provider demands. ``warning``: why to look twice before using it.
    """

    origin: str
    user: str
    imap: Server | None = None
    smtp: Server | None = None
    kind: str = "other"
    hint: str = ""
    warning: str = ""

    @property
    def place(self) -> tuple[Server | None, Server | None, str]:
        """What makes two proposals the same."""
        return self.imap, self.smtp, self.user
