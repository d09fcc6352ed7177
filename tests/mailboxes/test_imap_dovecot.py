"""The IMAP speaker and a real server."""

from datetime import UTC, datetime

import pytest

from mailboxes.egress import EgressPolicy
from mailboxes.errors import (
    AuthenticationFailedError,
    CertificateNameError,
    FolderUnavailableError,
    LoginDisabledError,
    SelfSignedCertificateError,
    UidValidityChangedError,
    UnknownAuthorityError,
)
from mailboxes.imap import ImapConnection, ImapSettings, raw_name
from tests.certificates import Certificates
from tests.dovecot import Dovecot, start_dovecot

pytestmark = pytest.mark.dovecot


def message(number: int, size: int = 0) -> bytes:
    return b"Subject: number %d\r\n\r\nHello\r\n" % number + b"x" * 76 * (size // 78) + b"\r\n"


@pytest.fixture
def settings(dovecot: Dovecot, certificates: Certificates) -> ImapSettings:
    return ImapSettings(
        host="localhost",
        port=dovecot.tls_port,
        encryption="tls",
        user=dovecot.new_user(),
        password=dovecot.password,
        ca_file=str(certificates.ca_file),
    )


def changed(settings: ImapSettings, **values: object) -> ImapSettings:
    from dataclasses import replace

    return replace(settings, **values)  # type: ignore[arg-type]


def test_messages_come_whole_with_flags_and_date(
    dovecot: Dovecot, settings: ImapSettings, loopback: EgressPolicy
) -> None:
    when = '"20-Nov-2026 10:00:00 +0100"'
    uid = dovecot.append(settings.user, "INBOX", message(1), r"(\Seen)", when)
    with ImapConnection(settings, loopback) as connection:
        state = connection.examine(b"INBOX")
        (fetched,) = connection.fetch_messages(connection.all_uids(state))
    assert state.exists == 1
    assert state.uid_next == uid + 1
    assert fetched.raw == message(1)
    assert r"\Seen" in fetched.flags
    assert fetched.received_at == datetime(2026, 11, 20, 9, tzinfo=UTC)


@pytest.mark.parametrize("encryption", ["starttls", "none"])
def test_the_plain_port_serves_starttls_and_no_encryption(
    dovecot: Dovecot, settings: ImapSettings, loopback: EgressPolicy, encryption: str
) -> None:
    chosen = changed(settings, port=dovecot.port, encryption=encryption)
    with ImapConnection(chosen, loopback) as connection:
        assert "UIDPLUS" in connection.capabilities
        assert (connection.certificate is not None) == (encryption == "starttls")
