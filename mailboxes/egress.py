"""The egress guard: the one way out to a server that a person named (reliability T8).

A name is looked up once, *all* its addresses are checked against our own list, and the connection
goes to a checked address, never to the name again: a name server that changes its answer in
between gains nothing. `ipaddress.is_global` is not enough (it accepts NAT64, 6to4, multicast), so
what may be reached is said here: global unicast, less everything that leads back inside. An
installation opens its own networks with `EgressPolicy.networks` (``POSTROOM_PERMITTED_NETWORKS``)
and may narrow the names with ``hosts``.

A refusal is one neutral text after about the same time, whatever the reason; only a target that
may be reached answers with details (closed port, time-out, certificate, …).
"""

import errno
import re
import socket
import threading
import time
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

from mailboxes.domain_names import ascii_domain
from mailboxes.errors import (
    EgressRefusedError,
    HostUnreachableError,
    MailServerError,
    NameLookupError,
    NameNotFoundError,
    PortClosedError,
    ServerTimeoutError,
)

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Resolver = Callable[[str, int], Iterable[str]]

DEFAULT_PORTS = frozenset({25, 143, 465, 587, 993})
CONNECT_SECONDS = 10.0
REFUSAL_SECONDS = 0.25
MOST_ADDRESSES = 8

GLOBAL_IPV6 = IPv6Network("2000::/3")
DENIED: tuple[Network, ...] = tuple(
    ip_network(network)
    for network in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private, RFC 1918
        "100.64.0.0/10",  # carrier-grade NAT, RFC 6598
        "127.0.0.0/8",  # loopback
        "169.254.0.0/16",  # link-local, metadata services
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # AMT
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
        "2001::/23",  # protocol assignments: Teredo, ORCHID, benchmarks
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: carries any IPv4 address
        "2620:4f:8000::/48",  # AS112
        "3fff::/20",  # documentation
    )
)
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)")
_CLOSED = {errno.ECONNREFUSED, errno.ECONNRESET}


@dataclass(frozen=True, slots=True)
class EgressPolicy:
    """What this installation permits.

    ``networks``: opened beyond public addresses, whatever name leads there. ``ports``: the only ones
    used. ``hosts``: if there are any, the only ones used: ``imap.example.com``, ``*.example.com``, ``*``,
    or ``mail.example.com:2525``, which permits that port of that host, too.
    """

    networks: tuple[Network, ...] = ()
    ports: frozenset[int] = DEFAULT_PORTS
    hosts: tuple[str, ...] = ()

    def permits_name(self, name: str, port: int) -> bool:
        """Whether this (canonical) name may be looked up to use this port."""
        if not self.hosts:
            return port in self.ports
        return any(self._is_listed(name, port, pattern) for pattern in self.hosts)

    def permits_address(self, address: Address) -> bool:
        """Whether a connection to this address may be made."""
        return is_public(address) or self.has_opened(address)

    def has_opened(self, address: Address) -> bool:
        """Whether it is in a network that the installation has opened."""
        return any(address in network for network in self.networks)

    def _is_listed(self, name: str, port: int, pattern: str) -> bool:
        host, _, only_port = pattern.lower().partition(":")
        if only_port and only_port != str(port):
            return False
        return _is_matched(name, host) and (bool(only_port) or port in self.ports)


@dataclass(frozen=True, slots=True)
class Target:
    """A host that passed the guard: connect to ``addresses``, certificates must be for ``name``."""

    name: str
    port: int
    addresses: tuple[Address, ...]


def is_public(address: Address) -> bool:
    """Whether the address is global unicast and carries no other address inside."""
    if isinstance(address, IPv6Address) and address not in GLOBAL_IPV6:
        return False  # loopback, mapped, compatible, NAT64, ULA, link-local, site-local, multicast
    return not any(address in network for network in DENIED)


def connect(
    host: str,
    port: int,
    policy: EgressPolicy,
    timeout: float = CONNECT_SECONDS,
    resolver: Resolver | None = None,
) -> socket.socket:
    """Return a connected TCP socket (TCP_NODELAY, ``timeout`` set); raise `MailServerError`."""
    deadline = time.monotonic() + timeout
    target = resolve(host, port, policy, timeout, resolver)
    return open_socket(target, max(0.1, deadline - time.monotonic()))


