"""The IMAP speaker and servers that misbehave: rows F4-F46 of the fault matrix (reliability §2)."""

import itertools
import select
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailboxes.egress import EgressPolicy
from mailboxes.errors import (
    AnswerTooLongError,
    AuthenticationFailedError,
    CommandRefusedError,
    ConnectionLostError,
    FolderUnavailableError,
    LoginDisabledError,
    MailboxFullError,
    MailServerError,
    NotTlsError,
    ProtocolError,
    ServerTimeoutError,
    ServerUnavailableError,
    ThrottledError,
    TlsUnavailableError,
    UidValidityChangedError,
    UnencryptedLoginError,
    UnsafeArgumentError,
    WrongProtocolError,
)
from mailboxes.imap import Encryption, FetchedMessage, FolderListing, ImapConnection, ImapSettings
from mailboxes.imap.changes import MOST_TOLD
from mailboxes.imap.dialogue import LONGEST_BACKOFF, tokens
from mailboxes.imap.fetching import details_of, fetched_items, flag_names, internal_date
from mailboxes.imap.folders import listings, raw_name, shown_name
from mailboxes.imap.reading import REFUSALS_OF_ALL
from mailboxes.imap.searching import ranges
from mailboxes.wire import Timeouts
from tests.certificates import Certificates
from tests.faults import behaviours
from tests.faults.behaviours import Behaviour, for_messages, refuse, reply, tell_then
from tests.faults.imap_server import Command, ScriptedImap, Session

RAW = b"Subject: hello\r\nFrom: a@example.com\r\n\r\nHow are you?\r\n"
IMPATIENT = Timeouts(connect=5, greeting=0.5, command=0.5, body=0.5)

Open = Callable[..., AbstractContextManager[ImapConnection]]


@pytest.fixture
def account(imap_server: ScriptedImap, certificates: Certificates) -> ImapSettings:
    return ImapSettings(
        host="localhost",
        port=imap_server.port,
        encryption="none",
        user=imap_server.user,
        password=imap_server.password,
        ca_file=str(certificates.ca_file),
    )


@pytest.fixture
def opened(account: ImapSettings, loopback: EgressPolicy) -> Open:
    """Open a connection with some settings changed, and the INBOX examined."""

    @contextmanager
    def opened(**changes: Any) -> Iterator[ImapConnection]:
        with ImapConnection(replace(account, **changes), loopback) as connection:
            connection.examine(b"INBOX")
            yield connection

    return opened


def fetched(connection: ImapConnection, *uids: int) -> list[FetchedMessage]:
    return list(connection.fetch_messages(uids))


# --- signing in ----------------------------------------------------------------------------------


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
        ("NO Too many simultaneous connections", ServerUnavailableError),
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


# --- TLS (F26-F30, T31) --------------------------------------------------------------------------


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


# --- clocks and budgets (F14-F24) ----------------------------------------------------------------


@pytest.mark.parametrize("verb", ["connect", "CAPABILITY", "LOGIN", "LIST", "EXAMINE", "SEARCH", "NOOP"])
@pytest.mark.parametrize("behaviour", [behaviours.hang, behaviours.trickle])
def test_no_command_waits_longer_than_its_deadline(
    imap_server: ScriptedImap,
    account: ImapSettings,
    loopback: EgressPolicy,
    verb: str,
    behaviour: Behaviour,
) -> None:
    imap_server.on(verb, behaviour)
    with pytest.raises(ServerTimeoutError):
        whole_session(replace(account, timeouts=IMPATIENT), loopback)


@pytest.mark.parametrize("verb", ["connect", "CAPABILITY", "LOGIN", "LIST", "EXAMINE", "SEARCH", "NOOP"])
@pytest.mark.parametrize("behaviour", [behaviours.flood, behaviours.endless_line])
def test_no_command_reads_more_than_its_budget(
    imap_server: ScriptedImap,
    account: ImapSettings,
    loopback: EgressPolicy,
    verb: str,
    behaviour: Behaviour,
) -> None:
    imap_server.on(verb, behaviour)
    with pytest.raises((AnswerTooLongError, WrongProtocolError, ProtocolError)):
        whole_session(account, loopback)


@pytest.mark.parametrize("verb", ["connect", "CAPABILITY", "LOGIN", "LIST", "EXAMINE", "SEARCH", "NOOP"])
def test_a_lost_connection_is_transient(
    imap_server: ScriptedImap, account: ImapSettings, loopback: EgressPolicy, verb: str
) -> None:
    imap_server.on(verb, behaviours.drop)
    with pytest.raises(ConnectionLostError) as caught:
        whole_session(account, loopback)
    assert not caught.value.is_permanent


@pytest.mark.parametrize("verb", ["LIST", "EXAMINE", "SEARCH", "NOOP"])
@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (b"* BYE [UNAVAILABLE] shutting down\r\n", ServerUnavailableError),
        (b"* BYE Throttled. Suggested Backoff Time: 1000 milliseconds\r\n", ThrottledError),
        (b"{tag} NO [THROTTLED] slow down\r\n", ThrottledError),
        (b"{tag} BAD User is authenticated but not connected.\r\n", ServerUnavailableError),
        (b"WRONG1 OK done\r\n", ProtocolError),
        (b"+ stray\r\n", ProtocolError),
        (b"garbage\r\n", ProtocolError),
    ],
)
def test_what_a_server_says_at_any_command_is_understood(
    imap_server: ScriptedImap,
    account: ImapSettings,
    loopback: EgressPolicy,
    verb: str,
    said: bytes,
    expected: type[MailServerError],
) -> None:
    imap_server.on(verb, reply(said))
    with pytest.raises(expected):
        whole_session(account, loopback)


def test_a_tagged_answer_without_text_is_an_answer(imap_server: ScriptedImap, opened: Open) -> None:
    with opened() as connection:
        imap_server.on("NOOP", reply(b"{tag} OK\r\n"))
        assert connection.run(b"NOOP").text == ""


