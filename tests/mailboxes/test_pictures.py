"""Pictures are read once for a message, for its owner alone, and what is kept has an end."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from struct import pack
from uuid import uuid4

import pytest

from mailboxes.inbox.pictures import LEAST, Shelf, is_drawable

OURS, THEIRS, RAW = uuid4(), uuid4(), uuid4()


def no_reading():
    raise AssertionError("this was read before")


def test_one_reading_serves_all_pictures_of_a_message():
    shelf = Shelf()
    assert shelf.picture((OURS, RAW), 2, lambda: {1: b"one", 2: b"two"}, no_reading) == b"two"
    assert shelf.picture((OURS, RAW), 1, no_reading, no_reading) == b"one"


def test_nobody_is_handed_what_was_read_for_another_organization():
    shelf = Shelf()
    shelf.picture((OURS, RAW), 1, lambda: {1: b"ours"}, no_reading)
    assert shelf.picture((THEIRS, RAW), 1, lambda: {1: b"theirs"}, no_reading) == b"theirs"
    assert shelf.picture((OURS, RAW), 1, no_reading, no_reading) == b"ours"


def test_what_was_looked_at_last_stays_as_long_as_it_fits():
    shelf = Shelf(most=7 * LEAST)  # a message with a small picture counts for two and a bit
    first, second, third, fourth = ((OURS, uuid4()) for _ in range(4))
    for owner in (first, second, third):
        shelf.picture(owner, 0, lambda: {0: b"x"}, no_reading)
    shelf.picture(first, 0, no_reading, no_reading)
    shelf.picture(fourth, 0, lambda: {0: b"x"}, no_reading)
    shelf.picture(first, 0, no_reading, no_reading)
    with pytest.raises(AssertionError, match="read before"):
        shelf.picture(second, 0, no_reading, no_reading)


def test_what_does_not_fit_is_read_by_itself():
    shelf = Shelf(most=4 * LEAST)
    pictures = {0: b"small", 1: b"x" * 4 * LEAST}
    assert shelf.picture((OURS, RAW), 0, lambda: pictures, no_reading) == b"small"
    assert shelf.picture((OURS, RAW), 1, no_reading, lambda: b"alone") == b"alone"


@pytest.mark.parametrize("position", [0, 1])  # what is kept, and what did not fit
def test_whoever_asks_for_what_is_kept_waits_for_no_reading(position):
    shelf = Shelf(most=4 * LEAST)
    owner = (OURS, RAW)
    shelf.picture(owner, 0, lambda: {0: b"small", 1: b"x" * 4 * LEAST}, no_reading)
    with ThreadPoolExecutor(1) as other, ExitStack() as held:
        for lock in shelf._reading:
            held.enter_context(lock)
        asked = other.submit(shelf.picture, owner, position, no_reading, lambda: b"alone")
        assert asked.result(30) == (b"small", b"alone")[position]


def test_a_picture_that_cannot_be_read_leaves_nothing_behind():
    shelf = Shelf()
    with pytest.raises(AssertionError):
        shelf.picture((OURS, RAW), 0, no_reading, no_reading)
    assert shelf.picture((OURS, RAW), 0, lambda: {0: b"x"}, no_reading) == b"x"


def test_many_who_ask_at_once_wait_for_one_reading():
    shelf, readings, barrier = Shelf(), [], threading.Barrier(8)

    def all_of_it():
        readings.append(1)
        return {number: bytes([number]) for number in range(8)}

    def ask(number):
        barrier.wait(30)
        assert shelf.picture((OURS, RAW), number, all_of_it, no_reading) == bytes([number])

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert readings == [1]


KINDS = {
    "png": lambda side: b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + pack(">II", side, side),
    "gif": lambda side: b"GIF89a" + pack("<HH", side, side),
    "bmp": lambda side: b"BM" + bytes(16) + pack("<ii", side, -side),
    "jpeg": lambda side: (
        b"\xff\xd8\xff\xe0\0\x04\xff\xc0\xff\xff\xc4\0\x02?\xff\xc2\0\x11\x08" + pack(">HH", side, side)
    ),
    "webp": lambda side: b"RIFF\0\0\0\0WEBPVP8 " + bytes(10) + pack("<HH", side, side),
    "webp without loss": lambda side: (
        b"RIFF\0\0\0\0WEBPVP8L" + bytes(5) + pack("<I", side - 1 | side - 1 << 14)
    ),
    "webp that moves": lambda side: b"RIFF\0\0\0\0WEBPVP8X" + bytes(8) + (side - 1).to_bytes(3, "little") * 2,
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_is_drawn_unless_it_has_more_pixels_than_a_photograph(kind):
    assert [is_drawable(KINDS[kind](side)) for side in (1, 7_000, 16_000)] == [True, True, False]
    assert all(is_drawable(KINDS[kind](16_000)[:length]) for length in range(10))
