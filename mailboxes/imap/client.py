"""IMAPClient over a guarded wire.

`imaplib` opens, reads and sends by itself, without a deadline, and logs what it sends. Here its five
documented transport methods go through `Wire`, so that everything IMAPClient does (greeting,
capabilities, tags) happens within our allowance on a connection that the egress guard has opened.
"""

import imaplib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from imapclient import IMAPClient

from mailboxes.errors import ProtocolError, ServerUnavailableError, WrongProtocolError
from mailboxes.wire import Wire

_GOODBYE = re.compile(rb"\bBYE\b", re.IGNORECASE)


class GuardedClient(IMAPClient):
    """An IMAPClient whose connection exists already. Creating it reads greeting and capabilities.

    Raises `WrongProtocolError` if something else than IMAP answers, `ServerUnavailableError` on BYE.
    """

    def __init__(self, wire: Wire, host: str, port: int, *, is_encrypted: bool) -> None:
        self._wire = wire
        with _greeting():
            super().__init__(host, port, ssl=is_encrypted)
        self._imap.debug = 0  # IMAPClient sets 5: every line, passwords too, would go to the log

    @property
    def is_signed_in(self) -> bool:
        """Whether the server greeted with PREAUTH."""
        return bool(self._imap.state == "AUTH")

    def new_tag(self) -> bytes:
        """A tag that was not used before on this connection."""
        tag = bytes(self._imap._new_tag())
        self._imap.tagged_commands.pop(tag, None)
        return tag

    def announced(self) -> frozenset[str]:
        """Capabilities as told in answer to the CAPABILITY command before login."""
        return frozenset(name.decode("ascii", "replace").upper() for name in self.capabilities())

    def _create_IMAP4(self) -> imaplib.IMAP4:  # noqa: N802 - IMAPClient's name
        return _GuardedImap4(self._wire, self.host, self.port)

    def _set_read_timeout(self) -> None:
        """The wire has its own clock."""


class _GuardedImap4(imaplib.IMAP4):
    """imaplib's protocol engine without its transport."""

    def __init__(self, wire: Wire, host: str, port: int) -> None:
        self._wire = wire
        super().__init__(host, port)

    def open(self, host: str = "", port: int = 143, timeout: float | None = None) -> None:
        self.host = host
        self.port = port
        self.sock: Any = self._wire

    def read(self, size: int) -> bytes:
        return self._wire.read_bytes(size)

    def readline(self) -> bytes:
        return self._wire.read_line() + b"\r\n"

    def send(self, data: Any) -> None:
        self._wire.sendall(data)

    def shutdown(self) -> None:
        self._wire.close()


@contextmanager
def _greeting() -> Iterator[None]:
    """Say in our words what is wrong with a greeting, without repeating it (F24, F26)."""
    try:
        yield
    except imaplib.IMAP4.error as error:
        if any(_GOODBYE.search(_as_bytes(argument)) for argument in error.args):
            raise ServerUnavailableError from error
        raise WrongProtocolError from error
    except (ValueError, KeyError, IndexError) as error:
        raise ProtocolError from error


def _as_bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")