@pytest.mark.parametrize("encryption", ["none", "tls"])
def test_a_cut_at_any_byte_is_a_clean_retry(
    imap_server: ScriptedImap, account: ImapSettings, loopback: EgressPolicy, encryption: Encryption
) -> None:
    """F22: the first connection ends after each byte of the server's; never half a message."""
    imap_server.folder().add(RAW)
    imap_server.folder().add(RAW * 3)
    port = imap_server.tls_port if encryption == "tls" else imap_server.port
    chosen = replace(account, port=port, encryption=encryption)
    whole = whole_session(chosen, loopback)
    assert whole == [RAW, RAW * 3]
    script = len(imap_server.sent)
    for length in range(0, script, 1 if encryption == "none" else 9):
        imap_server.cut_after = length
        try:
            assert whole_session(chosen, loopback) == whole
        except MailServerError as error:
            assert not error.is_permanent, length  # noqa: PT017
        assert whole_session(chosen, loopback) == whole


def test_no_single_wrong_byte_is_more_than_an_error(
    imap_server: ScriptedImap, account: ImapSettings, loopback: EgressPolicy
) -> None:
    """Whatever one byte of the server's turns into, people see an error of ours or the messages."""
    imap_server.folder().add(RAW)
    hasty = replace(account, timeouts=Timeouts(connect=5, greeting=0.1, command=0.1, body=0.1))
    whole_session(account, loopback)
    for place in range(0, len(imap_server.sent), 3):
        for byte in (b'{"(\n\xff\0'[place % 6], b"0)}] *"[place % 6]):
            imap_server.spoil_at = place, byte
            with suppress(MailServerError):
                whole_session(hasty, loopback)
    assert whole_session(account, loopback) == [RAW]


def whole_session(account: ImapSettings, policy: EgressPolicy) -> list[bytes | None]:
    with ImapConnection(account, policy) as connection:
        connection.folders()
        connection.examine(b"INBOX")
        messages = list(connection.fetch_messages(list(connection.all_uids())))
        connection.run(b"NOOP")
    return [message.raw for message in messages]


# --- UIDs (F4-F8) --------------------------------------------------------------------------------


@pytest.mark.parametrize("esearch", [False, True])
def test_uids_come_sorted_once_each(imap_server: ScriptedImap, opened: Open, esearch: bool) -> None:
    answer = b"* SEARCH 3 1 2 2\r\n* SEARCH 7\r\n{tag} OK\r\n"
    if esearch:
        imap_server.capabilities += " ESEARCH"
        answer = b'* ESEARCH (TAG "x") UID ALL 1:3,7,2\r\n{tag} OK\r\n'
    imap_server.on("SEARCH", reply(answer))
    with opened() as connection:
        assert list(connection.all_uids()) == [1, 2, 3, 7]


def test_what_is_told_of_another_message_than_asked_for_is_left_out(
    imap_server: ScriptedImap, opened: Open
) -> None:  # F11
    imap_server.on("FETCH", reply(b"* 2 FETCH (UID 2 FLAGS (\\Seen))\r\n{tag} OK\r\n"))
    with opened() as connection:
        assert connection.fetch_flags([1]) == {}


def test_the_last_message_is_not_new_only_because_the_server_returns_it(
    imap_server: ScriptedImap, opened: Open
) -> None:
    imap_server.folder().add(RAW, uid=5)
    with opened() as connection:
        assert connection.search_uids(from_uid=9) == []
        assert connection.search_uids(from_uid=0) == [5]
    assert not any(b"UID 0" in command.arguments for command in imap_server.commands)


@pytest.mark.parametrize(
    "line",
    [
        b"* SEARCH 1 2 x",
        b"* SEARCH " + b"9" * 19,
        b"* SEARCH " + b"9" * 5000,
        b'* ESEARCH (TAG "x") UID ALL 1:*',
        b"* SEARCHING",
    ],
)
def test_an_unreadable_answer_is_never_taken_for_nothing_found(
    imap_server: ScriptedImap, opened: Open, line: bytes
) -> None:
    with opened() as connection:
        imap_server.on("SEARCH", reply(line + b"\r\n{tag} OK\r\n"))
        if b"SEARCHING" in line:
            assert list(connection.all_uids()) == []
            return
        with pytest.raises(ProtocolError):
            connection.all_uids()


def test_nothing_found_in_a_folder_with_messages_is_an_error(imap_server: ScriptedImap, opened: Open) -> None:
    imap_server.folder().add(RAW)
    with opened() as connection:
        state = connection.examine(b"INBOX")
        imap_server.on("SEARCH", refuse("OK nothing"))
        with pytest.raises(ProtocolError):
            connection.all_uids(state)


def test_a_search_that_finds_nothing_finds_nothing(imap_server: ScriptedImap, opened: Open) -> None:
    with opened() as connection:
        for line in (b"* SEARCH", b"* SEARCH ", b'* ESEARCH (TAG "x") UID', b"* SEARCH (MODSEQ 12)"):
            imap_server.on("SEARCH", reply(line + b"\r\n{tag} OK\r\n"))
            assert connection.search_uids(from_uid=1) == []


def test_a_compressed_answer_cannot_fill_the_memory(imap_server: ScriptedImap, opened: Open) -> None:
    imap_server.capabilities += " ESEARCH"
    imap_server.on("SEARCH", reply(b'* ESEARCH (TAG "x") UID ALL 1:4294967295\r\n{tag} OK\r\n'))
    with opened() as connection, pytest.raises(AnswerTooLongError):
        connection.all_uids()


def test_a_large_folder_is_asked_for_in_ranges(imap_server: ScriptedImap, opened: Open) -> None:
    folder = imap_server.folder()
    for uid in (1, 2, 40_000, 120_000, 5_000_000):
        folder.add(RAW, uid=uid)
    with opened() as connection:
        state = replace(connection.examine(b"INBOX"), exists=1_000_000)
        assert list(connection.all_uids(state)) == [1, 2, 40_000, 120_000, 5_000_000]
    searches = [command.arguments for command in imap_server.commands if command.verb == "SEARCH"]
    assert 3 <= len(searches) < 20
    assert searches[-1].endswith(b":*")


