"""The system's SMTP server is the sink, so that notices leave and can be read."""

import email
import re
from email import policy

import pytest
from flask import Flask

from mailboxes.notices import send_due_notices
from mailboxes.troubles import tell_of_troubles
from tenants.configuration.layers import override
from tenants.database import db
from tests.certificates import Certificates
from tests.mailboxes.sending import let_out
from tests.smtp_sink import Sink

SENDER = "notices@postroom.test"


@pytest.fixture
def system_sink(app: Flask, smtp_sink: Sink, certificates: Certificates) -> Sink:
    """The system's SMTP server: what is sent there can be read."""
    send_notices_to(app, smtp_sink, certificates)
    return smtp_sink


def send_notices_to(app: Flask, sink: Sink, certificates: Certificates) -> None:
    """Set up the system's own server, and let the installation reach it."""
    let_out(app, sink, certificates)
    set_up_system_smtp(sink)


def set_up_system_smtp(sink: Sink) -> None:
    """The settings alone."""
    for key, value in (
        ("smtp.host", "localhost"),
        ("smtp.port", str(sink.tls_port)),
        ("smtp.encryption", "tls"),
        ("smtp.user", sink.user),
        ("smtp.password", sink.password),
        ("notice.sender_address", SENDER),
    ):
        override(key, value, "system", by="Sam")
    db.session.commit()


def tell() -> None:
    """Write to whoever is to hear of a trouble, and send that."""
    for owner in tell_of_troubles():
        send_due_notices(owner)


def letters(sink: Sink) -> list[tuple[str, str, str]]:
    """What arrived: (recipient, subject, text)."""
    parsed = [email.message_from_bytes(sunk.content, policy=policy.default) for sunk in sink.messages]
    return [(one["To"], one["Subject"], one.get_content()) for one in parsed]


def path_in(text: str) -> str:
    """The link of a letter, without its host."""
    found = re.search(r"https?://[^/\s]+(/(?:invitations|new-password)/\S+)", text)
    assert found, text
    return found[1]
