"""What identifies a message (reliability §4.1)."""

from hypothesis import given, settings
from hypothesis import strategies as st

from mailboxes.parsing import parse, stable_hash

MESSAGE = b"Message-ID: <a@b>\r\nDate: Tue\r\nFrom: a@b.c\r\nSubject: x\r\n\r\nbody\r\n"


def test_two_copies_by_different_ways_are_one_message():
    copy = b"Received: from x\r\nDelivered-To: d@e.f\r\nX-Spam: no\r\n" + MESSAGE
    assert stable_hash(copy) == stable_hash(MESSAGE)


def test_line_ends_and_folding_make_no_difference():
    assert stable_hash(MESSAGE.replace(b"\r\n", b"\n")) == stable_hash(MESSAGE)
    assert stable_hash(MESSAGE.replace(b"Subject: x", b"Subject:\r\n x")) == stable_hash(MESSAGE)


def test_the_same_message_id_with_another_body_is_another_message():
    assert stable_hash(MESSAGE + b"more") != stable_hash(MESSAGE)


def test_no_part_can_pass_for_another():
    first = b"Message-ID: a\nDate: bc\n\nx"
    second = b"Message-ID: ab\nDate: c\n\nx"
    third = b"Date: a\nMessage-ID: bc\n\nx"
    assert len({stable_hash(first), stable_hash(second), stable_hash(third)}) == 3
    assert stable_hash(b"Subject: ab\n\nc") != stable_hash(b"Subject: a\n\nbc")
    assert stable_hash(b"Date: ab\nDate: c\n\nx") != stable_hash(b"Date: a\nDate: bc\n\nx")


def test_the_hash_carries_its_version():
    assert stable_hash(MESSAGE)[0] == 1
    assert len(stable_hash(MESSAGE)) == 33


@given(st.binary(max_size=100), st.binary(max_size=100))
@settings(max_examples=100, deadline=None)
def test_different_bodies_have_different_hashes(first, second):
    same = first.replace(b"\r\n", b"\n").replace(b"\r", b"\n").rstrip(b"\n") == second.replace(
        b"\r\n", b"\n"
    ).replace(b"\r", b"\n").rstrip(b"\n")
    assert (stable_hash(b"A: b\n\n" + first) == stable_hash(b"A: b\n\n" + second)) is same


@settings(max_examples=60)
@given(st.binary(max_size=300))
def test_reading_a_message_finds_the_same_hash(rest):
    for raw in (rest, MESSAGE + rest, b"From x\nSubject: y\n" + rest):
        assert parse(raw).stable_hash == stable_hash(raw)
