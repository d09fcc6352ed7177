"""The plan of a pass: whatever a server does between two passes, in the end we have what it has."""

import tracemalloc
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailboxes.sync.plan import (
    LONGEST_PAUSE,
    MOST_RENUMBERINGS,
    SKEW,
    Cursor,
    Epoch,
    are_changes_told,
    are_told_at_once,
    difference,
    epoch_of,
    floor_of,
    history_uids,
    is_comparison_due,
    is_new,
    may_have_new,
    new_since_after,
    new_uids,
    pause_after,
    portion_after,
)
from mailboxes.uids import Uids

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
uids = st.integers(1, 60)
uid_sets = st.frozensets(uids, max_size=25)


@dataclass
class Store:
    """What passes have stored of one folder, driven by the plan alone."""

    cursor: Cursor = field(default_factory=Cursor)
    living: set[int] = field(default_factory=set)
    vanished: set[int] = field(default_factory=set)

    def visit(self, server: set[int], validity: int, chosen: Iterable[int], batch: int, at: datetime) -> None:
        """One pass that may be interrupted after ``batch`` messages of history."""
        if epoch_of(self.cursor, validity) is not Epoch.SAME:
            first = max(server, default=0)
            self.cursor = Cursor(
                uid_validity=validity,
                last_uid=first,
                first_uid=first,
                history_uid=first + 1,
                history_floor=floor_of(set(chosen) & server, first),
            )
            self.living, self.vanished = set(), set()
        found = new_uids(server, self.cursor)
        for uid in found:
            self.living.add(uid)
            self.cursor = replace(self.cursor, last_uid=max(self.cursor.last_uid, uid))
        if is_comparison_due(self.cursor, len(server), None, len(found), at):
            living, gone = Uids.of(self.living), Uids.of(self.vanished)
            compared = difference(Uids.of(server), living, gone, self.cursor, len(server))
            self.living |= {*compared.missing, *compared.returned}
            self.vanished = {*self.vanished, *compared.vanished}.difference(compared.returned)
            self.living.difference_update(compared.vanished)
            self.cursor = replace(self.cursor, compared_at=at)
        self.cursor = replace(self.cursor, server_count=len(server))
        history = list(reversed(history_uids(Uids.of(server), self.cursor)))
        for uid in history[:batch]:
            self.living.add(uid)
            self.cursor = replace(self.cursor, history_uid=uid)
        if len(history) <= batch:
            self.cursor = replace(self.cursor, history_uid=self.cursor.history_floor)


changes = st.lists(
    st.tuples(st.sampled_from(["add", "remove", "restore", "renumber"]), uids, st.integers(0, 8)), max_size=25
)


@settings(max_examples=200, deadline=None)
@given(uid_sets, changes, st.booleans())
def test_what_a_server_has_is_stored_in_the_end(
    start: frozenset[int], changes: list[tuple[str, int, int]], takes_history: bool
) -> None:
    server, validity, store, at = set(start), 1, Store(), NOON
    for kind, uid, batch in changes:
        match kind:
            case "add":
                server.add(max(server | {store.cursor.last_uid}, default=0) + uid)
            case "remove":
                server.discard(min(server, key=lambda known: abs(known - uid), default=0))
            case "restore":
                server.add(uid)
            case _:
                validity += 1
        store.visit(server, validity, server if takes_history else (), batch, at)
        at += timedelta(minutes=1)
    for _ in range(2):  # quiet days
        at += timedelta(days=1)
        store.visit(server, validity, server if takes_history else (), 100, at)
    expected = {uid for uid in server if uid >= store.cursor.history_floor}
    assert store.living == expected
    assert not store.cursor.has_history_left
    if takes_history:
        assert store.living >= {uid for uid in server if uid > store.cursor.first_uid}


@dataclass
class Life:
    """A folder chosen at noon, on a server whose clock is off; what visits took in, and whether as new."""

    clock_is_off: timedelta
    mail: list[datetime]  # when each message came in, in the order of UIDs
    at: datetime = NOON
    validity: int = 1
    cursor: Cursor = field(default_factory=lambda: Cursor(new_since=NOON))
    judged: dict[int, bool] = field(default_factory=dict)

    def visit(self, portion: int) -> None:
        """Read new mail, and so many messages of the history."""
        if epoch_of(self.cursor, self.validity) is not Epoch.SAME:
            first = len(self.mail)
            self.cursor = Cursor(
                uid_validity=self.validity,
                last_uid=first,
                first_uid=first,
                history_uid=first + 1,
                history_floor=floor_of([1], first),
                new_since=self.cursor.new_since,
            )
        for uid in new_uids(range(1, len(self.mail) + 1), self.cursor):
            self.judged.setdefault(uid, True)
        kept = new_since_after(self.cursor, self.at)
        self.cursor = replace(self.cursor, last_uid=len(self.mail), new_since=kept)
        left = history_uids(Uids.of(range(1, len(self.mail) + 1)), self.cursor)
        for uid in list(reversed(left))[:portion]:
            received_at = self.mail[uid - 1] + self.clock_is_off
            self.judged.setdefault(uid, is_new(received_at, self.cursor.new_since, self.at))
            self.cursor = replace(self.cursor, history_uid=uid)


