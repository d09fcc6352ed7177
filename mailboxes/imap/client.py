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
from mailboxes.imap.refusals import too_many_connections
from mailboxes.wire import Wire

_GOODBYE = re.compile(rb"\* BYE\b", re.IGNORECASE)
_WORDS = re.compile(rb"(\S+) (OK|NO|BAD|BYE|PREAUTH|CAPABILITY)( .*)?\Z", re.IGNORECASE | re.DOTALL)
_IMAP = re.compile(rb"\* (?:OK|PREAUTH)\b", re.IGNORECASE)


class GuardedClient(IMAPClient):
    """An IMAPClient whose connection exists already. Creating it reads greeting and capabilities.

    Raises `WrongProtocolError` if something else than IMAP answers, `ServerUnavailableError` on BYE.
    """

    def __init__(self, wire: Wire, host: str, port: int, *, is_encrypted: bool) -> None:
        self._wire = wire
        self._heard: list[bytes] = []
        with _greeting(self._heard):
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
        return _GuardedImap4(self._wire, self.host, self.port, self._heard)

    def _set_read_timeout(self) -> None:
        """The wire has its own clock."""


class _GuardedImap4(imaplib.IMAP4):
    """imaplib's protocol engine without its transport. ``heard``: the lines it has read."""

    def __init__(self, wire: Wire, host: str, port: int, heard: list[bytes]) -> None:
        self._wire = wire
        self._heard = heard
        super().__init__(host, port)

    def open(self, host: str = "", port: int = 143, timeout: float | None = None) -> None:
        self.host = host
        self.port = port
        self.sock: Any = self._wire

    def read(self, size: int) -> bytes:
        return self._wire.read_bytes(size)

    def readline(self) -> bytes:
        line = self._wire.read_line()
        self._heard.append(line)
        return _in_capitals(line) + b"\r\n"

    def send(self, data: Any) -> None:
        self._wire.sendall(data)

    def shutdown(self) -> None:
        self._wire.close()


def _in_capitals(line: bytes) -> bytes:
    """A line as imaplib reads it: with capitals, and with a text where a server leaves it out (F45)."""
    found = _WORDS.match(line)
    if found is None:
        return line
    return found[1] + b" " + found[2].upper() + (found[3] or b" .")


@contextmanager
def _greeting(heard: list[bytes]) -> Iterator[None]:
    """Say in our words what is wrong with a greeting, without repeating it (F24, F26)."""
    try:
        yield
    except imaplib.IMAP4.error as error:
        if goodbye := next((line for line in heard if _GOODBYE.match(line)), b""):
            raise too_many_connections(goodbye.decode("latin-1")) or ServerUnavailableError() from error
        if heard and _IMAP.match(heard[0]):
            raise ProtocolError from error
        raise WrongProtocolError from error
    except (ValueError, KeyError, IndexError) as error:
        raise ProtocolError from error
