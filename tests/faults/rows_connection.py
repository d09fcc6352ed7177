"""Rows F18 to F35 but for signing in: endless, slow, silent, cut, and servers that say *not now*."""

import socket
import struct
from typing import TYPE_CHECKING

from mailboxes.errors import (
    ConnectionLostError,
    ServerUnavailableError,
    ThrottledError,
    TooManyConnectionsError,
    WrongProtocolError,
)
from tests.faults import behaviours
from tests.faults.behaviours import refuse, reply, reply_then_drop
from tests.faults.faults import ALWAYS, behaviour, change, demand
from tests.faults.imap_server import Command, Session
from tests.faults.stage import Stage

if TYPE_CHECKING:
    from tests.faults.scenario import Happened

PHASES_OF_A_SESSION = ("connect", "CAPABILITY", "LOGIN", "LIST", "EXAMINE", "SEARCH", "FETCH")
OF_A_CHECK = ("connect", "CAPABILITY", "LOGIN", "LIST", "EXAMINE")

for _verb in PHASES_OF_A_SESSION:
    _fails = _verb in OF_A_CHECK
    behaviour(f"F18/{_verb}", "untagged lines without end", _verb, fails_check=_fails)(behaviours.flood)
    behaviour(f"F21/{_verb}", "silence", _verb, fails_check=_fails)(behaviours.hang)
    behaviour(f"F22/{_verb}", "the connection ends", _verb, fails_check=_fails)(behaviours.drop)
    behaviour(f"F24/{_verb}", "BYE", _verb, fails_check=_fails)(reply_then_drop(b"* BYE going down\r\n"))

for _verb in ("connect", "LIST", "FETCH"):  # the others: tests/mailboxes/imap/test_clocks.py
    _fails = _verb in OF_A_CHECK
    behaviour(f"F19/{_verb}", "a line without end", _verb, fails_check=_fails)(behaviours.endless_line)
    behaviour(f"F20/{_verb}", "one byte at a time", _verb, fails_check=_fails)(behaviours.trickle)


@demand("F18")
@demand("F19")
@demand("F20")
@demand("F21")
def nobody_waits_and_somebody_is_told(stage: Stage, happened: "Happened") -> None:
    assert happened.report is not None
    if happened.report.trouble:  # of LIST alone: the folders that are known were read
        assert happened.report.error is None
        return
    assert happened.report.error is not None
    assert stage.pause_seconds() > 10
    assert "The server" in stage.last_error()


@demand("F22")
@demand("F24")
def a_cut_is_no_wrong_password(stage: Stage, happened: "Happened") -> None:
    assert happened.report is not None
    if happened.report.trouble:  # of LIST alone: the folders that are known were read
        assert happened.report.error is None
        return
    assert isinstance(happened.report.error, ConnectionLostError | ServerUnavailableError)
    assert stage.state() == "failing"


@behaviour("F23/reset", "the connection is reset", fails_check=False)
def reset(session: Session, command: Command) -> bool:
    session.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    session.socket.close()
    return True


@behaviour("F23/half", "the server closes its half in the middle of a literal")
def half_close(session: Session, command: Command) -> bool:
    session.send(b"* 1 FETCH (UID 1 BODY[] {500}\r\nSubject: half")
    session.socket.shutdown(socket.SHUT_WR)
    session.server.is_stopping.wait(0.2)
    return True


@change("F23/tls", "TLS is cut off without its goodbye", fails_check=None)
def truncated_tls(stage: Stage) -> None:
    stage.connect(encryption="tls")

    def truncate(session: Session, command: Command) -> bool:
        session.send(b"* 1 FETCH (UID 1 BODY[] {500}\r\nSubject: half")
        session.socket.close()  # the TCP connection ends, TLS does not
        return True

    stage.server.on("FETCH", truncate)


@change("F24/greeting", "BYE in the greeting", fails_check=True)
def bye_in_the_greeting(stage: Stage) -> None:
    stage.server.greeting = b"* BYE overloaded\r\n"


@change("F25/bye", "too many connections, in the greeting", fails_check=True)
def too_many(stage: Stage) -> None:
    stage.server.greeting = b"* BYE [UNAVAILABLE] Maximum number of connections exceeded\r\n"


behaviour("F25/login", "too many connections, at the login", "LOGIN", fails_check=True)(
    refuse("NO [LIMIT] Maximum number of connections from user+IP exceeded")
)
behaviour("F25/text", "too many connections, in words alone", "LOGIN", fails_check=True)(
    refuse("NO Too many simultaneous connections. (Failure)")
)


@demand("F25")
def too_many_is_for_a_while(stage: Stage, happened: "Happened") -> None:
    assert happened.report is not None
    assert isinstance(happened.report.error, TooManyConnectionsError)
    assert stage.state() == "failing"
    assert stage.pause_seconds() < 3_600