@given(st.integers(min_value=1, max_value=20_000_000), st.integers(min_value=0, max_value=50_000))
@settings(max_examples=50, deadline=None)
def test_ranges_cover_every_uid_exactly_once(uid_next: int, found_each: int) -> None:
    count = iter(range(0, 10**12, found_each + 1))
    found = list(ranges(uid_next, lambda: next(count)))
    assert found[0][0] == 1
    assert found[-1][1] is None
    for (_, last), (first, _) in pairwise(found):
        assert last is not None
        assert first == last + 1


def test_a_message_that_is_gone_is_left_out(imap_server: ScriptedImap, opened: Open) -> None:
    kept = imap_server.folder().add(RAW)
    with opened() as connection:
        assert [message.uid for message in fetched(connection, 77, kept)] == [kept]


def test_a_message_that_vanishes_before_its_body_is_left_out(imap_server: ScriptedImap, opened: Open) -> None:
    folder = imap_server.folder()
    kept, lost = folder.add(RAW), folder.add(RAW)

    def vanish(session: Session, command: Command) -> bool:
        if b"BODY" in command.arguments:
            folder.messages.pop(lost, None)
        return False

    with opened() as connection:
        imap_server.on("FETCH", vanish)
        assert [message.uid for message in fetched(connection, kept, lost)] == [kept]


def test_an_empty_answer_is_no_proof_that_a_message_is_gone(imap_server: ScriptedImap, opened: Open) -> None:
    uid = imap_server.folder().add(RAW)
    with opened() as connection:
        imap_server.on("FETCH", refuse("OK nothing to say"))
        (message,) = fetched(connection, uid)
    assert message.raw is None
    assert message.failure


# --- messages (F9-F17, F43-F46) ------------------------------------------------------------------


@pytest.mark.parametrize(
    "spoil",
    [
        lambda good: good.replace(b"{%d}\r\n" % len(RAW) + RAW, b"NIL"),
        lambda good: good.replace(b"{%d}\r\n" % len(RAW) + RAW, b'""'),
        lambda good: good.replace(b"{%d}\r\n" % len(RAW) + RAW, b"{0}\r\n"),
        lambda good: good.replace(b"UID 2 ", b""),
        lambda good: good.replace(b"UID 2 ", b"UID 99 "),
        lambda good: None,
        lambda good: good.replace(b"{%d}" % len(RAW), b"{%d}" % (len(RAW) + 9)),
        lambda good: good.replace(b"{%d}" % len(RAW), b"{%d}" % (len(RAW) - 9)),
        lambda good: good.replace(b"{%d}" % len(RAW), b"{8000000000}"),
        lambda good: good.replace(b"{%d}" % len(RAW), b"{99999999999999999999}"),
        lambda good: good.replace(b"{%d}" % len(RAW), b"{-5}"),
        lambda good: good.replace(b"{%d}" % len(RAW), b"{abc}"),
        lambda _: b"\xff\xfe\r\n",
    ],
)
@pytest.mark.parametrize("times", [1, None])
def test_one_spoilt_message_never_stops_the_others(
    imap_server: ScriptedImap,
    opened: Open,
    spoil: Callable[[bytes], bytes | None],
    times: int | None,
) -> None:
    folder = imap_server.folder()
    uids = [folder.add(RAW) for _ in range(4)]
    with opened(timeouts=Timeouts(command=2)) as connection:
        imap_server.on(
            "FETCH", for_messages(lambda _, uid, good: spoil(good) if uid == 2 else good), times=None
        )
        if times is not None:
            imap_server.on("SEARCH", healing(imap_server))
        messages = fetched(connection, *uids)
    assert [message.uid for message in messages] == uids
    others = [message for message in messages if message.uid != 2]
    assert all(message.raw == RAW for message in others)
    (spoilt,) = [message for message in messages if message.uid == 2]
    assert spoilt.raw in {None, RAW}
    assert spoilt.raw == RAW or spoilt.failure


def healing(server: ScriptedImap) -> Behaviour:
    def behave(session: Session, command: Command) -> bool:
        server.heal()
        return False

    return behave


@pytest.mark.parametrize(
    "spoil",
    [
        lambda good: good[:-3] + b"\r\n)\r\n",  # a blank line after the literal
        lambda good: good[:-3] + b"\r\n",  # no closing parenthesis (Xeams)
        lambda good: good.replace(b"FETCH", b"fetch").replace(b"UID", b"uid").replace(b"BODY", b"body"),
        lambda good: good.replace(b"* 1 FETCH", b"* 0 FETCH"),  # Courier
        lambda good: b"* 4 EXISTS\r\n* 1 EXPUNGE\r\n* 1 FETCH (FLAGS (\\Seen))\r\n" + good,
        lambda good: good[:-3] + b' FLAGS (\\Seen $Label) MODSEQ (12) X-GM-LABELS ("a b"))\r\n',
        lambda good: good.replace(b"(UID", b"( UID"),
    ],
)
def test_an_oddly_framed_answer_is_read(
    imap_server: ScriptedImap, opened: Open, spoil: Callable[[bytes], bytes]
) -> None:
    folder = imap_server.folder()
    uids = [folder.add(RAW), folder.add(RAW + b"second\r\n")]
    with opened() as connection:
        imap_server.on("FETCH", for_messages(lambda _, uid, good: spoil(good)))
        messages = fetched(connection, *uids)
    assert [message.raw for message in messages] == [RAW, RAW + b"second\r\n"]
    assert imap_server.connection_count == 1


