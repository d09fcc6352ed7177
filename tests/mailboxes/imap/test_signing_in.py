"""Signing in, encrypted as chosen, or not at all (reliability F26-F33, T31)."""

from dataclasses import replace

import pytest

from mailboxes.egress import EgressPolicy
from mailboxes.errors import (
    AuthenticationFailedError,
    LoginDisabledError,
    MailServerError,
    NotTlsError,
    ProtocolError,
    ServerUnavailableError,
    ThrottledError,
    TlsUnavailableError,
    TooManyConnectionsError,
    UnencryptedLoginError,
    WrongProtocolError,
)
from mailboxes.imap import Encryption, ImapConnection, ImapSettings
from mailboxes.imap.refusals import LONGEST_BACKOFF
from tests.certificates import Certificates
from tests.faults import behaviours
from tests.faults.behaviours import refuse, reply
from tests.faults.imap_server import ScriptedImap
from tests.mailboxes.imap.speaking import Open


@pytest.mark.parametrize("encryption", ["none", "starttls", "tls"])
def test_each_encryption_works(
    imap_server: ScriptedImap, account: ImapSettings, loopback: EgressPolicy, encryption: Encryption
) -> None:
    port = imap_server.tls_port if encryption == "tls" else imap_server.port
    with ImapConnection(replace(account, port=port, encryption=encryption), loopback) as connection:
        assert "IDLE" in connection.capabilities
    assert (b"secret" in imap_server.received) == (encryption == "none") or encryption != "none"


@pytest.mark.parametrize("answer", ["BAD what", "NO [SERVERBUG] Internal error", "NO [LIMIT] too many"])
def test_who_does_not_want_our_name_lets_us_in_all_the_same(
    imap_server: ScriptedImap, opened: Open, answer: str
) -> None:
    imap_server.capabilities += " ID"
    imap_server.on("ID", refuse(answer))
    with opened() as connection:
        assert connection.is_open
    assert "ID" in imap_server.verbs()
    imap_server.on("ID", behaviours.reply_then_drop(b"* BYE gone\r\n"))
    with pytest.raises(ServerUnavailableError), opened():
        pass


def test_a_wrong_password_is_permanent(account: ImapSettings, loopback: EgressPolicy) -> None:
    with pytest.raises(AuthenticationFailedError) as caught:
        ImapConnection(replace(account, password="wrong"), loopback).open()
    assert caught.value.is_permanent


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("NO [UNAVAILABLE] Temporary", ServerUnavailableError),
        ("NO [INUSE] busy", ServerUnavailableError),
        ("NO [LIMIT] too many", ServerUnavailableError),
        ("NO Too many simultaneous connections", TooManyConnectionsError),
        ("NO [LIMIT] Maximum number of connections from user+IP exceeded", TooManyConnectionsError),
        ("NO Too many failures, closing the connection", ServerUnavailableError),
        ("NO [AUTHENTICATIONFAILED] no", AuthenticationFailedError),
        ("NO [EXPIRED] password", AuthenticationFailedError),
        ("NO Login failed.", AuthenticationFailedError),
        ("NO System Error (Failure)", ServerUnavailableError),
        ("NO Lookup failed for the user", ServerUnavailableError),
        ("NO Login failed: generic failure", ServerUnavailableError),
        ("NO LOGIN Server is busy", ServerUnavailableError),
        ("NO Login fail. The password is incorrect, or system is busy", AuthenticationFailedError),
        ("NO [OVERQUOTA] Quota exceeded", ServerUnavailableError),
        ("BAD Request is throttled. Suggested Backoff Time: 92415 milliseconds", ThrottledError),
        ("BAD User is authenticated but not connected.", ServerUnavailableError),
        ("NO [OVERQUOTA] enough", ThrottledError),
        ("NO Suggested Backoff Time: 999999999999 milliseconds", ThrottledError),
    ],
)
def test_a_refused_login_is_a_wrong_password_or_not_now(
    imap_server: ScriptedImap,
    account: ImapSettings,
    loopback: EgressPolicy,
    answer: str,
    expected: type[MailServerError],
) -> None:
    imap_server.on("LOGIN", refuse(answer))
    with pytest.raises(MailServerError) as caught:
        ImapConnection(account, loopback).open()
    assert type(caught.value) is expected
    assert (caught.value.retry_after or 0) <= LONGEST_BACKOFF
    if "92415" in answer:
        assert caught.value.retry_after == pytest.approx(92.415)


def test_the_password_is_not_sent_where_login_is_disabled(
    imap_server: ScriptedImap, account: ImapSettings, loopback: EgressPolicy
) -> None:
    imap_server.capabilities = "IMAP4rev1 LOGINDISABLED AUTH=PLAIN"
    with pytest.raises(LoginDisabledError):
        ImapConnection(account, loopback).open()
    assert b"secret" not in imap_server.received
    assert "AUTHENTICATE" not in imap_server.verbs()


def test_under_tls_plain_takes_the_place_of_a_disabled_login(
    imap_server: ScriptedImap, account: ImapSettings, loopback: EgressPolicy
) -> None:
    imap_server.capabilities = "IMAP4rev1 LOGINDISABLED AUTH=PLAIN"
    with ImapConnection(replace(account, port=imap_server.tls_port, encryption="tls"), loopback):
        assert "AUTHENTICATE" in imap_server.verbs()