def resolve(
    host: str,
    port: int,
    policy: EgressPolicy,
    timeout: float = CONNECT_SECONDS,
    resolver: Resolver | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> Target:
    """Look the host up once and check every address.

    Raises `EgressRefusedError` (or its twin `NameNotFoundError`, same text) after about the same
    time for every reason; `NameLookupError` only for a name that an administrator has listed.
    """
    started = time.monotonic()
    try:
        return _checked_target(host, port, policy, timeout, resolver or system_addresses)
    except EgressRefusedError:
        pause(max(0.0, REFUSAL_SECONDS - (time.monotonic() - started)))
        raise


def open_socket(target: Target, timeout: float = CONNECT_SECONDS) -> socket.socket:
    """Connect to the first address that answers, all of them within ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    failure: OSError = OSError(errno.EHOSTUNREACH, "no address")
    for position, address in enumerate(target.addresses):
        share = (deadline - time.monotonic()) / (len(target.addresses) - position)
        if share <= 0:
            break
        try:
            return _open_one(address, target.port, share, timeout)
        except OSError as error:
            failure = error
    raise _explained(failure) from failure


def system_addresses(name: str, port: int) -> Iterable[str]:
    """Ask the system's resolver."""
    found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return [str(entry[4][0]) for entry in found]


def canonical_host(host: str) -> str:
    """Return the host as the rest of the world would read it: lower case, ASCII, no final dot.

    Raises `EgressRefusedError` for what is neither a plain name nor an address in its usual form:
    numbers in octal, hexadecimal or one piece, circled digits, blanks, zone ids.
    """
    if any(_is_ascii_in_disguise(character) for character in host):
        raise EgressRefusedError
    text = host.strip().lower()
    literal = _literal_address(text)
    if literal is not None:
        return str(literal)
    return _ascii_name(text)


def _checked_target(host: str, port: int, policy: EgressPolicy, timeout: float, resolver: Resolver) -> Target:
    name = canonical_host(host)
    if not policy.permits_name(name, port):
        raise EgressRefusedError
    literal = _literal_address(name)
    if literal is not None:
        addresses: tuple[Address, ...] = (literal,)
    else:
        addresses = _looked_up(name, port, timeout, resolver, is_listed=bool(policy.hosts))
    if not all(policy.permits_address(address) for address in addresses):
        raise EgressRefusedError
    return Target(name, port, addresses[:MOST_ADDRESSES])


def _looked_up(
    name: str, port: int, timeout: float, resolver: Resolver, *, is_listed: bool
) -> tuple[Address, ...]:
    """Addresses of a name, without repetition; none at all is an error."""
    missing = NameLookupError if is_listed else NameNotFoundError
    try:
        found = _within(timeout, lambda: list(resolver(name, port)))
        addresses = tuple(dict.fromkeys(ip_address(text) for text in found))
    except (OSError, UnicodeError, ValueError) as error:
        raise missing from error
    if not addresses:
        raise missing
    return addresses


def _within(seconds: float, look_up: Callable[[], list[str]]) -> list[str]:
    """Run a look-up that cannot be cancelled, and wait for it only so long."""
    answers: list[list[str]] = []
    failures: list[Exception] = []

    def run() -> None:
        try:
            answers.append(look_up())
        except Exception as error:  # noqa: BLE001 - handed to the thread that waits
            failures.append(error)

    thread = threading.Thread(target=run, name="name look-up", daemon=True)
    thread.start()
    thread.join(seconds)
    if answers:
        return answers[0]
    raise failures[0] if failures else TimeoutError("name look-up")


def _open_one(address: Address, port: int, share: float, timeout: float) -> socket.socket:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(share)
        connection.connect((str(address), port))
        connection.settimeout(timeout)
    except BaseException:
        connection.close()
        raise
    return connection


def _explained(failure: OSError) -> MailServerError:
    if isinstance(failure, TimeoutError):
        return ServerTimeoutError(
            "The server did not answer on this port.",
            advice="Check host and port; a firewall may be in the way.",
        )
    if failure.errno in _CLOSED:
        return PortClosedError()
    return HostUnreachableError()


def _is_matched(name: str, pattern: str) -> bool:
    if pattern.startswith("*."):
        return name.endswith(pattern[1:])
    return pattern in {name, "*"}


def _literal_address(text: str) -> Address | None:
    """An address in its usual form, else None; a zone id is nobody's business but the machine's."""
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    if "%" in text:
        raise EgressRefusedError
    try:
        return ip_address(text)
    except ValueError:
        return None


def _is_ascii_in_disguise(character: str) -> bool:
    """Whether a resolver may read this as plain or as nothing: ①, ｅ, K (Kelvin), soft hyphen …"""
    if character.isascii():
        return False
    return unicodedata.category(character) == "Cf" or unicodedata.normalize("NFKC", character).isascii()


def _ascii_name(text: str) -> str:
    """A host name in A-labels (RFC 5890); the last label of a name is never a number."""
    name = text.removesuffix(".")
    try:
        name = ascii_domain(name)
    except UnicodeError as error:
        raise EgressRefusedError from error
    labels: Sequence[str] = name.split(".")
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise EgressRefusedError
    if _NUMBER.fullmatch(labels[-1]):
        raise EgressRefusedError
    return name