@pytest.mark.parametrize("claimed", [0, 1, 10**9 // 30])
def test_the_size_is_a_hint_and_the_literal_the_truth(
    imap_server: ScriptedImap, opened: Open, claimed: int
) -> None:
    uid = imap_server.folder().add(RAW, claimed_size=claimed)
    with opened() as connection:
        (message,) = fetched(connection, uid)
    assert message.raw == RAW


def test_a_large_message_comes_in_pieces(imap_server: ScriptedImap, opened: Open) -> None:
    raw = RAW + b"x" * (6 * 1024 * 1024)
    uid = imap_server.folder().add(raw)
    with opened() as connection:
        (message,) = fetched(connection, uid)
    assert message.spool is not None
    assert (message.spool.content(), message.raw) == (raw, None)
    assert not any(b"PEEK[])" in command.arguments for command in imap_server.commands)


def test_a_large_message_that_moves_meanwhile_is_not_there_in_part(
    imap_server: ScriptedImap, opened: Open
) -> None:
    folder = imap_server.folder()
    moving = folder.add(RAW + b"x" * (6 * 1024 * 1024))
    staying = folder.add(RAW)
    asked = itertools.count()

    def move(session: Session, command: Command) -> bool:
        if b"PEEK[]<" in command.arguments and next(asked) == 2:
            folder.messages.pop(moving)
        return False

    imap_server.on("FETCH", move)
    with opened() as connection:
        assert [message.uid for message in fetched(connection, moving, staying)] == [staying]
    assert next(asked) > 2


def refusing(bad: int, items: bytes, *, tells_others: bool) -> Behaviour:
    """Some messages could not be FETCHed (Gmail, Yahoo): with this one asked for, the command ends in NO."""

    def behave(session: Session, command: Command) -> bool:
        wanted, _, asked_items = command.arguments.partition(b" ")
        asked = session.folder.asked(wanted.decode())
        if bad not in asked or items not in asked_items:
            return False
        for uid in asked if tells_others else []:
            if uid != bad:
                session.send(session.fetch_answer(uid, asked_items))
        return refuse("NO Some messages could not be FETCHed (Failure)")(session, command)

    return behave


@pytest.mark.parametrize("tells_others", [True, False])
def test_one_message_that_cannot_be_told_of_takes_nothing_from_the_others(
    imap_server: ScriptedImap, opened: Open, tells_others: bool
) -> None:
    for _ in range(20):
        imap_server.folder().add(RAW)
    imap_server.on("FETCH", refusing(7, b"SIZE", tells_others=tells_others))
    with opened() as connection:
        found = fetched(connection, *range(1, 21))
    assert [message.raw for message in found] == [RAW] * 20
    assert [message.uid for message in found if message.received_at is None] == [7]
    assert imap_server.verbs().count("FETCH") < 15


def test_bodies_that_came_before_a_refusal_are_not_asked_for_again(
    imap_server: ScriptedImap, opened: Open
) -> None:
    for _ in range(20):
        imap_server.folder().add(RAW)
    imap_server.on("FETCH", refusing(7, b"BODY", tells_others=True))
    with opened() as connection:
        found = fetched(connection, *range(1, 21))
    assert [message.uid for message in found if not message.is_whole] == [7]
    assert imap_server.verbs().count("FETCH") < 8


def test_items_that_are_refused_for_all_are_refused(imap_server: ScriptedImap, opened: Open) -> None:
    for _ in range(40):
        imap_server.folder().add(RAW)
    imap_server.on("FETCH", refuse("BAD unknown item"))
    with opened() as connection, pytest.raises(CommandRefusedError):
        connection.fetch_flags(range(1, 41))
    assert imap_server.verbs().count("FETCH") == REFUSALS_OF_ALL


LARGE = RAW + b"x" * (6 * 1024 * 1024)


def at_piece(offset: int, answer: bytes) -> Behaviour:
    """Answer so where the piece from this place on is asked for."""

    def behave(session: Session, command: Command) -> bool:
        return b"PEEK[]<%d." % offset in command.arguments and reply(answer)(session, command)

    return behave


@pytest.mark.parametrize(
    "answer",
    [
        b"{tag} OK FETCH completed.\r\n",  # Office 365
        b"* 1 FETCH (UID 1 BODY[] NIL)\r\n{tag} OK done\r\n",
        b"* 1 FETCH (UID 1 BODY[]<3145728> NIL)\r\n{tag} OK done\r\n",
        b"* 1 FETCH (UID 1 BODY[]<0> {4}\r\nFrom)\r\n{tag} OK done\r\n",
        b"* 1 FETCH (UID 1 BODY[] {4}\r\nFrom)\r\n{tag} OK done\r\n",
    ],
)
def test_a_piece_that_does_not_come_is_no_end_of_the_message(
    imap_server: ScriptedImap, opened: Open, answer: bytes
) -> None:
    uid = imap_server.folder().add(LARGE)
    imap_server.on("FETCH", at_piece(3 * 1024 * 1024, answer), times=20)
    with opened() as connection:
        (message,) = fetched(connection, uid)
        assert (message.raw, message.spool) == (None, None)
        assert (message.failure, message.header[:7]) == ("The server sent no content.", b"Subject")
        imap_server.heal()
        (message,) = fetched(connection, uid)
    assert message.spool is not None
    assert message.spool.content() == LARGE


def test_a_piece_that_comes_with_the_second_try_is_added_to_those_before_it(
    imap_server: ScriptedImap, opened: Open
) -> None:
    uid = imap_server.folder().add(LARGE)
    imap_server.on("FETCH", at_piece(3 * 1024 * 1024, b"{tag} OK FETCH completed.\r\n"), times=5)
    with opened() as connection:
        (message,) = fetched(connection, uid)
    assert message.spool is not None
    assert message.spool.content() == LARGE
    assert imap_server.verbs().count("FETCH") < 12


@pytest.mark.parametrize("size", [20, 6 * 1024 * 1024])
def test_a_server_that_sends_everything_for_a_piece_is_believed(  # Exchange
    imap_server: ScriptedImap, opened: Open, size: int
) -> None:
    raw = RAW + b"x" * size
    uid = imap_server.folder().add(raw, claimed_size=7 * 1024 * 1024)
    whole = for_messages(lambda session, uid, good: session.fetch_answer(uid, b"BODY.PEEK[]"))
    imap_server.on("FETCH", whole)
    with opened() as connection:
        (message,) = fetched(connection, uid)
    assert (message.raw if size == 20 else message.spool and message.spool.content()) == raw


@pytest.mark.parametrize("claimed", [None, 10])
def test_a_message_over_the_limit_is_told_of_with_its_header(
    imap_server: ScriptedImap, opened: Open, claimed: int | None
) -> None:
    uid = imap_server.folder().add(RAW + b"x" * 3_000_000, claimed_size=claimed)
    with opened(max_message_bytes=1_000_000) as connection:
        (message,) = fetched(connection, uid)
    assert (message.raw, message.is_too_large, message.failure) == (None, True, "")
    assert message.header == RAW.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"


def test_throttling_is_never_a_messages_fault(imap_server: ScriptedImap, opened: Open) -> None:
    uid = imap_server.folder().add(RAW)
    with opened() as connection:
        imap_server.on("FETCH", refuse("NO [OVERQUOTA] Account exceeded bandwidth limits"))
        with pytest.raises(ThrottledError):
            fetched(connection, uid)


def test_a_folder_renumbered_while_we_reconnect_is_not_read_on(
    imap_server: ScriptedImap, opened: Open
) -> None:
    folder = imap_server.folder()
    uid = folder.add(RAW)

    def renumber(session: Session, command: Command) -> bool:
        folder.uid_validity += 1
        return behaviours.drop(session, command)

    with opened() as connection:
        imap_server.on("FETCH", renumber, times=1)
        with pytest.raises(UidValidityChangedError):
            fetched(connection, uid)


def test_a_server_that_always_hangs_up_is_given_up(imap_server: ScriptedImap, opened: Open) -> None:
    uids = [imap_server.folder().add(RAW) for _ in range(10)]
    with opened() as connection:
        imap_server.on("FETCH", behaviours.drop)
        with pytest.raises(ConnectionLostError):
            fetched(connection, *uids)
    assert imap_server.connection_count < 20


def test_a_flag_that_no_database_stores_is_none() -> None:
    assert flag_names([b"\\Seen", b"a\0b", None]) == ("\\Seen",)


def test_flags_and_date_come_with_the_message(imap_server: ScriptedImap, opened: Open) -> None:
    date = "01-Feb-2024 23:30:00 -0200"
    uid = imap_server.folder().add(RAW, flags=["\\Seen", "$Work"], date=date)
    with opened() as connection:
        (message,) = fetched(connection, uid)
    assert message.flags == ("\\Seen", "$Work")
    assert message.received_at == datetime(2024, 2, 2, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b" 1-Feb-2024 10:00:00 +0000", datetime(2024, 2, 1, 10, tzinfo=UTC)),
        (b"1-Feb-2024 10:00:00 +0000", datetime(2024, 2, 1, 10, tzinfo=UTC)),
        (b"01-feb-2024 10:00:60 +0530", datetime(2024, 2, 1, 4, 30, 59, tzinfo=UTC)),
        (b"00-Jan-0000 00:00:00 +0000", None),
        (b"31-Feb-2024 10:00:00 +0000", None),
        (b"01-Jan-1900 10:00:00 +0000", None),
        (b"01-Jan-9999 10:00:00 +0000", None),
        (b"01-Jan-2024 10:00:00 +2400", None),
        (b"yesterday", None),
        (None, None),
    ],
)
def test_an_impossible_date_is_no_date(text: bytes | None, expected: datetime | None) -> None:
    assert internal_date(text) == expected


