"""How many bytes an attachment has is told without decoding it, and is what decoding it gives."""

import base64
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailboxes.parsing import transfer
from mailboxes.parsing.transfer import content_of, from_base64, length_of_content

CONTENT = random.Random(1).randbytes(20_000)


def encoded(content: bytes, width: int = 76, line_end: bytes = b"\r\n") -> bytes:
    text = base64.b64encode(content)
    return line_end.join(text[at : at + width] for at in range(0, len(text), width)) + line_end


@given(
    length=st.integers(0, len(CONTENT)),
    width=st.integers(1, 200),
    line_end=st.sampled_from([b"\r\n", b"\n", b" \r\n"]),
)
def test_the_length_of_base64_is_that_of_what_it_holds(length, width, line_end):
    assert length_of_content(encoded(CONTENT[:length], width, line_end), "base64") == length


def test_a_large_attachment_is_not_decoded_to_be_counted(monkeypatch):
    monkeypatch.setattr(transfer, "from_base64", lambda data: pytest.fail("it was decoded"))
    assert length_of_content(encoded(CONTENT), "base64") == len(CONTENT)


@pytest.mark.parametrize(
    "data",
    [
        *(
            encoded(CONTENT[:19_998]) + b"-- \r\nA footer that a list has added" + b"." * dots
            for dots in range(4)
        ),
        encoded(CONTENT[:19_999]) + encoded(CONTENT),
        encoded(CONTENT)[:-7],
        encoded(CONTENT).replace(b"A", b"=", 1),
        encoded(CONTENT) + b"===",
        b"Words that say they were base64, and are none. " * 200,
        b"\xfc" * 10_000,
        b"=" * 10_000,
    ],
    ids=[
        *(f"footer {dots}" for dots in range(4)),
        "two runs",
        "cut",
        "padding inside",
        "too much padding",
        "prose",
        "foreign",
        "padding",
    ],
)
def test_what_is_encoded_in_an_odd_way_is_counted_as_it_is_read(data):
    assert length_of_content(data, "base64") == len(content_of(data, "base64"))


FOOTER = (
    b"_" * 47
    + b"\r\nusers mailing list -- users@lists.example\r\nTo leave, write to users-leave@lists.example"
)


@pytest.mark.parametrize(
    "content",
    [b"OK", b"Viele Gr\xfc\xdfe", b"Hello there, this one is longer. " * 9, CONTENT[:4_560], CONTENT],
)
def test_a_footer_below_base64_is_left_out(content):
    assert content_of(encoded(content) + FOOTER, "base64") == content


@pytest.mark.parametrize("width", [44, 48, 56, 60])
def test_a_footer_below_short_lines_of_base64_is_left_out(width):
    content = b"Hello there, this one is longer. " * 13
    assert content_of(encoded(content, width) + FOOTER, "base64") == content


def test_a_footer_below_base64_that_lost_a_character_is_left_out():
    assert content_of(encoded(CONTENT[:4_559])[1:] + FOOTER, "base64")


WORDS = b"this is my order of twenty doors, and of three windows for the house."


@pytest.mark.parametrize(
    "prose",
    [
        b"Dear all, this is no base64=\r\nat all, but words with blanks, and more of them.",
        b"Hello=\n" + WORDS,
        b"Ordering=\n" + WORDS,
        b"Windows=\n" + WORDS,
        b"/" * 64 + b"\n" + WORDS,
    ],
)
def test_prose_that_says_it_were_base64_stays_as_it_is(prose):
    assert content_of(prose, "base64") == prose


PIECES = st.sampled_from([b"Hello", b"A" * 60, b"=", b"==", b"\n", b"\xfc", b"-", WORDS])


@given(st.binary(max_size=200) | st.lists(PIECES, max_size=9).map(b"".join))
def test_no_bytes_are_too_odd_for_base64(data):
    assert isinstance(from_base64(data), bytes)


@pytest.mark.parametrize("encoding", ["", "7bit", "quoted-printable", "x-uuencode"])
def test_other_encodings_are_undone_to_be_counted(encoding):
    data = b"a =C3=A4 line\r\n" * 1_000
    assert length_of_content(data, encoding) == len(content_of(data, encoding))
