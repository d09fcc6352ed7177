"""Servers that are slow, silent or endless: every answer has a clock and a budget (reliability F14-F24)."""

from contextlib import suppress
from dataclasses import replace

import pytest

from mailboxes.egress import EgressPolicy
from mailboxes.errors import (
    AnswerTooLongError,
    ConnectionLostError,
    MailServerError,
    ProtocolError,
    ServerTimeoutError,
    ServerUnavailableError,
    ThrottledError,
    WrongProtocolError,
)
from mailboxes.imap import Encryption, ImapSettings
from mailboxes.wire import Timeouts
from tests.faults import behaviours
from tests.faults.behaviours import Behaviour, reply
from tests.faults.imap_server import ScriptedImap
from tests.faults.passing_time import time_of
from tests.mailboxes.imap.speaking import RAW, Open, whole_session

VERBS = ["connect", "CAPABILITY", "LOGIN", "LIST", "EXAMINE", "SEARCH", "NOOP"]


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("behaviour", [behaviours.hang, behaviours.trickle])
def test_no_command_waits_longer_than_its_deadline(
    imap_server: ScriptedImap,
    account: ImapSettings,
    loopback: EgressPolicy,
    verb: str,
    behaviour: Behaviour,
) -> None:
    imap_server.on(verb, behaviour)
    with time_of(imap_server), pytest.raises(ServerTimeoutError):
        whole_session(account, loopback)


@pytest.mark.parametrize("verb", VERBS)
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


@pytest.mark.parametrize("verb", VERBS)
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
