"""Mails and servers that want to keep us busy: no expression runs in circles, no mail takes a process."""

import contextlib
import gc
import re
import time
from collections.abc import Iterator
from typing import cast

import pytest

from mailboxes import quoting
from mailboxes.classifying import bounces
from mailboxes.conditions import comparable
from mailboxes.errors import ProtocolError
from mailboxes.imap.dialogue import Dialogue, tokens
from mailboxes.quoting.lines import MAXIMUM_LINE
from mailboxes.reading import read_message
from mailboxes.reading.limits import ProcessorLimitError, processor_limit
from mailboxes.search import words_of
from mailboxes.wire import Wire
from tests.mailboxes.pathological import RUNS, Attack, Expression, attacks, expressions, loses_its_place

PACKAGES = (
    *("mailboxes.parsing", "mailboxes.classifying", "mailboxes.quoting", "mailboxes.decisions"),
    *("mailboxes.imap", "mailboxes.subjects", "mailboxes.languages"),
)
# Shorter texts tell who is suspect; what is quadratic and quicker over them keeps the limit of the long one.
# Of that, what is linear is done in a tenth of the limit; what is quadratic takes five times the limit.
SUSPECT_SECONDS = {2_000: 0.002, 8_000: 0.03}
LONG, SECONDS = 32_000, 0.5
MAIL_SECONDS = 2.5
# Modules that ask line by line: how long a line, and how many of them.
LINES = {
    **{
        f"mailboxes.quoting.{room}": (MAXIMUM_LINE, quoting.MAXIMUM_LINES)
        for room in ("attributions", "headers", "lines", "originals", "signatures")
    },
    "mailboxes.classifying.bounces": (bounces.MAXIMUM_LINE, bounces.MAXIMUM_LINES),
}
EXPRESSIONS = expressions(*PACKAGES)
MODULES = sorted({one.module for one in EXPRESSIONS})
ACCENTS = "e" + "\N{COMBINING GRAVE ACCENT}\N{COMBINING GRAVE ACCENT BELOW}" * 20_000


def _seconds(expression: Expression, method: str, subject: str) -> float:
    started = time.thread_time()
    expression.ask(method, subject)
    return time.thread_time() - started


def _circling(expression: Expression) -> tuple[str, Attack] | None:
    """How an expression is made to run in circles."""
    ways = ((method, attack) for attack in attacks(expression.pattern) for method in expression.methods)
    return next((way for way in ways if _is_circling(expression, *way)), None)


def _is_circling(expression: Expression, method: str, attack: Attack) -> bool:
    try:
        with processor_limit(SECONDS):
            if expression.module in LINES:
                return _is_slow_over_lines(expression, method, attack)
            if all(
                _seconds(expression, method, attack.text(length)) > seconds
                for length, seconds in SUSPECT_SECONDS.items()
            ):
                expression.ask(method, attack.text(LONG))
    except ProcessorLimitError:
        return True
    return False


def _is_slow_over_lines(expression: Expression, method: str, attack: Attack) -> bool:
    length, count = LINES[expression.module]
    line, allowed = attack.text(length)[:length], MAIL_SECONDS / count
    return all(_seconds(expression, method, line) > allowed for _ in range(5))


