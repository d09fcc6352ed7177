"""Whose turn it is: whatever the other folders take, and cost, each is visited after finitely many passes."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from mailboxes.sync.leaving import LEFT_ALONE
from mailboxes.sync.passes import PASS_SECONDS
from mailboxes.sync.turns import PUT_BACK, in_turn

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
PAUSE = timedelta(minutes=1)
USES = ("inbox", "sent", "other", "archive", "trash", "all")


@dataclass
class Box:
    """A folder whose visits take so many seconds, and cost the connection or not."""

    name: str
    special_use: str
    seconds: float = 1.0
    is_costly: bool = False
    new_since: datetime = NOON - PAUSE
    visited_at: datetime | None = None
    left_alone_until: datetime | None = None

    def visit(self, began: datetime, ended: datetime) -> None:
        is_again = self.left_alone_until is not None and self.special_use != "inbox"
        self.visited_at = began
        self.left_alone_until = (ended + LEFT_ALONE if is_again else ended) if self.is_costly else None

    def is_left_alone(self, at: datetime) -> bool:
        return self.left_alone_until is not None and self.left_alone_until > at


def one_pass(boxes: list[Box], began: datetime) -> tuple[list[str], datetime]:
    """Which are visited before the time is over, and when that is."""
    at, visited = began, []
    for number, box in enumerate(in_turn(boxes)):
        if number and (at - began).total_seconds() > PASS_SECONDS:
            break
        if not box.is_left_alone(began):
            at += timedelta(seconds=box.seconds)
            box.visit(began, at)
            visited.append(box.name)
    return visited, at


def passes(boxes: list[Box], count: int) -> list[list[str]]:
    told, began = [], NOON
    for _ in range(count):
        visited, ended = one_pass(boxes, began)
        told.append(visited)
        began = ended + PAUSE
    return told


durations = st.sampled_from((0.5, 60.0, 300.0, PASS_SECONDS + 1, 2 * PASS_SECONDS))
boxes_of_an_account = st.lists(
    st.tuples(st.sampled_from(USES), durations, st.booleans()), min_size=1, max_size=8
).map(lambda rows: [Box(f"{number}", *row) for number, row in enumerate(rows)])


@given(boxes_of_an_account)
def test_each_folder_is_visited_after_finitely_many_passes_whatever_the_others_take(boxes: list[Box]) -> None:
    enough = 2 * len(boxes) + int(PUT_BACK / PAUSE)
    told = passes(boxes, 3 * enough)
    for begin in range(0, len(told), enough):
        visited = {name for names in told[begin : begin + enough] for name in names}
        assert visited == {box.name for box in boxes}


@given(boxes_of_an_account)
def test_an_account_whose_folders_fit_into_a_pass_is_read_in_order_of_its_boxes(boxes: list[Box]) -> None:
    for box in boxes:
        box.seconds, box.is_costly = 1.0, False
    told = passes(boxes, 3)
    assert told[0] == told[1] == told[2]
    uses = [{box.name: box.special_use for box in boxes}[name] for name in told[0]]
    assert uses == sorted(uses, key=(*USES[:4], "trash", "all").index)


def test_who_was_not_reached_comes_next_and_not_after_an_hour() -> None:
    slow = PASS_SECONDS + 1
    boxes = [Box("I", "inbox"), Box("S", "sent", slow), Box("A", "other"), Box("B", "archive", slow)]
    assert passes(boxes, 4) == [["I", "S"], ["I", "A", "B"], ["I", "S"], ["I", "A", "B"]]


def test_an_inbox_that_takes_a_whole_pass_takes_every_second_one() -> None:
    boxes = [Box("I", "inbox", PASS_SECONDS + 1), Box("A", "other"), Box("B", "other")]
    assert passes(boxes, 3) == [["I"], ["A", "B", "I"], ["I"]]


def test_what_cost_the_connection_waits_behind_all_others_for_an_hour_at_most() -> None:
    bad = Box("A", "other", is_costly=True)
    well = [Box(f"W{number}", "other", PASS_SECONDS + 1) for number in range(2)]
    told = passes([bad, *well], 12)
    again = next(number for number, visited in enumerate(told) if number and "A" in visited)
    assert told[:3] == [["A", "W0"], ["W1"], ["W0"]]
    assert again <= PUT_BACK / timedelta(seconds=PASS_SECONDS) + 2
