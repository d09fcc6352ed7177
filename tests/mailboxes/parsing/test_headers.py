"""Header blocks, encoded words and parameters, broken in the usual ways."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailboxes.parsing import header_block, parse
from mailboxes.parsing.encoded_words import decoded_words
from mailboxes.parsing.parameters import content_type, disposition


def subject_of(value: bytes) -> str:
    return parse(b"Subject: " + value + b"\r\nFrom: a@b.c\r\n\r\nx").subject


@pytest.mark.parametrize(
    ("value", "subject"),
    [
        (b"plain", "plain"),
        (b"=?utf-8?q?J=C3=B6rg_ist_da?=", "Jörg ist da"),
        (b"=?UTF-8?B?SsO2cmc=?=", "Jörg"),
        (b"=?utf-8?B?SGVsb?= =?utf-8?B?G8gd29ybGQ=?=", "Hello world"),
        (b"=?utf-8?B?SsO2cmc?= =?utf-8?B?SsO2cmc=?=", "JörgJörg"),
        (b"=?utf-8?B?SsO2cmc?=", "Jörg"),
        (b"=?utf-8?q?J=C3?= =?utf-8?q?=B6rg?=", "Jörg"),
        (b"=?utf-8?q?a?=\r\n =?utf-8?q?b?=", "ab"),
        (b"=?utf-8?q?a?= b =?utf-8?q?c?=", "a b c"),
        (b"=?iso-8859-1*de?q?M=FCller?=", "Müller"),
        (b"=?latin1?q?M=FCller?=", "Müller"),
        (b"=?windows-1252?q?=80?=", "€"),
        (b"=?utf-8?q?with raw spaces?=", "with raw spaces"),
        (b"=?nonsense?q?J=C3=B6rg?=", "Jörg"),
        (b"=?utf-8?q?M=FCller?=", "Müller"),
        (b"=?utf-8?q?cut_o", "cut o"),
        (b"=?utf-8?x?not one?=", "=?utf-8?x?not one?="),
        (b"price =? 5", "price =? 5"),
        ("Jörg roh".encode(), "Jörg roh"),
        ("Jörg roh".encode("latin-1"), "Jörg roh"),
        (b"=?iso-2022-jp?B?GyRCJUYlOSVIGyhC?=", "テスト"),
        (b"Re: \x1b$B%F%9%H\x1b(B", "Re: テスト"),
        (b"a\r\n\tb", "a b"),
        (b"a\r\n \r\n\t=?utf-8?q?b?=\r\n =?utf-8?q?c?=", "abc"),
        (b"=?utf-8?q?a=0D=0ABcc:_x@y.z?=", "a Bcc: x@y.z"),
        (b"=?utf-8?q?a=00b=E2=80=AEc?=", "abc"),
    ],
)
def test_a_subject_is_read_as_it_was_meant(value, subject):
    assert subject_of(value) == subject


def test_what_is_no_text_in_any_charset_stays_as_it_was_written():
    assert subject_of(b"=?UTF-8?B?nnDusSNdG92w?=") == "=?UTF-8?B?nnDusSNdG92w?="


@pytest.mark.parametrize("line_end", [b"\r\n", b"\n", b"\r", b"\r\r\n"])
def test_every_line_end_is_understood(line_end):
    parsed = parse(line_end.join([b"From: a@b.c", b"Subject: one", b" two", b"", b"text"]))
    assert (parsed.subject, parsed.text.strip()) == ("one two", "text")


MARK = b"\xef\xbb\xbf"
OPENINGS = [b"From a@b.c Mon Jan  1 00:00:00 2024\n", b">From x\n", b"\n\n", MARK, MARK + b"From x\n"]


@pytest.mark.parametrize("opening", OPENINGS)
def test_what_stands_before_the_headers_is_left_out(opening):
    assert parse(opening + b"Subject: x\n\ny").subject == "x"


@pytest.mark.parametrize("name", [b"From :", b"From  :", b"From \t:"])
def test_a_first_header_with_a_blank_before_its_colon_is_no_mbox_line(name):
    parsed = parse(name + b" John Doe <jdoe@machine.example>\nSubject: s\n\nx")
    assert parsed.sender is not None
    assert parsed.sender.address == "jdoe@machine.example"


def test_a_line_that_is_no_header_begins_the_body():
    parsed = parse(b"Subject: x\nDear Sir,\nthis is the text.\n")
    assert (parsed.subject, parsed.text) == ("x", "Dear Sir,\nthis is the text.\n")
    assert "no-body-separator" in parsed.defects


def test_headers_behind_a_junk_line_still_count():
    parsed = parse(b"Received: x\njunk without colon\nFrom: a@b.c\nTo: d@e.f\nSubject: x\n\ntext")
    assert (parsed.subject, parsed.text) == ("x", "text")
    assert "line-without-colon-in-header" in parsed.defects


def test_a_blank_in_the_separating_line_is_forgiven():
    assert parse(b"Subject: x\r\n \r\nDear Sir,\r\nhello\r\n").text == "Dear Sir,\nhello\n"


def test_white_space_before_the_colon_is_allowed():
    assert parse(b"Subject : x\n\ny").subject == "x"


def test_header_values_hold_no_line_break_and_no_control():
    parsed = parse(b"Subject: =?utf-8?q?a=0AX-Evil:_1?=\nX-A: b\x00\x07c\n\nx")
    assert [name for name, _ in parsed.headers] == ["Subject", "X-A"]
    assert all(not set("\r\n\x00\x07") & set(value) for _, value in parsed.headers)


def test_several_headers_of_references_are_one():
    raw = b"References: <a@x> <b@x>\nIn-Reply-To: <c@x>\nReferences: <b@x> <c@x>\nIn-Reply-To: <d@x>\n\nx"
    parsed = parse(raw)
    assert (parsed.references, parsed.in_reply_to) == (("a@x", "b@x", "c@x"), "c@x")


def test_control_characters_in_from_are_a_defect():
    parsed = parse(b"From: =?utf-8?q?a=0Ab?= <a@b.c>\n\nx")
    assert "control-characters-in-from" in parsed.defects


def test_the_header_block_is_given_as_text():
    assert header_block(b"Subject: x\r\n y\r\nTo: \xfc@b.c\r\n\r\nbody") == "Subject: x\n y\nTo: ü@b.c\n"


@pytest.mark.parametrize(
    ("line", "value", "parameters"),
    [
        ("text/plain; charset=utf-8", "text/plain", {"charset": "utf-8"}),
        ("TEXT/HTML;;; charset = 'x' ;", "text/html", {"charset": "'x'"}),
        ('text/plain; name="a;b=c"', "text/plain", {"name": "a;b=c"}),
        ("text/plain; name=two words.txt; x=y", "text/plain", {"name": "two words.txt", "x": "y"}),
        ('text/plain; name=""a b.pdf""; x=y', "text/plain", {"name": "a b.pdf", "x": "y"}),
        ('text/plain; name=""; x=y', "text/plain", {"name": "", "x": "y"}),
        ("text/plain; name=a charset=b", "text/plain", {"name": "a", "charset": "b"}),
        ("text/plain; name*=utf-8''J%C3%B6rg", "text/plain", {"name": "Jörg"}),
        ("text/plain; name*0=a; name*1=b", "text/plain", {"name": "ab"}),
        ("text/plain; name*1=b; name*0=a", "text/plain", {"name": "ab"}),
        ("text/plain; name*0*=utf-8''%C3; name*1*=%B6; name*2=x", "text/plain", {"name": "öx"}),
        ("text/plain; name*=J%C3%B6rg", "text/plain", {"name": "Jörg"}),
        ('text/plain; name="=?utf-8?q?J=C3=B6rg?="', "text/plain", {"name": "Jörg"}),
        ('text/plain; name*0="=?utf-8?q?J=C3"; name*1="=B6rg?="', "text/plain", {"name": "Jörg"}),
        ("text/plain; name=x; name*=utf-8''y", "text/plain", {"name": "y"}),
        ("text", "text/plain", {}),
        ("nonsense", "", {}),
        ('text/plain; name="unclosed', "text/plain", {"name": "unclosed"}),
    ],
)
def test_parameters_are_read(line, value, parameters):
    assert content_type(line) == (value, parameters)


def test_a_boundary_is_taken_literally():
    assert content_type('multipart/mixed; boundary="a  "').parameters["boundary"] == "a  "


def test_a_disposition_may_lack_its_type():
    assert disposition('filename="x.pdf"') == ("", {"filename": "x.pdf"})


@given(st.text(max_size=80))
@settings(max_examples=150, deadline=None)
def test_text_without_encoded_words_stays_as_it_is(text):
    assert decoded_words(text.replace("=?", "")) == text.replace("=?", "")


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_no_subject_can_make_another_header(value):
    raw = b"From: a@b.c\nSubject: =?utf-8?b?" + value.replace(b"\n", b"").replace(b"\r", b"") + b"?=\n\nx"
    parsed = parse(raw)
    assert [name for name, _ in parsed.headers] == ["From", "Subject"]
    assert not set("\r\n\x00") & set(parsed.subject)


_NAMES = st.sampled_from(["From", "SUBJECT", "X-a", "References", "x_y!", "Ünne", "a b", ""])
_VALUES = st.text(st.sampled_from("a =?:\t\x0b<>\r\n"), max_size=12) | st.sampled_from(
    ["a\r\n\tb", " a\n  b\n c ", "=?utf-8?q?a?=\n =?utf-8?q?b?=", "\r\n a", "a\n \n b"]
)


@given(st.lists(st.tuples(_NAMES, _VALUES), max_size=6), st.sampled_from(["\n", "\r\n"]))
@settings(max_examples=300)
def test_headers_say_the_same_whether_read_in_one_go_or_line_by_line(headers, end):
    block = "".join(f"{name}:{value}{end}" for name, value in headers).encode()
    # A blank before the colon is seldom: no block with one is read in one go.
    at_once = parse(block + b"Last: x" + end.encode() * 2 + b"body")
    by_line = parse(block + b"Last : x" + end.encode() * 2 + b"body")
    assert at_once.headers == by_line.headers
    assert at_once.defects == by_line.defects