lives = st.lists(
    st.one_of(
        st.tuples(st.just("mail"), st.just(0)),
        st.tuples(st.just("renumber"), st.just(0)),
        st.tuples(st.just("wait"), st.integers(1, 60 * 24 * 20)),  # minutes in which no visit is let in
        st.tuples(st.just("visit"), st.integers(0, 4)),
    ),
    max_size=30,
)


@settings(max_examples=300, deadline=None)
@given(lives, st.integers(0, 5), st.integers(-60, 60))
def test_what_came_in_since_a_folder_was_chosen_is_new_and_nothing_else(
    events: list[tuple[str, int]], before_count: int, minutes_off: int
) -> None:
    life = Life(timedelta(minutes=minutes_off), [NOON - timedelta(days=2 + n) for n in range(before_count)])
    for kind, number in events:
        match kind:
            case "mail":
                life.mail.append(life.at)
            case "renumber":
                life.validity += 1
            case "wait":
                life.at += timedelta(minutes=number)
            case _:
                life.visit(number)
    for uid, was_new in life.judged.items():
        came_at = life.mail[uid - 1]
        if abs(came_at - NOON) > SKEW:  # whose clock tells then?
            assert was_new == (came_at > NOON), (uid, came_at)


def test_the_second_in_which_a_folder_is_chosen_counts_and_no_date_is_an_old_one() -> None:
    chosen_at = NOON + timedelta(milliseconds=700)
    assert is_new(NOON, chosen_at, chosen_at)
    assert not is_new(NOON - timedelta(seconds=1), chosen_at, chosen_at)
    assert not is_new(None, chosen_at, chosen_at)


def test_a_date_that_is_still_to_come_says_nothing() -> None:
    assert is_new(NOON + SKEW, NOON, NOON)
    assert not is_new(NOON + SKEW + timedelta(seconds=1), NOON, NOON)


@given(st.lists(uids), st.integers(0, 60))
def test_new_uids_are_beyond_the_cursor_sorted_and_once(found: list[int], last: int) -> None:
    fresh = list(new_uids(found, Cursor(last_uid=last)))
    assert fresh == sorted(set(fresh))
    assert all(uid > last for uid in fresh)
    assert set(fresh) == {uid for uid in found if uid > last}


def test_many_new_uids_take_little_room() -> None:
    found = array("q", range(1, 200_001))
    tracemalloc.start()
    try:
        assert len(new_uids(found, Cursor(last_uid=10))) == 199_990
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


@given(uid_sets, st.integers(0, 61), st.integers(1, 62))
def test_history_is_what_was_there_down_to_the_floor(found: frozenset[int], first: int, floor: int) -> None:
    cursor = Cursor(last_uid=first, first_uid=first, history_uid=first + 1, history_floor=floor)
    assert history_uids(Uids.of(found), cursor) == {uid for uid in found if floor <= uid <= first}


@given(uid_sets, uid_sets, uid_sets, st.integers(0, 5))
def test_nothing_is_gone_while_the_server_shows_less_than_it_counts(
    server: frozenset[int], living: frozenset[int], gone: frozenset[int], hidden: int
) -> None:
    cursor = Cursor(last_uid=60, first_uid=0, history_uid=1, history_floor=1)
    there = Uids.of(server)
    found = difference(there, Uids.of(living), Uids.of(gone - living), cursor, len(server) + hidden)
    is_odd = server and living and max(server) < min(living) and 2 * len(server - living - gone) > len(server)
    assert found.vanished == (frozenset() if hidden or is_odd else living - server)
    assert found.missing == server - living - gone
    assert found.returned == server & (gone - living)


def test_mail_above_the_cursor_is_missing_however_little_the_server_tells_of_it() -> None:
    cursor = Cursor(last_uid=3, first_uid=3, history_uid=1, history_floor=1)
    assert difference(Uids.of(range(1, 6)), Uids.of((1, 2, 3)), Uids(), cursor, 5).missing == {4, 5}