@pytest.fixture(autouse=True)
def _without_the_collector() -> Iterator[None]:
    """The garbage of all tests before is none of the time of this one."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("module", MODULES)
def test_no_expression_runs_in_circles(module: str) -> None:
    found = ((one, _circling(one)) for one in EXPRESSIONS if one.module == module)
    assert {one.name: circling for one, circling in found if circling} == {}


def test_an_expression_that_runs_in_circles_is_found() -> None:
    linear, circling = re.compile(r"a *+b"), re.compile(r"a *( *) *b")
    assert _circling(Expression("", "", linear, ("match",))) is None
    assert _circling(Expression("", "", circling, ("match",))) is not None


def test_no_expression_loses_its_place_on_an_older_python() -> None:
    assert {f"{one.module}: {one.name}" for one in EXPRESSIONS if loses_its_place(one.pattern)} == set()
    assert loses_its_place(re.compile(r"(?:(?!no)\w)*+"))
    assert not loses_its_place(re.compile(r"(?>(?!no)\w)*+"))


HEADERS = (
    *(
        "From",
        "To",
        "Cc",
        "Reply-To",
        "Subject",
        "Date",
        "Message-ID",
        "References",
        "Authentication-Results",
    ),
    *("Received", "List-Id", "Return-Path", "Auto-Submitted", "X-Failed-Recipients", "Content-Language"),
)
SPECIAL = {
    "a uuencoded name": b"Content-Transfer-Encoding: x-uuencode\n\nbegin 644" + b" " * 1_600 + b"\rX",
    "attributions": b"Content-Type: text/plain; charset=utf-8\n\n"
    + ("写道" * 100 + " " * 250 + "x\n").encode() * 1_000,
    "hyphens": b"Content-Type: text/plain\n\n" + (b"-" * 499 + b"\n") * 400,
    "encoded words": b"Subject: " + b"=? " * 60_000 + b"\n\n",
    "an open word": b"Subject: =?" + b" " * 120_000 + b"x\n\n",
    "words in charsets of their own": b"Subject: "
    + b" ".join(b"=?x-%d?q?=E0=%02X=EF=F0=E5=EB=E8?=" % (n, n % 100 + 150) for n in range(6_000))
    + b"\n\n",
    "open brackets": b"Cc: <" + b"\\(" * 60_000 + b"\n\n",
    "styles of their own": b"Content-Type: text/html\n\n"
    + b"".join(b"<p style='display:none;%d%s'>x" % (n, b";a:b" * 900) for n in range(500)),
    "delimiters": b'Content-Type: multipart/mixed; boundary="b"\n\nx' + b"--b " * 100_000,
}


def _read_in_time(raw: bytes) -> None:
    try:
        with processor_limit(MAIL_SECONDS):
            read_message(raw, "mx.example")
    except ProcessorLimitError:
        pytest.fail(f"Reading took more than {MAIL_SECONDS} seconds.")


@pytest.mark.parametrize("name", SPECIAL)
def test_a_hostile_mail_is_read_in_time(name: str) -> None:
    _read_in_time(b"From: <MAILER-DAEMON@shop.example>\nSubject: Undelivered mail\n" + SPECIAL[name])


@pytest.mark.parametrize("run", RUNS)
def test_a_mail_of_nothing_but_repetition_is_read_in_time(run: str) -> None:
    line = run.replace("\n", " \n ").encode() * (20_000 // len(run)) + b"x"
    head = b"".join(name.encode() + b": " + line + b"\n" for name in HEADERS)
    body = (run.replace("\n", " ").encode() * 300)[:600] + b"x\n"
    parts = b"".join(
        b"\n--b\nContent-Type: %s\n\n%s" % (kind, body * 150)
        for kind in (b"text/plain", b"text/html", b"message/delivery-status", b"text/enriched")
    )
    _read_in_time(head + b"Content-Type: multipart/mixed; boundary=b\n" + parts + b"\n--b--\n")


@pytest.mark.parametrize("run", [*RUNS, "a[ ", "a[", '"a ', "(", "()", '"" '])
def test_an_answer_of_nothing_but_repetition_is_taken_apart_in_time(run: str) -> None:
    with contextlib.suppress(ProtocolError), processor_limit(SECONDS):
        tokens([b'"' + run.encode() * (50_000 // len(run))])


def test_a_text_of_nothing_but_accents_is_compared_in_time() -> None:
    with processor_limit(SECONDS):
        compared = comparable(ACCENTS)
    assert len(compared) > 20_000


def test_a_text_of_nothing_but_accents_is_indexed_in_time() -> None:
    with processor_limit(SECONDS):
        assert words_of(f"日 {ACCENTS}") == {"日", "e"}


class Lines:
    """As much of a wire as an answer without an end needs."""

    def __init__(self, *lines: bytes) -> None:
        self._lines = iter(lines)

    def read_line(self, _: int) -> bytes:
        return next(self._lines)

    def read_bytes(self, size: int) -> bytes:
        return b"x" * size


@pytest.mark.parametrize("line", [b"x", b"}", b"a}", b"x ", b" {x"])
def test_an_answer_that_goes_on_line_by_line_is_read_in_time(line: bytes) -> None:
    wire = Lines(b"* 1 FETCH (BODY[] {1}", *[line] * 100_000, b")")
    with processor_limit(SECONDS):
        parts = Dialogue(cast("Wire", wire), lambda: b"T1").read_parts(b"T1")
    assert parts[-1].endswith(b" )")


def test_the_name_in_a_uuencoded_part_is_cleaned_as_any_other() -> None:
    begin = "begin 644 a\0b\u202egpj.exe \n".encode()
    raw = (
        b"Content-Type: application/x-a\nContent-Transfer-Encoding: x-uuencode\n\n"
        + begin
        + b"#86)C\n`\nend\n"
    )
    (attachment,) = read_message(raw, "").parsed.attachments
    assert attachment.filename == "abgpj.exe"
