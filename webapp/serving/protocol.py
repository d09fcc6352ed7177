"""Who connects says soon what they want: the server itself would wait for the end of the headers for good."""

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEADING_SECONDS = 20.0  # until the headers of a request are whole


class PatientProtocol(H11Protocol):
    """The server's protocol, which hangs up on whoever sends no request, or its headers a byte at a time."""

    _overdue: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as the server's
        """A client is there."""
        super().connection_made(transport)
        self._wait_for_headers()

    def data_received(self, data: bytes) -> None:
        """Something came, of a request's headers or of its body."""
        super().data_received(data)
        self._wait_for_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait_for_headers(self) -> None:
        if self.conn.their_state is not h11.IDLE:
            self._stop_waiting()
        elif self._overdue is None:
            self._overdue = self.loop.call_later(HEADING_SECONDS, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._overdue is not None:
            self._overdue.cancel()
            self._overdue = None
