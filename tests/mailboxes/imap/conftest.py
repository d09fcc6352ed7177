"""An account at a server that does as it is told, and a connection to it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from mailboxes.egress import EgressPolicy
from mailboxes.imap import ImapConnection, ImapSettings
from tests.certificates import Certificates
from tests.faults.imap_server import ScriptedImap
from tests.mailboxes.imap.speaking import Open
from tests.mailboxes.reaching import imap_of


@pytest.fixture
def account(imap_server: ScriptedImap, certificates: Certificates) -> ImapSettings:
    return imap_of(imap_server, imap_server.user, certificates, "none")


@pytest.fixture
def opened(account: ImapSettings, loopback: EgressPolicy) -> Open:
    """Open a connection with some settings changed, and the INBOX examined."""

    @contextmanager
    def opened(**changes: Any) -> Iterator[ImapConnection]:
        with ImapConnection(replace(account, **changes), loopback) as connection:
            connection.examine(b"INBOX")
            yield connection

    return opened
