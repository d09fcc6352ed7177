"""The SMTP speaker: what became of a message is known, or known to be unknown (reliability §3.4, F52)."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailboxes.egress import EgressPolicy
from mailboxes.errors import (
    AuthenticationFailedError,
    EgressRefusedError,
    LoginDisabledError,
    NotWelcomeError,
    ServerUnavailableError,
    TlsUnavailableError,
)
from mailboxes.smtp import DeliveryResult, SmtpConnection, SmtpSettings, check, deliver, wire_form
from mailboxes.wire import Timeouts
from tests.certificates import Certificates
from tests.mailboxes.reaching import smtp_of
from tests.smtp_sink import DROP, HANG, Sink

DATA = b"Subject: hello\r\n\r\nHow are you?\r\n"
IMPATIENT = Timeouts(connect=5, greeting=0.7, command=0.7, body=0.7)
IMPATIENT_AT_THE_END = Timeouts(body=2)

Send = Callable[..., DeliveryResult]


@pytest.fixture
def account(smtp_sink: Sink, certificates: Certificates) -> SmtpSettings:
    return smtp_of(smtp_sink, certificates)


@pytest.fixture
def send(account: SmtpSettings, loopback: EgressPolicy) -> Send:
    def send(data: bytes = DATA, **options: object) -> DeliveryResult:
        arguments: dict[str, object] = {
            "envelope_sender": "support@example.org",
            "recipients": ["anna@example.com"],
            "before_final_dot": lambda: None,
            **options,
        }
        chosen = arguments.pop("settings", account)
        return deliver(chosen, loopback, data=data, **arguments)  # type: ignore[arg-type]

    return send


def test_a_message_arrives_as_it_was_sent(smtp_sink: Sink, send: Send) -> None:
    assert send().is_sent
    (message,) = smtp_sink.messages
    assert message.sender == "support@example.org"
    assert message.recipients == ("anna@example.com",)
    assert message.content == DATA


def test_the_caller_is_told_between_the_last_byte_and_the_dot(smtp_sink: Sink, send: Send) -> None:
    seen: list[int] = []
    send(before_final_dot=lambda: seen.append(len(smtp_sink.messages)))
    assert seen == [0]
    assert len(smtp_sink.messages) == 1
    assert "DATA" in smtp_sink.verbs()


def test_without_the_callers_commit_the_dot_is_never_sent(smtp_sink: Sink, send: Send) -> None:
    def broken() -> None:
        raise RuntimeError("database is gone")

    with pytest.raises(RuntimeError, match="database"):
        send(before_final_dot=broken)
    assert send().is_sent
    assert len(smtp_sink.messages) == 1


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "dot"])
@pytest.mark.parametrize(
    ("answer", "outcome"),
    [("451 4.3.0 Later", "temporary"), ("421 4.3.2 Going down", "temporary"), ("554 5.6.0 No", "permanent")],
)
def test_a_clear_answer_decides(smtp_sink: Sink, send: Send, verb: str, answer: str, outcome: str) -> None:
    smtp_sink.fail(verb, answer)
    result = send()
    assert result.outcome == outcome
    assert str(result.code) == answer[:3]
    assert smtp_sink.messages == []


@pytest.mark.parametrize("verb", ["connect", "EHLO", "AUTH", "MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("fault", [DROP, HANG])
def test_before_the_dot_nothing_happened(
    smtp_sink: Sink, send: Send, account: SmtpSettings, verb: str, fault: str
) -> None:
    smtp_sink.fail(verb, fault)
    result = send(settings=replace(account, timeouts=IMPATIENT))
    assert result.outcome == "temporary"
    assert not result.stops_mailbox


@pytest.mark.parametrize("is_stored", [True, False])
@pytest.mark.parametrize("fault", [DROP, HANG, b"nonsense\r\n", b"354 what\r\n", b"\xff\xfe\r\n"])
def test_after_the_dot_only_a_clear_answer_counts(
    smtp_sink: Sink, send: Send, account: SmtpSettings, fault: str | bytes, is_stored: bool
) -> None:
    smtp_sink.fail("dot", fault, is_stored=is_stored)
    result = send(settings=replace(account, timeouts=IMPATIENT_AT_THE_END))
    assert (result.outcome, result.stage) == ("unknown", "dot")


def test_one_refused_recipient_keeps_the_message_from_all(smtp_sink: Sink, send: Send) -> None:
    smtp_sink.fail("RCPT", "550 5.1.1 No such user", times=1)
    result = send(recipients=["nobody@example.com", "anna@example.com"])
    assert (result.outcome, result.recipient) == ("permanent", "nobody@example.com")
    assert "No such user" in result.reason
    assert smtp_sink.messages == []


def test_a_connection_carries_several_messages_even_after_a_refusal(
    smtp_sink: Sink, account: SmtpSettings, loopback: EgressPolicy
) -> None:
    with SmtpConnection(account, loopback) as connection:
        for recipient, verdict in (("a@x.test", None), ("b@x.test", "550 no"), ("c@x.test", None)):
            if verdict:
                smtp_sink.fail("RCPT", verdict, times=1)
            connection.deliver(
                envelope_sender="s@x.test",
                recipients=[recipient],
                data=DATA,
                before_final_dot=lambda: None,
            )
    assert [message.recipients for message in smtp_sink.messages] == [("a@x.test",), ("c@x.test",)]
    assert smtp_sink.connection_count == 1


# --- null sender, DSN, sizes, characters ---------------------------------------------------------


def test_the_null_sender_goes_out_without_bounces(smtp_sink: Sink, send: Send) -> None:
    smtp_sink.extensions_added.append("DSN")
    assert send(envelope_sender=None, never_notify=True).is_sent
    assert smtp_sink.messages[0].sender in {"", "<>"}
    assert smtp_sink.messages[0].recipient_options == ("NOTIFY=NEVER",)


def test_notify_is_not_said_to_a_server_that_does_not_know_it(smtp_sink: Sink, send: Send) -> None:
    assert send(never_notify=True).is_sent
    assert not any("NOTIFY" in command for command in smtp_sink.commands)


@pytest.mark.parametrize("answer", ["501 5.5.4 Syntax", "550 5.7.1 Sender needed", "553 5.1.7 no"])
def test_a_refused_null_sender_is_told(smtp_sink: Sink, send: Send, answer: str) -> None:
    smtp_sink.fail("MAIL", answer)
    assert send(envelope_sender=None).null_sender_refused
    assert not send(envelope_sender="support@example.org").null_sender_refused


def test_a_message_over_the_servers_size_is_not_begun(smtp_sink: Sink, send: Send) -> None:
    result = send(data=DATA + b"x" * 76 + b"\r\n" + b"y" * 8_100_000)
    assert (result.outcome, result.code) == ("permanent", 552)
    assert "DATA" not in smtp_sink.verbs()


def test_a_size_that_is_no_number_is_none(smtp_sink: Sink, send: Send) -> None:
    smtp_sink.extensions_hidden.add("SIZE")
    smtp_sink.extensions_added.append("SIZE " + "9" * 5_000)
    assert send().is_sent


def test_eight_bits_are_encoded_down_where_the_server_cannot_take_them(smtp_sink: Sink, send: Send) -> None:
    smtp_sink.extensions_hidden.add("8BITMIME")
    eight = (
        b"Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
        b"Content-Transfer-Encoding: 8bit\r\n\r\nGr\xc3\xbc\xc3\x9fe\r\n"
    )
    assert send(data=eight).is_sent
    assert smtp_sink.messages[0].content.isascii()


def test_eight_bits_that_do_not_say_what_they_are_are_refused(smtp_sink: Sink, send: Send) -> None:
    smtp_sink.extensions_hidden.add("8BITMIME")
    assert send(data="Subject: x\r\n\r\nGrüße\r\n".encode()).outcome == "permanent"
    assert smtp_sink.messages == []


def test_letters_beyond_ascii_in_an_address_need_smtputf8(smtp_sink: Sink, send: Send) -> None:
    assert send(recipients=["jürgen@example.com"]).is_sent
    assert "SMTPUTF8" in smtp_sink.messages[0].options
    smtp_sink.extensions_hidden.add("SMTPUTF8")
    assert send(recipients=["jürgen@example.com"]).outcome == "permanent"


def test_an_international_domain_needs_nothing(smtp_sink: Sink, send: Send) -> None:
    smtp_sink.extensions_hidden.add("SMTPUTF8")
    assert send(recipients=["info@bücher.example"]).is_sent
    assert smtp_sink.messages[0].recipients == ("info@xn--bcher-kva.example",)


@pytest.mark.parametrize(
    "answer",
    [
        "450 4.7.1 rate limited",
        "454 4.7.0 rate",
        "550 5.4.5 Daily limit exceeded",
        "451 Sender rate 6.0 / 10m exceeds the limit",  # Exim
    ],
)
def test_a_rate_limit_is_temporary_and_told(smtp_sink: Sink, send: Send, answer: str) -> None:
    smtp_sink.fail("RCPT", answer)
    result = send()
    assert (result.outcome, result.is_rate_limited) == ("temporary", True)


@pytest.mark.parametrize("answer", ["451 4.7.1 Greylisting in action", "450 4.7.1 Graylisted"])
def test_greylisting_is_about_one_recipient_and_slows_nobody_else_down(
    smtp_sink: Sink, send: Send, answer: str
) -> None:
    smtp_sink.fail("RCPT", answer)
    result = send()
    assert (result.outcome, result.is_rate_limited) == ("temporary", False)


# --- injection and smuggling ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    ["a@b\r\nRCPT TO:<evil@x>", "a@b\n", "a\0@b", "a b@c", "<a@b>", "", "a@b> SIZE=1", "x" * 400 + "@b"],
)
def test_an_address_never_carries_a_command(smtp_sink: Sink, send: Send, address: str) -> None:
    for result in (send(recipients=[address]), send(envelope_sender=address)):
        assert (result.outcome, result.stage) == ("permanent", "envelope")
    assert "MAIL" not in smtp_sink.verbs()


@pytest.mark.parametrize(
    "body",
    [b"\n.\n", b"\r.\r\n", b"\r\n.\r\n", b"\r\n.\n", b"\n.\r\n", b"\r.\r", b"..", b".", b"\r\n..\r\n"],
)
def test_no_body_ends_the_message_early(smtp_sink: Sink, send: Send, body: bytes) -> None:
    smuggled = b"MAIL FROM:<evil@x.test>\r\nRCPT TO:<you@x.test>\r\nDATA\r\nX: y\r\n\r\nhi\r\n.\r\n"
    assert send(data=b"Subject: x\r\n\r\nhello" + body + smuggled).is_sent
    (message,) = smtp_sink.messages
    assert b"evil@x.test" in message.content


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([b".", b"\r", b"\n", b"\r\n", b"a", b"\0", b"\xff"]), max_size=30))
def test_on_the_wire_only_crlf_ends_lines_and_no_line_is_a_dot(pieces: list[bytes]) -> None:
    content = wire_form(b"".join(pieces))
    lines = content.split(b"\r\n")
    assert content.endswith(b"\r\n")
    assert b"." not in lines
    assert not any(b"\r" in line or b"\n" in line for line in lines)


# --- encryption and signing in -------------------------------------------------------------------


def test_the_password_may_hold_letters_beyond_ascii(account: SmtpSettings, loopback: EgressPolicy) -> None:
    check(account, loopback)


def test_starttls_comes_before_the_password(
    smtp_sink: Sink, account: SmtpSettings, loopback: EgressPolicy
) -> None:
    check(replace(account, port=smtp_sink.port, encryption="starttls"), loopback)
    verbs = smtp_sink.verbs()
    assert verbs.index("STARTTLS") < verbs.index("AUTH")


@pytest.mark.parametrize("answer", ["550 5.7.1 Helo command rejected", "554 5.7.1 Access denied"])
def test_a_server_that_refuses_who_we_are_speaks_smtp_all_the_same(
    smtp_sink: Sink, account: SmtpSettings, loopback: EgressPolicy, answer: str
) -> None:
    for verb in ("EHLO", "HELO"):
        smtp_sink.fail(verb, answer)
    with pytest.raises(NotWelcomeError):
        check(account, loopback)


@pytest.mark.parametrize("verb", ["EHLO", "STARTTLS"])
def test_a_server_that_is_not_ready_now_does_not_stop_the_mailbox(
    smtp_sink: Sink, send: Send, account: SmtpSettings, loopback: EgressPolicy, verb: str
) -> None:
    starttls = replace(account, port=smtp_sink.port, encryption="starttls")
    for refused in {verb, verb.replace("EHLO", "HELO")}:
        smtp_sink.fail(refused, "454 4.3.0 Temporary local problem")
    with pytest.raises(ServerUnavailableError):
        check(starttls, loopback)
    assert not send(settings=starttls).stops_mailbox
    assert "AUTH" not in smtp_sink.verbs()


@pytest.mark.parametrize("how", ["hidden", "refused"])
def test_without_starttls_nothing_secret_is_said(
    smtp_sink: Sink, account: SmtpSettings, loopback: EgressPolicy, how: str
) -> None:
    if how == "hidden":
        smtp_sink.extensions_hidden.add("STARTTLS")
    else:
        smtp_sink.fail("STARTTLS", "502 5.5.1 TLS not available")
    with pytest.raises(TlsUnavailableError):
        check(replace(account, port=smtp_sink.port, encryption="starttls"), loopback)
    assert "AUTH" not in smtp_sink.verbs()
    assert "MAIL" not in smtp_sink.verbs()


def test_a_wrong_password_stops_the_mailbox_and_keeps_the_message(
    send: Send, account: SmtpSettings, loopback: EgressPolicy
) -> None:
    wrong = replace(account, password="wrong")
    with pytest.raises(AuthenticationFailedError):
        check(wrong, loopback)
    result = send(settings=wrong)
    assert (result.outcome, result.stage, result.stops_mailbox) == ("temporary", "login", True)


def test_a_login_that_fails_for_now_does_not_stop_the_mailbox(
    smtp_sink: Sink, send: Send, account: SmtpSettings, loopback: EgressPolicy
) -> None:
    smtp_sink.fail("AUTH", "454 4.7.0 Temporary authentication failure")
    with pytest.raises(ServerUnavailableError):
        check(account, loopback)
    assert not send().stops_mailbox


def test_a_server_without_passwords_is_told_apart(
    smtp_sink: Sink, account: SmtpSettings, loopback: EgressPolicy
) -> None:
    smtp_sink.extensions_hidden.add("AUTH")
    with pytest.raises(LoginDisabledError):
        check(account, loopback)


def test_a_server_that_demands_a_login_stops_the_mailbox(smtp_sink: Sink, send: Send) -> None:
    smtp_sink.fail("MAIL", "530 5.7.0 Authentication required")
    result = send()
    assert (result.outcome, result.stops_mailbox) == ("temporary", True)


def test_the_guard_refuses_this_machine(account: SmtpSettings) -> None:
    with pytest.raises(EgressRefusedError):
        check(account, EgressPolicy(ports=frozenset({account.port})))


def test_replies_are_bounded(smtp_sink: Sink, send: Send) -> None:
    smtp_sink.fail("MAIL", b"250-" + b"x" * 1_000_000)
    assert send().outcome == "temporary"
    smtp_sink.fail("MAIL", b"250-more\r\n" * 10_000)
    assert send().outcome == "temporary"


def test_a_reply_of_many_lines_and_odd_bytes_is_read(smtp_sink: Sink, send: Send) -> None:
    smtp_sink.fail("RCPT", b"550-one\r\n" * 200 + b"550 5.1.1 \xff\xfe no\r\n")
    result = send()
    assert (result.outcome, result.code) == ("permanent", 550)
    assert result.reason.isprintable()