def test_a_password_beyond_ascii_goes_by_plain(
    imap_server: ScriptedImap, account: ImapSettings, loopback: EgressPolicy
) -> None:
    imap_server.password = "pässwörd"
    with ImapConnection(replace(account, password="pässwörd"), loopback):
        assert "AUTHENTICATE" in imap_server.verbs()


def test_a_password_with_quotes_and_backslashes_is_one_argument(
    imap_server: ScriptedImap, account: ImapSettings, loopback: EgressPolicy
) -> None:
    with pytest.raises(AuthenticationFailedError):
        ImapConnection(replace(account, password='a" \\ b'), loopback).open()
    login = next(command for command in imap_server.commands if command.verb == "LOGIN")
    assert login.arguments.endswith(rb'"a\" \\ b"')


def test_starttls_that_is_not_offered_gets_no_password(
    imap_server: ScriptedImap, account: ImapSettings, loopback: EgressPolicy
) -> None:
    imap_server.capabilities = "IMAP4rev1"
    with pytest.raises(TlsUnavailableError):
        ImapConnection(replace(account, encryption="starttls"), loopback).open()
    assert "LOGIN" not in imap_server.verbs()


@pytest.mark.parametrize("answer", ["NO not now", "BAD what"])
def test_starttls_that_is_refused_gets_no_password(
    imap_server: ScriptedImap, account: ImapSettings, loopback: EgressPolicy, answer: str
) -> None:
    imap_server.on("STARTTLS", refuse(answer))
    with pytest.raises(TlsUnavailableError):
        ImapConnection(replace(account, encryption="starttls"), loopback).open()
    assert "LOGIN" not in imap_server.verbs()


@pytest.mark.parametrize("answer", [b"{tag} NO [UNAVAILABLE] later\r\n", b"* BYE going down\r\n"])
def test_starttls_that_is_not_to_be_had_now_is_no_lack_of_it(
    imap_server: ScriptedImap, account: ImapSettings, loopback: EgressPolicy, answer: bytes
) -> None:
    imap_server.on("STARTTLS", reply(answer))
    with pytest.raises(ServerUnavailableError) as caught:
        ImapConnection(replace(account, encryption="starttls"), loopback).open()
    assert not caught.value.is_permanent
    assert "LOGIN" not in imap_server.verbs()


def test_plain_text_slipped_in_after_starttls_ends_the_connection(
    imap_server: ScriptedImap, account: ImapSettings, loopback: EgressPolicy
) -> None:
    imap_server.on("STARTTLS", reply(b"{tag} OK go\r\n* CAPABILITY IMAP4rev1 EVIL\r\n"))
    with pytest.raises(ProtocolError):
        ImapConnection(replace(account, encryption="starttls"), loopback).open()
    assert "LOGIN" not in imap_server.verbs()


def test_preauth_cannot_skip_starttls(
    imap_server: ScriptedImap, account: ImapSettings, loopback: EgressPolicy
) -> None:
    imap_server.greeting = b"* PREAUTH welcome\r\n"
    with pytest.raises(UnencryptedLoginError):
        ImapConnection(replace(account, encryption="starttls"), loopback).open()
    assert set(imap_server.verbs()) <= {"CAPABILITY", "LOGOUT"}


def test_tls_to_a_plain_port_is_told_apart(account: ImapSettings, loopback: EgressPolicy) -> None:
    with pytest.raises(NotTlsError):
        ImapConnection(replace(account, encryption="tls"), loopback).open()


@pytest.mark.parametrize(
    ("kind", "error_name"),
    [
        ("expired", "CertificateExpiredError"),
        ("of_another_name", "CertificateNameError"),
        ("of_another_authority", "UnknownAuthorityError"),
    ],
)
@pytest.mark.parametrize("encryption", ["tls", "starttls"])
def test_a_bad_certificate_gets_no_password(
    certificates: Certificates,
    account: ImapSettings,
    loopback: EgressPolicy,
    kind: str,
    error_name: str,
    encryption: Encryption,
) -> None:
    with ScriptedImap(getattr(certificates, kind)()) as server:
        port = server.tls_port if encryption == "tls" else server.port
        with pytest.raises(MailServerError) as caught:
            ImapConnection(replace(account, port=port, encryption=encryption), loopback).open()
        assert type(caught.value).__name__ == error_name
        assert b"secret" not in server.received


@pytest.mark.parametrize(
    "greeting",
    [
        b"220 mx.example ESMTP\r\n",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x00\xff\r\n",
        b"\r\n",
        b"* WHAT\r\n",
    ],
)
def test_another_protocol_on_the_port_is_one_text_without_the_banner(
    imap_server: ScriptedImap, account: ImapSettings, loopback: EgressPolicy, greeting: bytes
) -> None:
    imap_server.greeting = greeting
    with pytest.raises(WrongProtocolError) as caught:
        ImapConnection(account, loopback).open()
    assert caught.value.message == WrongProtocolError.message


@pytest.mark.parametrize("greeting", [b"* BYE overloaded\r\n", b"* BYE [UNAVAILABLE] later\r\n"])
def test_a_goodbye_in_the_greeting_is_not_a_wrong_password(
    imap_server: ScriptedImap, account: ImapSettings, loopback: EgressPolicy, greeting: bytes
) -> None:
    imap_server.greeting = greeting
    with pytest.raises(ServerUnavailableError):
        ImapConnection(account, loopback).open()
