"""*Check connection*: each step apart, each failure with the next thing to do (product §3.2)."""

import socket
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mailboxes.connection_check import CheckReport, Step, check_connection
from mailboxes.egress import EgressPolicy
from mailboxes.imap import ImapSettings
from mailboxes.smtp import SmtpSettings
from mailboxes.wire import Timeouts
from tests.certificates import Certificates
from tests.dovecot import Dovecot
from tests.faults import behaviours
from tests.faults.behaviours import refuse
from tests.faults.imap_server import Command, ScriptedImap, Session
from tests.mailboxes.reaching import imap_of, smtp_of
from tests.smtp_sink import Sink

IMPATIENT = Timeouts(connect=2, greeting=0.5, command=0.5, body=0.5)


@pytest.fixture
def imap(imap_server: ScriptedImap, certificates: Certificates) -> ImapSettings:
    return imap_of(imap_server, imap_server.user, certificates)


@pytest.fixture
def smtp(smtp_sink: Sink, certificates: Certificates) -> SmtpSettings:
    return smtp_of(smtp_sink, certificates)


def states(report: CheckReport) -> list[str]:
    return [step.state for step in report.steps]


def failure(report: CheckReport) -> Step:
    """The failed step; everything before it is fine and everything after it skipped."""
    at = states(report).index("failed")
    assert all(step.state in {"ok", "warning"} for step in report.steps[:at])
    assert all(step.state == "skipped" for step in report.steps[at + 1 :])
    assert report.steps[at].advice
    assert not report.is_ok
    return report.steps[at]


def test_all_is_well(
    imap_server: ScriptedImap, imap: ImapSettings, smtp: SmtpSettings, loopback: EgressPolicy
) -> None:
    imap_server.folder("Sent").add(b"Subject: x\r\n\r\n")
    report = check_connection(imap, smtp, loopback)
    assert report.is_ok
    assert states(report) == ["ok"] * 9
    assert [step.name for step in report.steps] == [
        *("name", "tcp", "tls", "login", "folders"),
        *("name", "tcp", "tls", "login"),
    ]
    assert "localhost" in report.steps[2].detail
    assert "valid until" in report.steps[2].detail
    assert {folder.name: folder.message_count for folder in report.folders} == {"INBOX": 0, "Sent": 1}


@pytest.mark.dovecot
def test_all_is_well_with_a_real_server(
    dovecot: Dovecot, certificates: Certificates, loopback: EgressPolicy
) -> None:
    user = dovecot.new_user()
    dovecot.append(user, "INBOX", b"Subject: x\r\n\r\n")
    chosen = ImapSettings("localhost", dovecot.tls_port, "tls", user, dovecot.password)
    report = check_connection(replace(chosen, ca_file=str(certificates.ca_file)), None, loopback)
    assert states(report) == ["ok"] * 5
    assert {folder.special_use for folder in report.folders} >= {"inbox", "sent"}
    assert next(folder for folder in report.folders if folder.name == "INBOX").message_count == 1


def test_a_missing_sent_folder_is_a_warning(imap: ImapSettings, loopback: EgressPolicy) -> None:
    report = check_connection(imap, None, loopback)
    assert report.is_ok
    assert report.steps[-1].state == "warning"
    assert "sent" in report.steps[-1].detail


def test_no_encryption_is_a_warning(
    imap_server: ScriptedImap, imap: ImapSettings, loopback: EgressPolicy
) -> None:
    report = check_connection(replace(imap, port=imap_server.port, encryption="none"), None, loopback)
    assert report.steps[2].state == "warning"
    assert report.is_ok


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "does-not-exist.invalid", "0x7f.1", "a b"])
def test_what_the_guard_refuses_is_one_step_and_one_text(
    imap: ImapSettings, smtp: SmtpSettings, host: str
) -> None:
    policy = EgressPolicy(ports=frozenset({imap.port, smtp.port}))
    report = check_connection(replace(imap, host=host), None, policy)
    step = failure(report)
    assert (step.name, step.detail) == ("name", "This server cannot be used.")
    step = failure(check_connection(None, replace(smtp, host=host), policy))
    assert (step.name, step.detail) == ("name", "This server cannot be used.")


def test_a_closed_port_is_told(imap: ImapSettings, loopback: EgressPolicy) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    step = failure(check_connection(replace(imap, port=port), None, loopback))
    assert (step.name, "port" in step.detail) == ("tcp", True)


