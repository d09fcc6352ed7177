"""A socket with a clock and a budget: what both protocol speakers read and write through.

A socket time-out only limits the silence between two bytes; a server that sends one byte per
second holds a worker for ever (F20). So every command runs inside `Wire.allowance`: so many seconds
of wall clock and so many bytes, whatever arrives in between. Nothing is allocated because a server
claims it (F14); lines are bounded; TLS is verified, 1.2 or newer, and started only on an empty
buffer (F28).
"""

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from mailboxes.errors import (
    AnswerTooLongError,
    CertificateError,
    CertificateExpiredError,
    CertificateNameError,
    CertificateNotYetValidError,
    ConnectionLostError,
    MailServerError,
    NotTlsError,
    ProtocolError,
    SelfSignedCertificateError,
    ServerTimeoutError,
    TlsError,
    TlsVersionError,
    UnknownAuthorityError,
)

CHUNK = 256 * 1024
RECORD = 16 * 1024  # TLS hands out no more at once, and room for more costs time
LONGEST_LINE = 64 * 1024
SENT_AT_ONCE = 64 * 1024

# X509_V_ERR_* of OpenSSL
_CERTIFICATE_ERRORS: dict[int, type[CertificateError]] = {
    9: CertificateNotYetValidError,
    10: CertificateExpiredError,
    18: SelfSignedCertificateError,
    19: UnknownAuthorityError,
    20: UnknownAuthorityError,
    21: UnknownAuthorityError,
    62: CertificateNameError,
    64: CertificateNameError,
}
_NOT_TLS = {
    "HTTP_REQUEST",
    "PACKET_LENGTH_TOO_LONG",
    "RECORD_LAYER_FAILURE",
    "WRONG_VERSION_NUMBER",
}
_OLD_TLS = {
    "DH_KEY_TOO_SMALL",
    "NO_PROTOCOLS_AVAILABLE",
    "NO_SHARED_CIPHER",
    "SSLV3_ALERT_HANDSHAKE_FAILURE",
    "TLSV1_ALERT_PROTOCOL_VERSION",
    "UNSUPPORTED_PROTOCOL",
}


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds of wall clock for each phase of a conversation (F21)."""

    connect: float = 10
    greeting: float = 15
    command: float = 60
    body: float = 600


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a person wants to know about the certificate of a server that passed verification."""

    subject: str
    issuer: str
    expires_at: datetime
    tls_version: str


