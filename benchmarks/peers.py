"""Others who read the same mailbox of the same server, side by side, and the limit."""

import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from urllib.parse import quote

from imapclient import IMAPClient

from tests.faults.mail_account import ImapAccount

RECEIVED = 1 << 20
AT_ONCE = 500
PATIENCE = 600.0

RAW = "raw socket: every byte read and discarded"
MBSYNC = "mbsync with fsync: copied to Maildir"
DJANGO = "django-mailbox: parsed and stored in PostgreSQL"

Peer = Callable[[], float]  # runs, and says how many seconds that took


def peers(account: ImapAccount, count: int, folder: Path) -> dict[str, Peer]:
    """Those that can run on this machine; each counts only if it has got every message."""
    port, user, password = account.plain_port, account.user, account.password
    found: dict[str, Peer] = {
        RAW: lambda: _raw(port, user, password, count),
        "IMAPClient, by 500: fetched and discarded": lambda: _imapclient(port, user, password, count),
    }
    if shutil.which("mbsync"):
        mbsync = partial(_mbsync, account, count, folder)
        found[MBSYNC] = partial(mbsync, is_durable=True)
        found["mbsync with fsync, through TLS"] = partial(mbsync, is_durable=True, is_encrypted=True)
        found["mbsync without fsync"] = partial(mbsync, is_durable=False)
    return found


def _raw(port: int, user: str, password: str, count: int) -> float:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.recv(RECEIVED)
        _said(connection, b"a", b"LOGIN %s %s" % (user.encode(), password.encode()))
        _said(connection, b"b", b"EXAMINE INBOX")
        began = time.perf_counter()
        size = _said(connection, b"postroom-c", b"UID FETCH 1:* (UID FLAGS INTERNALDATE BODY.PEEK[])")
        seconds = time.perf_counter() - began
    assert size > count * 100, size
    return seconds


def _said(connection: socket.socket, tag: bytes, command: bytes) -> int:
    """Say something and read to the end of the answer; how many bytes it had."""
    connection.sendall(tag + b" " + command + b"\r\n")
    buffer, size, tail = bytearray(RECEIVED), 0, b""
    while b"\r\n" + tag + b" OK" not in b"\r\n" + tail or not tail.endswith(b"\r\n"):
        received = connection.recv_into(buffer)
        assert received, "the server has closed the connection"
        size += received
        tail = (tail + buffer[max(0, received - 2048) : received])[-2600:]
    return size


def _imapclient(port: int, user: str, password: str, count: int) -> float:
    with IMAPClient("127.0.0.1", port, ssl=False) as client:
        client.login(user, password)
        client.select_folder("INBOX", readonly=True)
        began = time.perf_counter()
        uids = client.search()
        fetched = 0
        for start in range(0, len(uids), AT_ONCE):
            wanted = ["FLAGS", "INTERNALDATE", "BODY.PEEK[]"]
            fetched += len(client.fetch(uids[start : start + AT_ONCE], wanted))
        seconds = time.perf_counter() - began
    assert fetched == count, fetched
    return seconds


def _mbsync(
    account: ImapAccount, count: int, folder: Path, *, is_durable: bool, is_encrypted: bool = False
) -> float:
    place = folder / f"mbsync-{is_durable}-{is_encrypted}"
    host, port = (account.host, account.port) if is_encrypted else ("127.0.0.1", account.plain_port)
    tls = f"IMAPS\nCertificateFile {account.ca_file}" if is_encrypted else "None"
    (place / "mail").mkdir(parents=True)
    (place / "configuration").write_text(
        f"FSync {'yes' if is_durable else 'no'}\nIMAPAccount a\nHost {host}\nPort {port}\n"
        f"User {account.user}\nPass {account.password}\nSSLType {tls}\nAuthMechs LOGIN\n\n"
        "IMAPStore far\nAccount a\n\n"
        f"MaildirStore near\nPath {place}/mail/\nInbox {place}/mail/INBOX\nSubFolders Verbatim\n\n"
        "Channel c\nFar :far:INBOX\nNear :near:INBOX\nCreate Near\nSync Pull\nSyncState *\n"
    )
    began = time.perf_counter()
    command = ["mbsync", "-q", "-c", str(place / "configuration"), "c"]
    subprocess.run(command, check=True, timeout=PATIENCE)
    seconds = time.perf_counter() - began
    copied = sum(1 for path in (place / "mail").rglob("*") if path.parent.name in ("cur", "new"))
    assert copied == count, copied
    return seconds


def django_mailbox(python: Path, account: ImapAccount, count: int, database_url: str, folder: Path) -> float:
    """How many seconds django-mailbox takes, which deletes on the server what it has read: it comes last.

    ``python``: of a virtual environment with django-mailbox and psycopg. ``database_url``: of an empty one.
    """
    script = Path(__file__).with_name("django_peer.py")
    user, password = quote(account.user, safe=""), quote(account.password, safe="")
    uri = f"imap://{user}:{password}@127.0.0.1:{account.plain_port}"
    command = [python, script, uri, database_url, folder]
    told = subprocess.run(command, check=True, timeout=PATIENCE, stdout=subprocess.PIPE, text=True).stdout
    seconds, stored = told.split()
    assert int(stored) == count, stored
    return float(seconds)
