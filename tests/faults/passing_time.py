"""Time as a scripted server lets it pass: what never comes is not waited for, what comes is never too late.

A server that hangs lets an hour pass (`ScriptedImap.let_pass`), one that trickles some seconds for each byte.
It counts where somebody waits for more than has come; all other time stands still, however busy the machine.
"""

import select
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from mailboxes import wire
from mailboxes.imap import session
from mailboxes.wire import Wire
from tests.faults.imap_server import ScriptedImap


class _Clock:
    def __init__(self) -> None:
        self.passed = time.monotonic()

    def monotonic(self) -> float:
        return self.passed


@contextmanager
def time_of(server: ScriptedImap) -> Iterator[None]:
    """Whoever reads from this server meanwhile has the clock of the server."""
    clock, receive = _Clock(), Wire._receive

    def receive_in_its_time(reader: Wire, size: int = wire.RECORD) -> None:
        while not reader.is_closed and clock.passed < reader._deadline:
            passed = server.taken_time()
            if _has_more(reader):
                server.let_pass(passed)
                break
            clock.passed += passed
        receive(reader, size)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wire, "time", clock)
        patch.setattr(session, "time", clock)
        patch.setattr(Wire, "_receive", receive_in_its_time)
        yield


def _has_more(reader: Wire) -> bool:
    connection = reader._socket
    is_decrypted = isinstance(connection, ssl.SSLSocket) and connection.pending() > 0
    return is_decrypted or bool(select.select([connection], [], [], 0.01)[0])
