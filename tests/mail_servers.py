"""Plug-in: the mail servers that tests talk to.

Fixtures: ``certificates``, ``dovecot`` (real IMAP), ``imap_server`` (scripted IMAP, with faults),
``smtp_sink`` (SMTP that stores or refuses), ``system_sink`` (the same, as the system's own server), ``names``
(DNS), ``oauth_provider`` (of mail accounts), ``identity_provider`` (of people), ``loopback`` (an egress
policy that permits them all).
"""

from ipaddress import ip_network

import pytest

from mailboxes.egress import EgressPolicy
from tests.certificates import certificates
from tests.dns_server import names
from tests.dovecot import dovecot
from tests.faults.imap_server import imap_server
from tests.identity_provider import identity_provider, running_identity_provider
from tests.mailboxes.system_smtp import system_sink
from tests.oauth_provider import oauth_provider, running_provider
from tests.smtp_sink import running_sink, smtp_sink

__all__ = [
    "certificates",
    "dovecot",
    "identity_provider",
    "imap_server",
    "loopback",
    "names",
    "oauth_provider",
    "running_identity_provider",
    "running_provider",
    "running_sink",
    "smtp_sink",
    "system_sink",
]


@pytest.fixture(scope="session")
def loopback() -> EgressPolicy:
    """A policy that lets Postroom reach servers on this machine, on whatever port."""
    return EgressPolicy(
        networks=(ip_network("127.0.0.0/8"), ip_network("::1/128")), ports=frozenset(range(1, 65536))
    )
