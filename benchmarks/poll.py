"""What it costs to ask a server that has nothing new, on connections that are kept: the limit, and ours.

The limit is STATUS on a bare socket. Ours is what the watcher does at each question, for a server with IDLE
and for one without it; no question touches the database.
"""

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_network
from statistics import median
from typing import Any
from uuid import UUID

from benchmarks.crowds import idle_server
from benchmarks.tables import print_table
from embedded.folders import temporary_folder
from mailboxes.egress import EgressPolicy
from mailboxes.imap import ImapConnection, ImapSettings
from tests.certificates import Certificates
from tests.dovecot import PASSWORD, has_dovecot, start_dovecot
from workers.watched import Post, Watched, ask

TIMES = 300
SCRIPTED, REAL = 2_000, 200  # connections
PER_MINUTE = 20_000
LOOPBACK = EgressPolicy(networks=(ip_network("127.0.0.0/8"),), ports=frozenset(range(1, 65536)))
GOALS = {"ours ÷ the limit": "≤ 1.5", "processor at 20,000 a minute (share of a core)": "≤ 1"}


def run(*, with_dovecot: bool = True) -> dict[str, Any]:
    """Ask and ask again, print the table and return the figures."""
    figures: dict[str, Any] = {}
    with idle_server() as server:
        settings = ImapSettings(host="127.0.0.1", port=server.port, encryption="none", user="a", password="b")
        figures["scripted server"] = _crowd(settings, SCRIPTED)
    if with_dovecot and has_dovecot():
        with temporary_folder() as folder, _dovecot(Certificates(folder)) as settings:
            figures["Dovecot"] = _ratio(settings) | _crowd(settings, REAL)
    rows = [
        [where, name, figure, GOALS.get(name, "")]
        for where, of in figures.items()
        for name, figure in of.items()
    ]
    print_table("A poll that finds nothing, on kept connections", ("server", "what", "figure", "goal"), rows)
    return figures


@contextmanager
def _dovecot(certificates: Certificates) -> Iterator[ImapSettings]:
    with start_dovecot(certificates.good) as dovecot:
        yield ImapSettings(
            host="localhost",
            port=dovecot.tls_port,
            encryption="tls",
            user="acme",
            password=PASSWORD,
            ca_file=str(certificates.ca_file),
        )


def _ratio(settings: ImapSettings) -> dict[str, float]:
    """One connection each, asked in turn, so that both meet the same noise."""
    with ImapConnection(settings, LOOPBACK) as imap, _bare(settings) as bare:
        watched = _watched(settings, imap)
        imap.capabilities -= {"IDLE"}
        ask(watched)
        bare_seconds, our_seconds = [], []
        for _ in range(TIMES):
            bare_seconds.append(_timed(lambda: _status(bare)))
            our_seconds.append(_timed(lambda: ask(watched)))
    limit, ours = median(bare_seconds), median(our_seconds)
    return {
        "the limit: STATUS on a bare socket (ms)": limit * 1000,
        "ours, without IDLE (ms)": ours * 1000,
        "ours ÷ the limit": ours / limit,
    }


def _crowd(settings: ImapSettings, count: int) -> dict[str, float]:
    """Many idling connections, each asked once as the watcher does when it is due."""
    crowd = [_watched(settings, ImapConnection(settings, LOOPBACK)) for _ in range(count)]
    try:
        for watched in crowd:
            ask(watched)
        began, used = time.monotonic(), time.process_time()
        for watched in crowd:
            ask(watched)
        seconds, processor = (time.monotonic() - began) / count, (time.process_time() - used) / count
    finally:
        for watched in crowd:
            watched.imap.close()
    return {
        "idling connections": count,
        "a question (ms)": seconds * 1000,
        "its processor time (ms)": processor * 1000,
        "processor at 20,000 a minute (share of a core)": processor * PER_MINUTE / 60,
    }


def _watched(settings: ImapSettings, imap: ImapConnection) -> Watched:
    post = Post(account_id=UUID(int=0), organization_id=None, folders=(b"INBOX",), version="")
    return Watched(post, settings, LOOPBACK, imap, 60.0)


def _timed(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


# --- the limit -------------------------------------------------------------------------------


def _bare(settings: ImapSettings) -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=settings.ca_file)
    connection = socket.create_connection((settings.host, settings.port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    bare = context.wrap_socket(connection, server_hostname=settings.host)
    bare.recv(4096)
    _say(bare, b"a LOGIN %s %s\r\n" % (settings.user.encode(), settings.password.encode()))
    return bare


def _status(bare: ssl.SSLSocket) -> None:
    _say(bare, b"a STATUS INBOX (MESSAGES UNSEEN UIDNEXT UIDVALIDITY HIGHESTMODSEQ)\r\n")


def _say(bare: ssl.SSLSocket, command: bytes) -> None:
    bare.sendall(command)
    told = b""
    while b"\r\na " not in told and not told.startswith(b"a "):
        told += bare.recv(4096)
