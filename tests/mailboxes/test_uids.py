"""Sets of UIDs are what sets of numbers are, and take less room."""

import sys
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailboxes.uids import Uids

MILLION = 1_000_000
some = st.frozensets(st.integers(1, 40), max_size=25)


@given(some, some)
def test_they_are_what_sets_of_numbers_are(left: frozenset[int], right: frozenset[int]) -> None:
    ours, others = Uids.of(left), Uids.of(right)
    assert list(ours) == sorted(left)
    assert list(reversed(ours)) == sorted(left, reverse=True)
    assert len(ours) == len(left)
    assert {uid for uid in range(42) if uid in ours} == left
    assert ours - others == ours - right == left - right
    assert ours & others == left & right
    assert ours | others == left | right


@given(some, st.integers(0, 41), st.integers(0, 41))
def test_a_part_is_cut_out(uids: frozenset[int], low: int, high: int) -> None:
    assert Uids.of(uids).between(low, high) == {uid for uid in uids if low <= uid <= high}
    lower, higher = Uids.of(uids).between(0, low), Uids.of(uids).between(low + 1, 50)
    assert Uids.joined([lower, higher]) == uids
    assert [uid for some in Uids.of(uids).portions(7) for uid in some] == sorted(uids, reverse=True)
    assert all(0 < len(some) <= 7 for some in Uids.of(uids).portions(7))
    assert Uids.of(uids).newest(low) == sorted(uids, reverse=True)[:low]


@given(st.lists(st.integers(1, 40)))
def test_no_two_ranges_touch(found: list[int]) -> None:
    ranges = list(Uids.of(found).ranges())
    assert all(first <= last for first, last in ranges)
    assert all(before[1] + 1 < after[0] for before, after in pairwise(ranges))


def test_what_does_not_ascend_is_refused() -> None:
    for uids in ([2, 1], [1, 1]):
        with pytest.raises(ValueError, match="ascend"):
            Uids.ascending(uids)


def test_a_million_take_little_room_whatever_is_missing() -> None:
    for uids in (Uids([(1, MILLION)]), Uids.ascending(range(1, 2 * MILLION, 2))):
        assert len(uids) == MILLION
        assert sum(sys.getsizeof(getattr(uids, name)) for name in Uids.__slots__) < 20_000_000