@lru_cache(maxsize=8)
def tls_context(ca_file: str | None = None) -> ssl.SSLContext:
    """Verify certificate and name, TLS 1.2 or newer; trust ``ca_file`` (PEM) besides the system."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_file is not None:
        context.load_verify_locations(cafile=ca_file)
    return context


class Wire:
    """One connection, plain or TLS, read in lines and counted bytes.

    ``silence``: seconds that no single wait exceeds, whatever the allowance.
    Every failure is a `MailServerError`; after one that `needs_reconnect` the wire is closed.
    """

    def __init__(self, connection: socket.socket, silence: float = 600) -> None:
        self._socket = connection
        self._silence = silence
        self._buffer = bytearray()
        self._start = 0  # everything before it was read already
        self._deadline = time.monotonic() + Timeouts().command
        self._budget = LONGEST_LINE
        self.received_count = 0  # bytes, in all
        self.is_encrypted = False
        self.is_closed = False

    def __enter__(self) -> "Wire":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def allowance(self, seconds: float, size: int) -> Iterator[None]:
        """Everything inside takes at most so many seconds and so many received bytes."""
        before = self._deadline, self._budget
        self._deadline = time.monotonic() + seconds
        self._budget = size
        try:
            yield
        except MailServerError as error:
            if error.needs_reconnect:
                self.close()
            raise
        finally:
            self._deadline, self._budget = before

    def fileno(self) -> int:
        """For a selector, which does not hear of what was received already (`read_available`, `has_line`)."""
        return self._socket.fileno()

    @property
    def has_line(self) -> bool:
        """Whether a whole line lies in the buffer."""
        return self._buffer.find(b"\n", self._start) >= 0

    def read_line(self, longest: int = LONGEST_LINE) -> bytes:
        """Return one line without its end (CRLF, or LF where a server is sloppy)."""
        seen = 0
        while (end := self._buffer.find(b"\n", self._start + seen)) < 0:
            seen = len(self._buffer) - self._start
            if seen > longest:
                self.close()
                raise AnswerTooLongError
            self._receive()
        line = bytes(self._buffer[self._start : end])
        self._start = end + 1
        return line.removesuffix(b"\r")

    def read_bytes(self, size: int) -> bytes:
        """Return exactly ``size`` bytes; memory grows only as they arrive."""
        missing = size - (len(self._buffer) - self._start)
        if missing > self._budget:
            self.close()
            raise AnswerTooLongError
        while (missing := size - (len(self._buffer) - self._start)) > 0:
            self._receive(max(RECORD, min(CHUNK, missing)))
        with memoryview(self._buffer) as view:
            taken = bytes(view[self._start : self._start + size])
        self._start += size
        return taken

    def read_some(self, most: int) -> bytes:
        """What has arrived, at most so many bytes; waits for the first. Empty at the connection's end."""
        if self._start == len(self._buffer):
            try:
                self._receive(most)
            except ConnectionLostError:
                return b""
        taken = bytes(self._buffer[self._start : self._start + most])
        self._start += len(taken)
        return taken

    def read_available(self) -> bool:
        """Take what has arrived without waiting; False if nothing had. For IDLE."""
        try:
            self._socket.settimeout(0)
            received = self._socket.recv(CHUNK)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return False
        except OSError as error:
            raise self._lost(error) from error
        if not received:
            raise self._lost(None)
        self._take(received)
        return True

    def sendall(self, data: bytes) -> None:
        """Send all of it within the allowance. The name is a socket's: smtplib calls it."""
        view = memoryview(data)
        for start in range(0, len(view), SENT_AT_ONCE):
            self._set_remaining_time()
            try:
                self._socket.sendall(view[start : start + SENT_AT_ONCE])
            except OSError as error:
                raise self._lost(error) from error

    def start_tls(self, context: ssl.SSLContext, name: str) -> None:
        """Encrypt from here on. Plain text that came too early is an attack and ends it (F28)."""
        if self._start < len(self._buffer):
            self.close()
            raise ProtocolError
        self._set_remaining_time()
        plain = self._socket
        try:
            self._socket = context.wrap_socket(plain, server_hostname=name)
        except (ssl.SSLError, ssl.CertificateError) as error:
            self.close()
            raise _explained(error) from error
        except OSError as error:
            raise self._lost(error) from error
        except ValueError as error:
            self.close()
            raise CertificateError from error
        self.is_encrypted = True

    def certificate(self) -> Certificate | None:
        """The verified certificate, None on a plain connection."""
        if not isinstance(self._socket, ssl.SSLSocket):
            return None
        found = self._socket.getpeercert()
        if not found:
            return None
        expires = ssl.cert_time_to_seconds(str(found["notAfter"]))
        return Certificate(
            subject=_common_name(found.get("subject")),
            issuer=_common_name(found.get("issuer")),
            expires_at=datetime.fromtimestamp(expires, UTC),
            tls_version=self._socket.version() or "",
        )

    def close(self) -> None:
        """End the connection; harmless when repeated."""
        if self.is_closed:
            return
        self.is_closed = True
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _receive(self, size: int = RECORD) -> None:
        self._set_remaining_time()
        try:
            received = self._socket.recv(size)
        except OSError as error:
            raise self._lost(error) from error
        if not received:
            raise self._lost(None)
        self._take(received)

    def _take(self, received: bytes) -> None:
        self.received_count += len(received)
        self._budget -= len(received)
        if self._budget < 0:
            self.close()
            raise AnswerTooLongError
        if self._start:
            del self._buffer[: self._start]
            self._start = 0
        self._buffer += received

    def _set_remaining_time(self) -> None:
        if self.is_closed:
            raise ConnectionLostError
        remaining = self._deadline - time.monotonic()
        if remaining <= 0:
            self.close()
            raise ServerTimeoutError
        self._socket.settimeout(min(remaining, self._silence))

    def _lost(self, error: OSError | None) -> MailServerError:
        self.close()
        if isinstance(error, TimeoutError):
            return ServerTimeoutError()
        return ConnectionLostError()


def _explained(error: ssl.SSLError | ssl.CertificateError) -> MailServerError:
    """The failure of a TLS handshake in our words, with the next thing to do."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _CERTIFICATE_ERRORS.get(error.verify_code, CertificateError)()
    reason = str(getattr(error, "reason", "") or "")
    if reason in _NOT_TLS:
        return NotTlsError()
    if reason in _OLD_TLS:
        return TlsVersionError()
    if isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        return ConnectionLostError("The server closed the connection while TLS was being set up.")
    return TlsError()


def _common_name(name: object) -> str:
    """The name of a certificate's subject or issuer, out of what `getpeercert` gives."""
    pairs: dict[str, str] = {}
    if isinstance(name, tuple):
        pairs = {key: value for parts in name for key, value in parts}
    for key in ("commonName", "organizationName", "organizationalUnitName"):
        if key in pairs:
            return pairs[key]
    return ""
