"""Any bytes are read, whatever they are: bombs, fuzz and truncations (reliability T13)."""

import base64
import encodings
import resource
from dataclasses import fields, is_dataclass
from multiprocessing import get_context

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailboxes.classifying import classify
from mailboxes.parsing import Limits, attachment_contents, header_block, parse, stable_hash
from mailboxes.parsing.parts import part_tree
from mailboxes.parsing.values import Defects
from mailboxes.quoting import reply_text
from mailboxes.sanitizing import plain_text_to_html, sanitize


def with_body(body: bytes, kind: bytes = b"text/plain") -> bytes:
    return b"From: a@b.c\nContent-Type: " + kind + b"\n\n" + body


def nested(count: int) -> bytes:
    lines = [b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(count)]
    return b"".join(lines) + b"\nx"


def russian_doll(count: int) -> bytes:
    raw = b"Subject: x\n\nhi"
    for _ in range(count):
        header = b"Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n"
        raw = header + base64.encodebytes(raw)
    return raw


BOMBS = {
    "addresses": b"To: " + b", ".join(b"u%d@x.y" % n for n in range(16_000)) + b"\n\nx",
    "address headers": b"To: x@y.z\n" * 50_000 + b"\nx",
    "parts": b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\nx\n" * 50_000,
    "nested parts": nested(1_500),
    "one boundary": b"Content-Type: multipart/mixed; boundary=b\n\n--b\n" * 1_500,
    "nested messages": b"Content-Type: message/rfc822\n\n" * 1_500,
    "encoded messages": russian_doll(25),
    "long header": b"Subject: " + b"a" * 2_000_000 + b"\n\nx",
    "folded header": b"Subject: a\n" + b" b\n" * 300_000 + b"\nx",
    "parameters": b"Content-Type: text/plain; " + b"; ".join(b"n*%d=x" % n for n in range(20_000)),
    "unclosed words": b"Subject: " + b"=?utf-8?q?" * 25_000 + b"\n\nx",
    "words": b"Subject: " + b"=?utf-8?q?a?= =?latin1?q?a?= " * 9_000 + b"\n\nx",
    "quotation marks": b"To: " + b'"\\' * 100_000 + b"\n\nx",
    "parentheses": b"To: " + b"(a" * 100_000 + b"\n\nx",
    "angles": b'To: <"' + b'<"' * 100_000 + b"\n\nx",
    "at signs": b"To: " + b"a @ b " * 40_000 + b"\n\nx",
    "commas": b"To: " + b"a," * 100_000 + b"\n\nx",
    "references": b"References: " + b"<" * 200_000 + b"\n\nx",
    "junk lines": b"From: a@b.c\n" + b"junk\nX-A: b\n" * 20_000 + b"\nx",
    "divs": with_body(b"<div>" * 20_000 + b"x", b"text/html"),
    "a character's number": with_body(b"<div>" * 2_000 + b"&#" + b"9" * 5_000 + b";", b"text/html"),
    "links": with_body(b"<a href=x><b>" * 40_000, b"text/html"),
    "quotations": with_body(b"<blockquote>" * 20_000 + b"a<br>" * 20_000, b"text/html"),
    "comments": with_body(b"<!--" * 150_000, b"text/html"),
    "styles": with_body(b'<p style="' + b"color:red;" * 60_000 + b'">x</p>', b"text/html"),
    "attribution": with_body(b"On " + b"a " * 20_000 + b"wrote:\n"),
    "attributions": with_body(b"On 1 @ a a a wrote a\n" * 50_000),
    "quoted lines": with_body(b"> " * 400_000),
    "headers in text": with_body(b"From: x\n" * 100_000),
    "padding": b"Content-Transfer-Encoding: base64\n\n" + b"YQ==\n" * 200_000,
    "equals signs": b"Content-Transfer-Encoding: quoted-printable\n\n" + b"=" * 1_000_000,
    "uuencode": b"Content-Transfer-Encoding: x-uuencode\n\n" + b"begin 644 x\n" * 50_000,
    "punycode": with_body(b"a-" * 200_000, b"text/plain; charset=punycode"),
    "near boundaries": b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--bb\n" * 500_000,
    "at signs alone": b"From: " + b"@" * 5_000 + b"\n\nx",
    "blank name": b"From: " + "\u00a0".encode() * 80_000 + b"\n\nx",
    "semicolons": b"Content-Type: text/plain; " + b";" * 200_000 + b"\n\nx",
    "blank parameter": b"Content-Type: text/plain; a=" + b"\t" * 200_000 + b"x\n\nx",
    "no-break spaces": with_body(b"&nbsp;" * 150_000 + b"x", b"text/html"),
    "brackets and srcset": with_body(b"srcset" + b"<" * 900_000, b"text/html"),
    "comments in results": b"Authentication-Results: mx.example; " + b"(" * 100_000 + b"\n\nx",
    "failures": b"From: mailer-daemon@x.y\nSubject: Undeliverable\n\n"
    + b"recipient address account mailbox user a.a.a.a@ " * 20_000,
}
CPU_SECONDS = 20  # for one bomb through everything; it takes well below one
MEMORY = 1024**3


def go_through(raw: bytes) -> None:
    """All that is done to a message before a person sees it."""
    parsed = parse(raw)
    classify(parsed, raw, trusted_authserv_id="mx.example")
    reply_text(parsed.text)
    if parsed.html is not None:
        sanitize(parsed.html)
    plain_text_to_html(parsed.text)
    stable_hash(raw)
    header_block(raw)