# --- folders (F36-F38) ---------------------------------------------------------------------------


def names(*lines: bytes) -> dict[str, FolderListing]:
    return {folder.name: folder for folder in listings([[line] for line in lines])}


def test_broken_lines_do_not_spoil_the_list(imap_server: ScriptedImap, opened: Open) -> None:
    imap_server.list_lines = [
        rb'* LIST (\HasNoChildren) "/" "INBOX"',
        b'* LIST () "/" "&broken"',
        b'* LIST () "/" "caf\xe9"',
        '* LIST () "/" "café"'.encode(),
        b'* LIST () "/" "a \\"quoted\\" \\\\ name"',
        b'* LIST () "/" {5}\r\n{5}ab',
        b"* LIST () NIL plain",
        b'* LIST () "/" NIL',
        b'* LIST () "/" ""',
        b"* LIST",
        b"* LIST (\\Noselect",
        b'* LIST (\\Noselect) "/" "shown only"',
        b'* LIST () "/" "tab\there"',
        b'* LIST () "/" "' + b"x" * 1000 + b'"',
        b'* LIST () "/" "' + b"x" * 3000 + b'"',
        rb'* LIST () "\\" "back\\slash"',
        b'* LIST () "/" "INBOX"',
        b'* LIST () "/" 12345',
    ]
    with opened() as connection:
        folders = {folder.name_raw: folder for folder in connection.folders()}
    assert folders[b"INBOX"].special_use == "inbox"
    assert folders[b"&broken"].name == "&broken"
    assert folders[b"caf\xe9"].name == "café"
    assert folders["café".encode()].name == "café"
    assert b'a "quoted" \\ name' in folders
    assert b"{5}ab" in folders
    assert folders[b"plain"].delimiter is None
    assert folders[b"back\\slash"].path == ("back", "slash")
    assert not folders[b"shown only"].is_selectable
    assert b"12345" in folders
    assert b"" not in folders
    assert b"x" * 3000 not in folders  # no index takes it
    assert len(folders[b"x" * 1000].name) <= 500


@pytest.mark.parametrize(
    ("name", "use"),
    [
        ("Gesendete Objekte", "sent"),
        ("Postausgang", None),
        ("Outgoing", None),
        ("Todos", None),
        ("Éléments envoyés", "sent"),
        ("INBOX/Отправленные", "sent"),
        ("[Gmail]/Alle Nachrichten", "all"),
        ("送信済みアイテム", "sent"),
        ("Papierkorb", "trash"),
        ("Correo no deseado", "junk"),
        ("Kladder", "drafts"),
        ("Customers/Sent", None),
        ("Sentimental", None),
    ],
)
def test_a_folders_use_is_known_by_name_in_many_languages(name: str, use: str | None) -> None:
    raw = raw_name(name)
    (folder,) = listings([[b'* LIST () "/" "' + raw + b'"']])
    assert (folder.name, folder.special_use) == (name, use)


