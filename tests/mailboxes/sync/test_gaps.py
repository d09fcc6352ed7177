"""The gap audit and the estimate of a first sync: pure decisions over sets and moments."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailboxes.sync.estimating import Allowance, Pace
from mailboxes.sync.gaps import gaps
from mailboxes.sync.plan import Cursor
from mailboxes.uids import Uids

STATES = ["delivered", "stored", "unrouted", "quarantined", "too_large", "unfetchable", "before_history"]
CURSOR = Cursor(uid_validity=1, last_uid=20, first_uid=10, history_uid=6, history_floor=3)
uids = st.sets(st.integers(1, 40))


@given(uids, st.dictionaries(st.integers(1, 40), st.sampled_from(STATES)), uids)
def test_every_message_of_the_server_is_in_exactly_one_group(server, arrivals, gone):
    living = {state: Uids.of(uid for uid, of in arrivals.items() if of == state) for state in STATES}
    found = gaps(Uids.of(server), living, Uids.of(gone - arrivals.keys()), CURSOR)
    assert sum(found.groups.values()) == found.server == len(server)
    assert found.groups["missing"] == len(found.missing)
    assert not set(found.missing) & arrivals.keys()
    assert found.vanished == len((arrivals.keys() | gone) - server)


def test_what_is_not_known_is_too_old_or_comes_in_its_turn_or_is_missing():
    living = {"delivered": Uids([(7, 11)]), "quarantined": Uids([(12, 12)])}
    found = gaps(Uids([(1, 21)]), living, Uids(), CURSOR)
    assert (found.groups["before"], found.groups["to_come"]) == (2, 4)  # 1–2; 3–5 and 21
    assert found.missing == (20, 19, 18, 17, 16, 15, 14, 13, 6)
    assert (found.groups["stored"], found.groups["quarantined"]) == (5, 1)


def test_what_vanished_here_and_is_there_again_is_missing():
    found = gaps(Uids.of([7, 8]), {"delivered": Uids.of([8])}, Uids.of([7, 9]), CURSOR)
    assert (found.missing, found.vanished) == ((7,), 1)


def test_the_estimate_is_as_fast_as_the_work_was():
    assert Pace(250, timedelta(minutes=5)).time_for(750) == timedelta(minutes=15)


@pytest.mark.parametrize(
    ("left", "size", "nights"),
    [(100, 100, 0), (100, 101, 1), (0, 100, 1), (40, 240, 2), (-50, 100, 1), (0, 0, 0)],
)
def test_what_is_more_than_today_permits_goes_on_after_as_many_midnights(left, size, nights):
    assert Allowance(100, left).nights_for(size) == nights


def test_there_is_no_estimate_before_anything_came_nor_after_all_has():
    assert Pace(0, timedelta(minutes=5)).time_for(1000) is None
    assert Pace(1000, timedelta(hours=1)).time_for(0) is None
