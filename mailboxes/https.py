"""HTTPS through the egress guard: one request on a connection of its own, bounded in time and size.

Every address that is asked, the target of a redirect too, goes through `mailboxes.egress` first; TLS is
verified for the name; the whole exchange has one clock and one budget (`mailboxes.wire`). Nothing is
kept between two requests: no cookies, no cache, no proxy. Without TLS only a caller that permits it asks, and
only in networks that the installation has opened.
"""

import http.client
import io
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urljoin, urlsplit

from mailboxes import egress
from mailboxes.egress import EgressPolicy
from mailboxes.errors import (
    AnswerTooLongError,
    EgressRefusedError,
    MailServerError,
    ProtocolError,
    UnsafeArgumentError,
)
from mailboxes.wire import Wire, tls_context

SECONDS = 10.0
LARGEST_ANSWER = 256 * 1024
LARGEST_HEADER = 64 * 1024
MOST_REDIRECTS = 2
REDIRECTS = frozenset({301, 302, 303, 307, 308})
PORTS = {"https": 443, "http": 80}

_SAFE = re.compile(r"[!-~]+")
_HEADER_VALUE = re.compile(r"[ -~]*")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_ok(self) -> bool:
        """Whether the request did what it asked for."""
        return 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class Parts:
    """Where a request goes: ``place`` is path and query."""

    scheme: str
    host: str
    port: int
    place: str

    @property
    def is_tls(self) -> bool:
        """Whether it is encrypted."""
        return self.scheme == "https"


def fetch(
    url: str,
    policy: EgressPolicy,
    *,
    seconds: float = SECONDS,
    largest: int = LARGEST_ANSWER,
    ca_file: str | None = None,
    resolver: egress.Resolver | None = None,
) -> Answer:
    """GET, following a few redirects, each through the guard. Raises `MailServerError`."""
    deadline = time.monotonic() + seconds
    for _ in range(MOST_REDIRECTS + 1):
        left = deadline - time.monotonic()
        answer = request(
            "GET", url, policy, seconds=left, largest=largest, ca_file=ca_file, resolver=resolver
        )
        if answer.status not in REDIRECTS or "location" not in answer.headers:
            return answer
        try:
            url = urljoin(url, answer.headers["location"])
        except ValueError as error:
            raise ProtocolError("The server redirects to what is no address.") from error
    raise ProtocolError("The server redirects again and again.")


def request(
    method: str,
    url: str,
    policy: EgressPolicy,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    seconds: float = SECONDS,
    largest: int = LARGEST_ANSWER,
    ca_file: str | None = None,
    resolver: egress.Resolver | None = None,
    may_be_plain: bool = False,
    is_cut: bool = False,
) -> Answer:
    """One request, one answer, no redirect followed. Raises `MailServerError`.

    ``may_be_plain``: http is permitted where all addresses of the host are in opened networks. ``is_cut``:
    of a longer answer, no more than ``largest`` bytes are read, and that is no error.
    """
    parts = parts_of(url, may_be_plain=may_be_plain)
    deadline = time.monotonic() + max(seconds, 0.1)
    target = egress.resolve(parts.host, parts.port, policy, seconds, resolver)
    if not parts.is_tls and not all(policy.has_opened(address) for address in target.addresses):
        raise EgressRefusedError
    connection = egress.open_socket(target, max(0.1, deadline - time.monotonic()))
    with Wire(connection) as wire, wire.allowance(deadline - time.monotonic(), largest + LARGEST_HEADER):
        if parts.is_tls:
            wire.start_tls(tls_context(ca_file), target.name)
        wire.sendall(_head(method, parts, headers or {}, body) + body)
        return _read(wire, method, largest, is_cut=is_cut)


def parts_of(url: str, *, may_be_plain: bool = False) -> Parts:
    """The parts of an address; `EgressRefusedError` for anything but plain https, or http if it may be."""
    try:
        found = urlsplit(url)
        host, port = found.hostname or "", found.port or PORTS.get(found.scheme, 0)
    except ValueError as error:
        raise EgressRefusedError from error
    place = (found.path or "/") + (f"?{found.query}" if found.query else "")
    is_usable = found.scheme == "https" or (may_be_plain and found.scheme == "http")
    if not is_usable or not host or found.username is not None or not _SAFE.fullmatch(place):
        raise EgressRefusedError
    return Parts(found.scheme, egress.canonical_host(host), port, place)


def _head(method: str, parts: Parts, headers: Mapping[str, str], body: bytes) -> bytes:
    shown = f"[{parts.host}]" if ":" in parts.host else parts.host
    fields = {
        "Host": shown if parts.port == PORTS[parts.scheme] else f"{shown}:{parts.port}",
        "User-Agent": "Postroom",
        "Connection": "close",
        **headers,
    }
    if body:
        fields["Content-Length"] = str(len(body))
    for name, value in fields.items():
        if not _SAFE.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            raise UnsafeArgumentError
    lines = [f"{method} {parts.place} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")


def _read(wire: Wire, method: str, largest: int, *, is_cut: bool) -> Answer:
    response = http.client.HTTPResponse(cast("Any", _Socket(wire)), method=method)
    try:
        response.begin()
        body = response.read(largest + 1)
    except MailServerError:
        raise
    except (http.client.HTTPException, ValueError) as error:
        raise ProtocolError from error
    if len(body) > largest and not is_cut:
        raise AnswerTooLongError
    if response.length and len(body) <= largest:
        raise ProtocolError("The server ended its answer too early.")
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, headers, body[:largest])


class _Socket:
    """As much of a socket as the standard library's reader of answers wants."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Stream(self._wire))


class _Stream(io.RawIOBase):
    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        found = self._wire.read_some(len(buffer))
        buffer[: len(found)] = found
        return len(found)