def test_attributes_win_over_names() -> None:
    folders = names(b'* LIST () "/" "Sent"', rb'* LIST (\Sent) "/" "Outbox 2"')
    assert folders["Outbox 2"].special_use == "sent"
    assert folders["Sent"].special_use is None


def test_counts_come_with_the_list_where_the_server_can() -> None:
    (folder,) = listings([[b'* LIST () "/" "a (b)"'], [b'* STATUS "a (b)" (MESSAGES 12 UNSEEN 3)']])
    assert (folder.message_count, folder.unseen_count) == (12, 3)


@given(st.text(min_size=1, max_size=40))
@settings(max_examples=100, deadline=None)
def test_any_name_survives_the_way_to_the_server_and_back(name: str) -> None:
    shown = shown_name(raw_name(name)) if all(not 0xD800 <= ord(c) < 0xE000 for c in name) else ""
    assert shown == "" or len(shown) == len(name)


@given(st.binary(max_size=60))
@settings(max_examples=200, deadline=None)
def test_no_name_breaks_the_list(name: bytes) -> None:
    line = b'* LIST () "/" ' + name.replace(b"\r", b"").replace(b"\n", b"")
    good = b'* LIST () "/" "good"'
    assert "good" in {folder.name for folder in listings([[line], [good]])}


def test_a_server_that_promised_an_extended_list_is_asked_plainly(
    imap_server: ScriptedImap, opened: Open
) -> None:
    imap_server.capabilities += " LIST-EXTENDED SPECIAL-USE LIST-STATUS"

    def stumble(session: Session, command: Command) -> bool:
        return b"RETURN" in command.arguments and refuse("BAD what")(session, command)

    imap_server.on("LIST", stumble)
    with opened() as connection:
        assert [folder.name for folder in connection.folders(with_counts=True)] == ["INBOX"]


def test_a_folder_that_is_gone_says_so(opened: Open) -> None:
    with opened() as connection:
        with pytest.raises(FolderUnavailableError):
            connection.examine(b"gone")
        with pytest.raises(FolderUnavailableError):
            connection.status(b"gone")
        assert connection.examine(b"INBOX").exists == 0


def test_nonsense_in_the_state_of_a_folder_is_no_number(imap_server: ScriptedImap, opened: Open) -> None:
    with opened() as connection:
        imap_server.on(
            "EXAMINE",
            reply(
                b"* 0 EXISTS\r\n* OK [UIDVALIDITY 0] x\r\n* OK [UIDNEXT 99999999999999999999999] x\r\n"
                b"* OK [HIGHESTMODSEQ -1] x\r\n{tag} OK\r\n"
            ),
        )
        state = connection.examine(b"INBOX")
    assert (state.uid_validity, state.uid_next, state.highest_mod_seq) == (None, None, None)


@pytest.mark.parametrize(("told", "number"), [(2**32, 2**32), (2**63 - 1, 2**63 - 1), (2**63, None)])
def test_a_long_uidvalidity_is_one(
    imap_server: ScriptedImap, opened: Open, told: int, number: int | None
) -> None:
    imap_server.folder().uid_validity = told
    with opened() as connection:
        assert connection.examine(b"INBOX").uid_validity == number


@pytest.mark.parametrize(("told", "number"), [(2**63 - 1, 2**63 - 1), (2**63, None), (10**19, None)])
def test_a_number_that_no_database_stores_is_none(told: int, number: int | None) -> None:
    answer = [b"* 1 FETCH (UID 7 RFC822.SIZE %d)" % told]
    assert details_of(7, fetched_items(answer) or {}).size == (-1 if number is None else number)


@given(
    flags=st.lists(
        st.one_of(st.sampled_from(["NIL", "nil"]), st.from_regex(r"[\\\\$A-Za-z0-9_]{1,9}", fullmatch=True))
    ),
    date=st.text("0123456789-: JanFeb+", max_size=45),
    size=st.integers(min_value=0, max_value=10**20),
)
def test_an_answer_in_the_usual_form_says_the_same_as_in_another(
    flags: list[str], date: str, size: int
) -> None:
    items = b'FLAGS (%s) INTERNALDATE "%s" RFC822.SIZE %d)' % (" ".join(flags).encode(), date.encode(), size)
    for usual, other in (
        ([b"* 1 FETCH (UID 7 " + items], [b"* 1 FETCH (UID 7  " + items]),
        ([b"* 1 FETCH (UID 7 BODY[] {2}", b"ab", b")"], [b"* 1 FETCH (UID 7  BODY[] {2}", b"ab", b")"]),
    ):
        assert fetched_items(usual) == fetched_items(other)


def test_a_server_that_lies_about_condstore_is_asked_without(imap_server: ScriptedImap, opened: Open) -> None:
    imap_server.capabilities += " CONDSTORE"

    def stumble(session: Session, command: Command) -> bool:
        return b"CONDSTORE" in command.arguments and refuse("BAD what")(session, command)

    imap_server.on("EXAMINE", stumble)
    with opened() as connection:
        assert connection.examine(b"INBOX").uid_validity == 1


# --- what servers promise and do not keep (F35) --------------------------------------------------


def test_a_compressed_search_that_is_refused_is_asked_plainly(
    imap_server: ScriptedImap, opened: Open
) -> None:
    uid = imap_server.folder().add(RAW)
    imap_server.capabilities += " ESEARCH"
    imap_server.on("SEARCH", lambda s, c: b"RETURN" in c.arguments and refuse("BAD what")(s, c))
    with opened() as connection:
        assert [list(connection.all_uids()) for _ in range(2)] == [[uid], [uid]]
    assert imap_server.verbs().count("SEARCH") == 3


def test_an_answer_without_flags_takes_none_away(imap_server: ScriptedImap, opened: Open) -> None:
    told = (
        b"* 1 FETCH (UID 1 FLAGS (\\Seen) MODSEQ (7))\r\n* 1 FETCH (UID 1 MODSEQ (8))\r\n"
        b"* 2 FETCH (UID 2 MODSEQ (9))\r\n{tag} OK done\r\n"
    )
    with opened() as connection:
        imap_server.on("FETCH", reply(told))
        changes = connection.changed_since(6)
        assert (changes.flags, len(changes.others)) == ({1: ("\\Seen",)}, 0)
        assert connection.fetch_flags([1, 2]) == {1: ("\\Seen",)}