def go_through_within_limits(raw: bytes) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    resource.setrlimit(resource.RLIMIT_DATA, (used + MEMORY, used + MEMORY))
    go_through(raw)


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_read_within_limits(name):
    child = get_context("fork").Process(target=go_through_within_limits, args=(BOMBS[name],))
    child.start()
    child.join()
    assert child.exitcode == 0, f"{name}: the reader died"


@pytest.mark.parametrize(
    ("name", "defect"),
    [
        ("addresses", "too-many-addresses"),
        ("parts", "too-many-parts"),
        ("nested parts", "too-deep"),
        ("long header", "header-too-large"),
        ("address headers", "header-too-large"),
    ],
)
def test_a_limit_that_was_met_is_a_defect(name, defect):
    assert defect in parse(BOMBS[name]).defects


def test_limits_bound_what_is_listed():
    parsed = parse(BOMBS["parts"])
    assert len(parsed.parts) <= 1_000
    assert len(parsed.attachments) <= 100
    assert len(parse(BOMBS["addresses"]).to) <= 500
    assert max(part.depth for part in parse(BOMBS["nested parts"]).parts) <= 40


def test_messages_encoded_inside_each_other_are_not_kept_each_by_itself():
    shell = b"Content-Type: message/rfc822\nContent-Transfer-Encoding: quoted-printable\n\n"
    raw = shell * 35 + b"x" * 100_000
    kept = {id(part.raw): len(part.raw) for part in parts_of(part_tree(raw, Limits(), Defects()))}
    assert sum(kept.values()) <= 3 * len(raw)
    assert "too-deep" in parse(raw).defects


def parts_of(part):
    return [part, *(below for child in part.children for below in parts_of(child))]


def test_reports_are_no_way_around_the_length_of_texts():
    parts = b"".join(b"--b\nContent-Type: message/delivery-status\n\n" + b"x" * 900 + b"\n" for _ in range(9))
    parsed = parse(b"Content-Type: multipart/report; boundary=b\n\n" + parts, Limits(text_characters=2_000))
    assert len(parsed.text) <= 2_000


def test_marks_of_quotations_are_no_way_around_it_either():
    quoted = b"<blockquote>" * 8 + b"<pre>" + b"x\n" * 1_500
    parsed = parse(with_body(quoted, b"text/html"), Limits(text_characters=4_000))
    assert len(parsed.text) == parsed.own_text_length == 4_000


def test_made_up_charsets_are_not_remembered():
    known = len(encodings._cache)
    parse(b"Subject: " + b" ".join(b"=?no-%d?q?a?=" % number for number in range(100)) + b"\n\nx")
    assert len(encodings._cache) == known


def test_limits_may_be_chosen():
    assert len(parse(BOMBS["addresses"], Limits(addresses=3)).to) == 3


PIECES = [
    *(b"From: a@b.c", b"To: ", b"Subject: =?utf-8?q?", b"?=", b"\r\n", b"\n", b"\r", b"\n\n", b" "),
    *(b"Content-Type: multipart/mixed; boundary=b", b"Content-Type: text/html", b"--b", b"--b--"),
    *(b"Content-Type: message/rfc822", b"Content-Transfer-Encoding: base64", b"\xff\xfe", b"\x00"),
    *(b"filename*0*=utf-8''%C3", b"name*1=x", b'"', b"<", b">", b"(", b",", b";", b":", b"=", b"@"),
    *(b"<p>", b"<blockquote>", b"> ", b"On 1 Jan, a wrote:", b"-- ", b"charset=utf-16", b"Date: Tue"),
]


def texts_in(value: object) -> list[str]:
    """All strings in a tree of dataclasses and tuples."""
    if isinstance(value, str):
        return [value]
    if is_dataclass(value):
        return [text for field in fields(value) for text in texts_in(getattr(value, field.name))]
    if isinstance(value, tuple):
        return [text for item in value for text in texts_in(item)]
    return []


@given(st.lists(st.sampled_from(PIECES), max_size=40).map(b"".join) | st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_every_text_can_be_stored(raw):
    for text in texts_in(parse(raw)):
        assert "\x00" not in text
        text.encode("utf-8")


@given(st.binary(max_size=400))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_read(raw):
    go_through(raw)


@given(st.lists(st.sampled_from(PIECES), max_size=40).map(b"".join))
@settings(max_examples=300, deadline=None)
def test_any_mixture_of_mail_is_read(raw):
    go_through(raw)
    attachments = parse(raw).attachments
    contents = attachment_contents(raw, [one.position for one in attachments])
    assert [len(content) for content in contents] == [one.size for one in attachments]


@given(st.integers(min_value=0, max_value=400))
@settings(max_examples=60, deadline=None)
def test_a_message_may_be_cut_anywhere(length):
    whole = nested(3) + b"\n--b2\nContent-Transfer-Encoding: base64\n\naGVsbG8=\n--b2--\n--b1--"
    go_through(whole[:length])


@pytest.mark.parametrize(
    "endless", [b"X-Big: " + b"a" * 1_000_000, b"To: " + b"a@b.c,\n " * 60_000 + b"a@b.c"]
)
def test_an_endless_header_hides_none_of_those_behind_it(endless):
    page = (
        b"Subject: =?utf-8?q?=E2=82=AC?=\n =?utf-8?q?uro?=\nContent-Type: text/html; charset=utf-8\n\n<p>page"
    )
    parsed = parse(b"From: a@b.c\n" + endless + b"\nDate: 5 Mar 2024 12:30 +0000\n" + page)
    assert (parsed.subject, parsed.html) == ("€uro", "<p>page")
    assert parsed.sender is not None
    assert parsed.sent_at is not None
    assert parsed.defects[0] == "header-too-large"
    assert parsed.stable_hash == stable_hash(
        b"From: a@b.c\n" + endless + b"\nDate: 5 Mar 2024 12:30 +0000\n" + page
    )