@pytest.mark.parametrize(
    ("kind", "word"),
    [("expired", "expired"), ("of_another_name", "another name"), ("of_another_authority", "authority")],
)
def test_a_bad_certificate_is_told_in_its_own_words(
    certificates: Certificates, imap: ImapSettings, loopback: EgressPolicy, kind: str, word: str
) -> None:
    with ScriptedImap(getattr(certificates, kind)()) as server:
        step = failure(check_connection(replace(imap, port=server.tls_port), None, loopback))
        assert b"secret" not in server.received
    assert (step.name, word in step.detail) == ("tls", True)


def test_tls_on_a_port_without_tls_is_told(
    imap_server: ScriptedImap, imap: ImapSettings, loopback: EgressPolicy
) -> None:
    step = failure(check_connection(replace(imap, port=imap_server.port), None, loopback))
    assert (step.name, "STARTTLS" in step.advice) == ("tls", True)


def test_no_tls_on_a_port_with_tls_is_told(imap: ImapSettings, loopback: EgressPolicy) -> None:
    chosen = replace(imap, encryption="starttls", timeouts=IMPATIENT)
    step = failure(check_connection(chosen, None, loopback))
    assert step.name == "tls"
    assert "encryption" in step.advice


def test_smtp_on_the_imap_port_is_told_without_its_banner(
    smtp_sink: Sink, imap: ImapSettings, loopback: EgressPolicy
) -> None:
    step = failure(check_connection(replace(imap, port=smtp_sink.tls_port), None, loopback))
    assert step.name == "tls"
    assert "sink" not in step.detail + step.advice
    assert "port" in step.advice


def test_imap_on_the_smtp_port_is_told(
    imap_server: ScriptedImap, smtp: SmtpSettings, loopback: EgressPolicy
) -> None:
    step = failure(check_connection(None, replace(smtp, port=imap_server.tls_port), loopback))
    assert (step.name, "port" in step.advice) == ("tls", True)


def test_a_wrong_password_is_told(imap: ImapSettings, smtp: SmtpSettings, loopback: EgressPolicy) -> None:
    step = failure(check_connection(replace(imap, password="wrong"), None, loopback))
    assert (step.name, "app password" in step.advice) == ("login", True)
    step = failure(check_connection(None, replace(smtp, password="wrong"), loopback))
    assert (step.name, "app password" in step.advice) == ("login", True)


def test_a_disabled_login_is_told(
    imap_server: ScriptedImap, imap: ImapSettings, loopback: EgressPolicy
) -> None:
    imap_server.capabilities = "IMAP4rev1 LOGINDISABLED"
    step = failure(check_connection(imap, None, loopback))
    assert (step.name, "password" in step.detail) == ("login", True)


@pytest.mark.parametrize("verb", ["connect", "CAPABILITY", "LOGIN", "LIST", "EXAMINE"])
@pytest.mark.parametrize("behaviour", [behaviours.hang, behaviours.drop, behaviours.trickle])
def test_a_server_that_misbehaves_ends_in_one_failed_step(
    imap_server: ScriptedImap,
    imap: ImapSettings,
    loopback: EgressPolicy,
    verb: str,
    behaviour: Callable[..., bool],
) -> None:
    imap_server.on(verb, behaviour)
    chosen = replace(imap, timeouts=IMPATIENT)
    assert failure(check_connection(chosen, None, loopback)).milliseconds >= 0


def unsafe_login(session: Session, command: Command) -> bool:  # 163.com
    if b"ID" in [one.verb.encode() for one in session.server.commands]:
        return False
    return refuse("NO EXAMINE Unsafe Login. Please contact kefu@188.com for help")(session, command)


def test_a_server_that_opens_nothing_for_programs_without_a_name_is_told_ours(
    imap_server: ScriptedImap, imap: ImapSettings, loopback: EgressPolicy
) -> None:
    imap_server.on("EXAMINE", unsafe_login)
    imap_server.on("ID", refuse("BAD we do not care"))
    step = failure(check_connection(imap, None, loopback))
    assert step.name == "folders"
    assert "Unsafe Login. Please contact kefu@188.com" in step.detail
    assert "settings at the provider" in step.advice
    imap_server.capabilities += " ID"
    assert check_connection(imap, None, loopback).is_ok
    said = next(command.arguments for command in imap_server.commands if command.verb == "ID")
    version = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]["version"]
    assert said == f'("name" "Postroom" "version" "{version}")'.encode()


def test_one_protocol_that_fails_does_not_hide_the_other(
    imap: ImapSettings, smtp: SmtpSettings, loopback: EgressPolicy
) -> None:
    report = check_connection(replace(imap, password="wrong"), smtp, loopback)
    assert not report.is_ok
    assert report.failed("imap") is not None
    assert report.failed("smtp") is None
