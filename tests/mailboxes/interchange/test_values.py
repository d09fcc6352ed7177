"""Descriptions: merged and compared."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailboxes.interchange.values import ABSENT, Ranked, compared, merged

NAMES = st.lists(st.sampled_from("abcdefgh"), unique=True, max_size=8)


def ranked(names):
    return Ranked((name, {"name": name}) for name in names)


@pytest.mark.parametrize(
    ("present", "wanted", "result"),
    [
        ("ab", "ba", "ba"),
        ("abcd", "ca", "cbad"),
        ("ab", "x", "abx"),
        ("ab", "xb", "axb"),
        ("ab", "axb", "axb"),
        ("", "ba", "ba"),
        ("ab", "", "ab"),
    ],
)
def test_ranked_things_take_the_order_of_the_file_around_those_it_does_not_name(present, wanted, result):
    assert "".join(merged(ranked(present), ranked(wanted))) == result


@given(NAMES, NAMES)
@settings(max_examples=50)
def test_merging_keeps_every_thing_once_in_the_order_given_and_is_idempotent(present, wanted):
    result = list(merged(ranked(present), ranked(wanted)))
    assert sorted(result) == sorted({*present, *wanted})
    assert [name for name in result if name in wanted] == wanted
    assert list(merged(ranked(result), ranked(wanted))) == result


def test_nothing_is_removed_unless_it_is_called_absent():
    assert merged({"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"c": ABSENT}}) == {"a": 1, "b": {"d": 3}}


def test_none_is_the_same_as_not_being_there():
    assert merged({"a": 1}, {"a": None, "b": None}) == {}


def test_only_what_differs_is_told():
    changes = compared({"a": True, "b": {"c": [1, 2]}}, {"a": False, "b": {"c": [1, 2]}, "d": "new"})
    assert [str(change) for change in changes] == ["~ a: yes → no", "+ d: new"]
