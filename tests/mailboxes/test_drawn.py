"""A large body is made safe once, for its own message alone, and what is kept has an end."""

from uuid import uuid4

import pytest

from mailboxes.inbox.drawn import LEAST, Body, Drawn

OURS, THEIRS, MESSAGE, RAW = (uuid4() for _ in range(4))
BLOCKED = (OURS, MESSAGE, RAW, "block")


def large(letter):
    return Body(letter * LEAST, is_plain=False)


def not_again():
    raise AssertionError("this was made before")


def test_who_opens_a_large_body_again_has_it_made_no_more():
    drawn = Drawn()
    body = drawn.body(BLOCKED, lambda: large("a"))
    assert drawn.body(BLOCKED, not_again) is body


@pytest.mark.parametrize("other", [(THEIRS, MESSAGE, RAW, "block"), (OURS, MESSAGE, RAW, "allow")])
def test_it_is_shown_for_nothing_else(other):
    drawn = Drawn()
    drawn.body(BLOCKED, lambda: large("a"))
    assert drawn.body(other, lambda: large("b")) == large("b")


def test_what_was_looked_at_last_stays_as_long_as_it_fits():
    drawn = Drawn(most=2 * LEAST)
    first, second, third = ((OURS, uuid4(), RAW, "block") for _ in range(3))
    for key in (first, second):
        drawn.body(key, lambda: large("a"))
    drawn.body(first, not_again)
    drawn.body(third, lambda: large("a"))
    drawn.body(first, not_again)
    with pytest.raises(AssertionError, match="made before"):
        drawn.body(second, not_again)


def test_small_ones_leave_the_room_to_large_ones():
    drawn = Drawn(most=LEAST)
    drawn.body(BLOCKED, lambda: large("a"))
    for _ in range(3):
        drawn.body((OURS, uuid4(), RAW, "block"), lambda: Body("x", is_plain=False))
    drawn.body(BLOCKED, not_again)