GARBAGE = {
    "smtp": b"220 mx.example.org ESMTP\r\n",
    "http": b"HTTP/1.1 400 Bad Request\r\nServer: inside\r\n\r\n",
    "binary": b"\x00\xff\x16\x03\x01\r\n",
    "ssh": b"SSH-2.0-OpenSSH_9.2\r\n",
    "nothing": b"\r\n",
}
for _name, _banner in GARBAGE.items():

    def _greet(stage: Stage, banner: bytes = _banner) -> None:
        stage.server.greeting = banner

    change(f"F26/{_name}", "something else than IMAP answers", fails_check=True)(_greet)


@demand("F26", phases=ALWAYS)
def a_banner_is_not_repeated(stage: Stage, happened: "Happened") -> None:
    if happened.check is not None:
        failed = happened.check.failed("imap")
        assert failed is not None
        assert failed.detail == WrongProtocolError.message
    told = repr(happened) + stage.last_error()
    assert not any(word in told for word in ("ESMTP", "OpenSSH", "HTTP", "inside"))


TRANSIENT = {
    "F31/unavailable": "NO [UNAVAILABLE] Temporary failure",
    "F31/inuse": "NO [INUSE] locked",
    "F31/serverbug": "NO [SERVERBUG] internal",
    "F31/text": "NO Temporary authentication failure, try again later",
}
for _id, _text in TRANSIENT.items():
    behaviour(_id, "the login is refused for a while", "LOGIN", fails_check=True)(refuse(_text))
PERMANENT = {
    "F31/credentials": "NO [AUTHENTICATIONFAILED] Invalid credentials",
    "F31/expired": "NO [EXPIRED] password has expired",
    "F31/plain": "NO Login failed.",
}
for _id, _text in PERMANENT.items():
    behaviour(_id, "the login is refused for good", "LOGIN", fails_check=True)(refuse(_text))


@demand("F31")
def for_a_while_and_for_good_are_told_apart(stage: Stage, happened: "Happened") -> None:
    error = happened.report.error if happened.report else None
    assert error is not None
    if error.is_permanent:
        _wait_for_the_second_try(stage)
    assert error.is_permanent == (stage.state() == "refused") == (stage.pause_seconds() > 3_000)


@demand("F31/credentials")
@demand("F31/expired")
@demand("F31/plain")
def a_wrong_password_is_not_hammered(stage: Stage, happened: "Happened") -> None:
    _wait_for_the_second_try(stage)
    assert stage.state() == "refused"


def _wait_for_the_second_try(stage: Stage) -> None:
    """A password that was right until now is tried once more before people are asked."""
    if stage.state() == "failing":
        assert 280 <= stage.pause_seconds() <= 300
        stage.sync()


behaviour("F33", "signed in but not connected (Exchange)", "LIST", fails_check=True)(
    refuse("BAD User is authenticated but not connected.")
)


@demand("F33")
def exchange_is_left_alone_for_five_minutes(stage: Stage, happened: "Happened") -> None:
    assert 295 <= stage.pause_seconds() < 3_600


BACKOFF = "BAD Request is throttled. Suggested Backoff Time: 92415 milliseconds"
behaviour("F34/list", "throttled at LIST", "LIST", fails_check=True)(refuse(BACKOFF))
behaviour("F34/search", "throttled at SEARCH", "SEARCH")(refuse(BACKOFF))
behaviour("F34/fetch", "throttled at FETCH", "FETCH")(refuse(BACKOFF))
behaviour("F34/quota", "over the quota of bytes (Gmail)", "FETCH")(
    refuse("NO [OVERQUOTA] Account exceeded command or bandwidth limits. (Failure)")
)
behaviour("F34/bye", "thrown out for too much (Gmail)", "FETCH")(
    reply(b"* BYE [OVERQUOTA] Account exceeded bandwidth limits.\r\n")
)


@demand("F34")
def what_a_throttling_server_asks_for_is_obeyed(stage: Stage, happened: "Happened") -> None:
    assert happened.report is not None
    assert happened.report.error is None or isinstance(happened.report.error, ThrottledError)
    assert stage.is_refused_a_pass()
    assert not set(stage.arrivals().values()) & {"unfetchable", "quarantined"}


@demand("F34/list")
@demand("F34/search")
@demand("F34/fetch")
def the_number_is_read(stage: Stage, happened: "Happened") -> None:
    assert stage.pause_seconds() > 90


@demand("F34/quota")
@demand("F34/bye")
def a_quota_is_a_matter_of_hours(stage: Stage, happened: "Happened") -> None:
    assert stage.pause_seconds() > 1_000


def _throttled_ok(session: Session, command: Command) -> bool:
    for uid in session.folder.asked(command.arguments.split(b" ")[0].decode()):
        session.send(session.fetch_answer(uid, command.arguments))
    session.done(command, "[THROTTLED] done, slowly")
    return True


behaviour("F34/ok", "OK, but throttled")(_throttled_ok)