def test_of_too_many_changes_the_others_are_told_by_number_alone(
    imap_server: ScriptedImap, opened: Open
) -> None:
    count = 40_000
    told = b"".join(
        b"* %d FETCH (UID %d FLAGS (\\Seen) MODSEQ (7))\r\n" % (n, n) for n in range(1, count + 1)
    )
    told += b"{tag} OK done\r\n"
    imap_server.keeps_transcript = False
    with opened() as connection:
        imap_server.on("FETCH", reply(told))
        with most_memory(16):
            changes = connection.changed_since(6)
    assert {*changes.flags, *changes.others} == set(range(1, count + 1))
    assert len(changes.flags) == MOST_TOLD
    assert len(changes.others) == count - MOST_TOLD


@pytest.mark.parametrize("answer", [b"* ESEARCH (TAG x) UID ALL 1:300000\r\n", b""], ids=["range", "numbers"])
def test_a_set_of_many_uids_takes_little_memory(
    imap_server: ScriptedImap, opened: Open, answer: bytes
) -> None:
    if not answer:
        answer = b"* SEARCH " + b" ".join(b"%d" % uid for uid in range(1, 300_001)) + b"\r\n"
    imap_server.keeps_transcript = False
    with opened() as connection:
        imap_server.on("SEARCH", reply(answer + b"{tag} OK done\r\n"))
        with most_memory(20):
            found = connection.all_uids()
    assert list(found.ranges()) == [(1, 300_000)]