def test_an_empty_list_of_a_server_that_does_not_count_is_no_proof() -> None:
    cursor = Cursor(last_uid=3, first_uid=3, history_uid=1, history_floor=1)
    living = Uids.of((1, 2, 3))
    assert difference(Uids(), living, Uids(), cursor, None).vanished == frozenset()
    assert difference(Uids.of((1,)), living, Uids(), cursor, None).vanished == {2, 3}
    assert difference(Uids(), living, Uids(), cursor, 0).vanished == {1, 2, 3}


def test_uids_that_nothing_has_are_no_proof_that_all_is_gone() -> None:
    cursor = Cursor(last_uid=53, first_uid=53, history_uid=1, history_floor=1)
    living, gone = Uids.of((50, 51, 53)), Uids.of((7,))
    assert difference(Uids.of((1, 2, 3)), living, gone, cursor, 3).vanished == frozenset()
    assert difference(Uids.of((7, 50, 51)), living, gone, cursor, 3).vanished == {53}
    assert difference(Uids.of((7,)), living, gone, cursor, 1).vanished == {50, 51, 53}


@pytest.mark.parametrize(
    ("exists", "uid_next", "may"),
    [(0, 99, False), (5, 10, False), (5, 11, True), (6, 10, True), (None, 10, False), (None, None, True)],
)
def test_a_search_is_left_out_only_where_the_numbers_are_as_before(
    exists: int | None, uid_next: int | None, may: bool
) -> None:
    assert may_have_new(Cursor(last_uid=9, server_count=5), exists, uid_next) is may


def test_a_portion_is_what_comes_in_about_a_second() -> None:
    assert [portion_after(100, seconds) for seconds in (0.0, 0.1, 0.5, 1.0, 4.0, 60.0)] == [
        500,
        500,
        200,
        100,
        25,
        10,
    ]


def test_epochs() -> None:
    assert epoch_of(Cursor(), 7) is Epoch.FIRST
    assert epoch_of(Cursor(uid_validity=7), 7) is Epoch.SAME
    assert epoch_of(Cursor(uid_validity=7), 8) is Epoch.RENUMBERED
    assert epoch_of(Cursor(uid_validity=7), None) is Epoch.UNSTABLE
    assert epoch_of(Cursor(uid_validity=7, renumberings=MOST_RENUMBERINGS), 8) is Epoch.UNSTABLE


@pytest.mark.parametrize(
    ("cursor", "exists", "uid_next", "new", "is_due"),
    [
        (Cursor(), 0, None, 0, True),
        (Cursor(compared_at=NOON, server_count=5), 5, None, 0, False),
        (Cursor(compared_at=NOON, server_count=5), 7, None, 2, False),
        (Cursor(compared_at=NOON, server_count=5), 6, None, 2, True),
        (Cursor(compared_at=NOON, server_count=5), 4, None, 0, True),
        (Cursor(compared_at=NOON, server_count=5, last_uid=9), 5, 10, 0, False),
        (Cursor(compared_at=NOON, server_count=5, last_uid=9), 5, 9, 0, True),
        (Cursor(compared_at=NOON, server_count=5), None, None, 0, False),
        (Cursor(compared_at=NOON), 5, None, 0, True),
        (Cursor(compared_at=NOON - timedelta(days=1), server_count=5), 5, None, 0, True),
    ],
)
def test_the_whole_set_is_looked_at_daily_and_when_the_count_is_off(
    cursor: Cursor, exists: int | None, uid_next: int | None, new: int, is_due: bool
) -> None:
    assert is_comparison_due(cursor, exists, uid_next, new, NOON) is is_due


@pytest.mark.parametrize(("ahead", "is_due"), [(timedelta(seconds=5), False), (timedelta(days=300), True)])
def test_what_is_done_once_a_day_does_not_wait_for_a_clock_that_was_set_back(
    ahead: timedelta, is_due: bool
) -> None:
    cursor = Cursor(compared_at=NOON + ahead, untold_at=NOON + ahead, server_count=5)
    assert is_comparison_due(cursor, 5, None, 0, NOON) is is_due
    assert are_changes_told(cursor, NOON) is is_due
    assert are_told_at_once(5_000, NOON + ahead, NOON) is is_due


@given(st.integers(0, 1000), st.booleans(), st.one_of(st.none(), st.floats(0, 100_000)), st.floats(0, 1))
def test_a_pause_is_never_short_for_a_refusal_nor_shorter_than_asked(
    failures: int, is_refused: bool, retry_after: float | None, jitter: float
) -> None:
    pause = pause_after(failures, is_refused=is_refused, retry_after=retry_after, jitter=jitter)
    assert pause >= timedelta(seconds=retry_after or 0)
    assert pause >= (timedelta(hours=1) if is_refused else timedelta(seconds=20))
    if not is_refused and not retry_after:
        assert pause <= LONGEST_PAUSE * 1.25
