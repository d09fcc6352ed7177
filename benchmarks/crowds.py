"""Many mailboxes of one organization at one server."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from mailboxes.accounts import Account, Folder
from mailboxes.system_mailboxes import Mailbox
from tenants.application import create_base_app
from tenants.database import db, inside, now, uuid7
from tenants.database.bulk import insert_rows
from tenants.settings import Settings
from tests.faults.installation import Installation

INBOX = {"name_raw": b"INBOX", "name": "INBOX", "special_use": "inbox", "is_synced": True}


@dataclass
class IdleServer:
    """`benchmarks.idle_server` in a process of its own."""

    port: int

    def ring(self, number: int) -> None:
        """Tell the n-th idling connection of a new message."""
        self._asked(b"RING %d\r\n" % number)

    def idling_count(self) -> int:
        """How many connections idle."""
        return int(self._asked(b"COUNT\r\n"))

    def _asked(self, question: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            answers = connection.makefile("rb")
            answers.readline()  # the greeting
            connection.sendall(question)
            return answers.readline()


@contextmanager
def idle_server() -> Iterator[IdleServer]:
    """A running server."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.idle_server"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield IdleServer(int(process.stdout.readline()))
    finally:
        process.kill()
        process.wait()


def permit(installation: Installation, port: int) -> None:
    """Let the processes that are started from now on reach a server on this machine."""
    installation.environment["POSTROOM_PERMITTED_PORTS"] += f",{port}"


def add_mailboxes(
    installation: Installation,
    count: int,
    port: int,
    *,
    are_due: bool,
    of: UUID | None = None,
    domain: str = "acme.test",
    **given: str,
) -> None:
    """So many mailboxes of an organization (ours) at a server of this machine; due now, or in an hour.

    ``given``: what else their accounts have.
    """
    at = now() + timedelta(hours=-1 if are_due else 1)
    accounts = [_account(number, domain, port, at) | given for number in range(count)]
    app = create_base_app(Settings.from_environment(installation.environment))
    owner = of or installation.ours.organization_id
    with app.app_context(), inside(owner):
        insert_rows(Account, accounts)
        insert_rows(Folder, [{"account_id": account["id"]} | INBOX for account in accounts])
        insert_rows(Mailbox, [_mailbox(account, owner, at) for account in accounts])
        db.session.commit()
    with app.app_context():
        for engine in db.engines.values():
            engine.dispose()


def _account(number: int, domain: str, port: int, at: datetime) -> dict[str, Any]:
    return {
        "id": uuid7(),
        "address": f"box{number}@{domain}",
        "imap_enabled": True,
        "imap_host": "127.0.0.1",
        "imap_port": port,
        "imap_encryption": "none",
        "imap_user": f"box{number}",
        "next_attempt_at": at,
    }


def _mailbox(account: dict[str, Any], owner: UUID, at: datetime) -> dict[str, Any]:
    return {
        "account_id": account["id"],
        "account_owner_id": owner,
        "address": account["address"],
        "label": account["address"],
        "automation_from": at,
    }