@contextmanager
def most_memory(megabytes: int) -> Iterator[None]:
    """What happens inside, in the server too, takes no more at any moment."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < megabytes * 1024**2
    finally:
        tracemalloc.stop()


def test_items_that_nobody_asked_for_are_left_aside(imap_server: ScriptedImap, opened: Open) -> None:
    uid = imap_server.folder().add(RAW)

    def chatty(session: Session, command: Command) -> bool:
        good = session.fetch_answer(uid, command.arguments.partition(b" ")[2])
        good = good.replace(b"BODY[]", b"BODY.PEEK[]").replace(b" RFC822.SIZE", b" X.LABEL (a b) RFC822.SIZE")
        extra = b' ANNOTATION (/comment (value.priv "x")))\r\n'
        session.send(good.removesuffix(b")\r\n") + extra)
        session.done(command)
        return True

    imap_server.on("FETCH", chatty)
    with opened() as connection:
        (message,) = fetched(connection, uid)
    assert (message.raw, message.received_at is None) == (RAW, False)
    assert imap_server.connection_count == 1


def test_a_status_with_numbers_of_changes_that_is_refused_is_asked_without(
    imap_server: ScriptedImap, opened: Open
) -> None:
    imap_server.folder().add(RAW)
    imap_server.capabilities += " CONDSTORE"
    imap_server.on("STATUS", lambda s, c: b"HIGHESTMODSEQ" in c.arguments and refuse("BAD what")(s, c))
    with opened() as connection:
        assert connection.status(b"INBOX").messages == 1


def test_a_status_with_numbers_that_cannot_be_is_as_if_they_were_not_told(
    imap_server: ScriptedImap, opened: Open
) -> None:
    told = b"MESSAGES 3 UIDNEXT 9223372036854775807 UIDVALIDITY 18446744073709551615"
    imap_server.on("STATUS", reply(b"* STATUS INBOX (%b)\r\n{tag} OK done\r\n" % told))
    with opened() as connection:
        status = connection.status(b"INBOX")
    assert (status.messages, status.uid_next, status.uid_validity) == (3, 2**63 - 1, None)


@pytest.mark.parametrize(
    ("line", "keeps"),
    [
        (b"* OK [PERMANENTFLAGS ()] none", False),
        (b"* OK [PERMANENTFLAGS (\\Deleted \\*)] some", False),
        (b"* OK [PERMANENTFLAGS (\\Answered \\SEEN)] ok", True),
        (b"* OK nothing of flags", True),
    ],
)
def test_what_is_read_is_told_only_where_it_is_kept(
    imap_server: ScriptedImap, opened: Open, line: bytes, keeps: bool
) -> None:
    uid = imap_server.folder().add(RAW)
    imap_server.on("SELECT", tell_then(line + b"\r\n"))
    with opened() as connection:
        if keeps:
            connection.add_seen(b"INBOX", [uid], None)
        else:
            with pytest.raises(CommandRefusedError):
                connection.add_seen(b"INBOX", [uid], None)
    assert ("STORE" in imap_server.verbs()) is keeps


# --- injection (T11) -----------------------------------------------------------------------------

EVIL = ["a\r\nX8 DELETE INBOX", "a\nb", "a\rb", "a\0b"]


@pytest.mark.parametrize("text", EVIL)
def test_no_argument_becomes_a_command(
    imap_server: ScriptedImap, account: ImapSettings, loopback: EgressPolicy, opened: Open, text: str
) -> None:
    for changes in ({"user": text}, {"password": text}):
        with pytest.raises(UnsafeArgumentError):
            ImapConnection(replace(account, **changes), loopback).open()  # type: ignore[arg-type]
    with opened() as connection:
        for attempt in (connection.examine, connection.status):
            with pytest.raises(UnsafeArgumentError):
                attempt(text.encode())
        with pytest.raises(UnsafeArgumentError):
            connection.append(text.encode(), RAW)
        with pytest.raises(ValueError, match="flag"):
            connection.append(b"INBOX", RAW, [text])
    assert b"DELETE" not in imap_server.received


@given(name=st.binary(max_size=40))
@settings(max_examples=40, deadline=None)
def test_as_many_commands_arrive_as_were_given(
    certificates: Certificates, loopback: EgressPolicy, name: bytes
) -> None:
    with ScriptedImap(certificates.good) as server:
        chosen = ImapSettings("localhost", server.port, "none", server.user, server.password)
        connection = ImapConnection(chosen, loopback)
        connection.open()
        before = len(server.commands)
        try:
            connection.examine(name)
            given_count = 1
        except FolderUnavailableError:
            given_count = 1
        except UnsafeArgumentError:
            given_count = 0
        assert len(server.commands) - before == given_count
        connection.close()


def test_reading_leaves_no_trace(
    imap_server: ScriptedImap, account: ImapSettings, loopback: EgressPolicy
) -> None:
    imap_server.folder().add(RAW)
    whole_session(account, loopback)
    assert set(imap_server.verbs()) <= {
        "CAPABILITY",
        "LOGIN",
        "LIST",
        "EXAMINE",
        "SEARCH",
        "FETCH",
        "NOOP",
        "LOGOUT",
    }
    fetches = [command.arguments for command in imap_server.commands if command.verb == "FETCH"]
    assert not any(b"BODY[" in arguments for arguments in fetches)


# --- writing and waiting -------------------------------------------------------------------------


@pytest.mark.parametrize("literal_plus", [True, False])
def test_a_copy_is_filed_in_a_folder(imap_server: ScriptedImap, opened: Open, literal_plus: bool) -> None:
    if not literal_plus:
        imap_server.capabilities = "IMAP4rev1"
    imap_server.folder("Sent")
    with opened() as connection:
        uid = connection.append(b"Sent", RAW, ["\\Seen"], datetime(2026, 11, 2, 8, tzinfo=UTC))
    assert imap_server.folder("Sent").messages[uid or 0].raw == RAW


def test_a_server_that_finds_everything_has_no_copy_of_ours(imap_server: ScriptedImap, opened: Open) -> None:
    since = datetime(2026, 11, 2, tzinfo=UTC).date()
    imap_server.folder("Sent").add(b"Message-ID: <theirs@x>\r\n" + RAW)
    imap_server.folder("Sent").add(b"Message-ID: <ours@x>\r\n" + RAW)
    with opened() as connection:
        found = [connection.has_message(b"Sent", id, since) for id in ("ours@x", "theirs@x", "new@x")]
    assert found == [True, True, False]


def test_a_missing_folder_for_the_copy_says_so(opened: Open) -> None:
    with opened() as connection, pytest.raises(FolderUnavailableError):
        connection.append(b"Gesendet", RAW)


@pytest.mark.parametrize("verb", ["APPEND", "STORE"])
def test_a_full_mailbox_is_told_and_nothing_else_waits_for_it(
    imap_server: ScriptedImap, opened: Open, verb: str
) -> None:
    uid = imap_server.folder().add(RAW)
    imap_server.on(verb, refuse("NO [OVERQUOTA] Quota exceeded (mailbox for user is full)"))
    with opened() as connection:
        write = {
            "APPEND": partial(connection.append, b"INBOX", RAW),
            "STORE": partial(connection.add_seen, b"INBOX", [uid], None),
        }
        with pytest.raises(MailboxFullError):
            write[verb]()


def test_seen_is_not_stored_in_a_renumbered_folder(imap_server: ScriptedImap, opened: Open) -> None:
    with opened() as connection, pytest.raises(UidValidityChangedError):
        connection.add_seen(b"INBOX", [1], uid_validity=99)
    assert "STORE" not in imap_server.verbs()


def test_news_during_idle_are_told(imap_server: ScriptedImap, opened: Open) -> None:
    with opened() as connection:
        imap_server.on("IDLE", behaviours.tell_then(b"* 1 EXISTS\r\n"))
        assert connection.idle_start() == ["EXISTS"]
        imap_server.push(b"* 2 EXISTS\r\n* 1 RECENT\r\n* 1 EXPU")  # cut in the middle of a line
        wait_readable(connection)
        told = connection.idle_poll()
        assert told[:1] == ["EXISTS"]
        imap_server.push(b"NGE\r\n")
        assert "EXPUNGE" in told + connection.idle_done()
        assert connection.run(b"NOOP").untagged == []


@pytest.mark.parametrize(
    ("behave", "expected"),
    [
        (lambda server: server.push(b"* BYE idle for too long\r\n"), ServerUnavailableError),
        (lambda server: server.push(b"A1 OK idle is over\r\n"), ProtocolError),
        (lambda server: [session.close() for session in server._sessions], ConnectionLostError),
    ],
)
def test_an_idle_that_ends_is_an_error(
    imap_server: ScriptedImap,
    opened: Open,
    behave: Callable[[ScriptedImap], None],
    expected: type[MailServerError],
) -> None:
    with opened() as connection:
        connection.idle_start()
        behave(imap_server)
        wait_readable(connection)
        with pytest.raises(expected):
            connection.idle_poll()


def test_news_that_come_along_with_the_start_of_idle_are_told(
    imap_server: ScriptedImap, opened: Open
) -> None:
    def eager(session: Session, command: Command) -> bool:
        session.send(b"* 1 RECENT\r\n+ idling\r\n* 5 EXISTS\r\n")
        session.read_line()
        session.done(command)
        return True

    with opened() as connection:
        imap_server.on("IDLE", eager)
        assert connection.idle_start() == ["RECENT", "EXISTS"]
        assert connection.idle_done() == []


def test_a_refused_idle_leaves_the_connection_usable(imap_server: ScriptedImap, opened: Open) -> None:
    with opened() as connection:
        imap_server.on("IDLE", refuse("NO not here"))
        with pytest.raises(CommandRefusedError):
            connection.idle_start()
        assert connection.run(b"NOOP").untagged == []


def wait_readable(connection: ImapConnection) -> None:
    assert select.select([connection.fileno()], [], [], 20)[0]


# --- pure ----------------------------------------------------------------------------------------


@given(st.lists(st.binary(max_size=30), min_size=1, max_size=5))
@settings(max_examples=200, deadline=None)
def test_tokens_either_add_up_or_say_so(parts: list[bytes]) -> None:
    with suppress(ProtocolError):
        tokens(parts)
