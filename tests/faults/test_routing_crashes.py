"""Killed between two organizations, or anywhere around them, a delivery still ends exactly once in each."""

from typing import Any

import pytest
from sqlalchemy import func, select

from mailboxes import timeline
from mailboxes.arrivals import Arrival, Raw
from mailboxes.invariants import check_all
from mailboxes.messages import Location, Message
from mailboxes.routing.moving import begin_move, finish_moves
from mailboxes.routing.records import Routing
from mailboxes.threads import Thread
from tenants.database import db, inside_installation
from tests.factories import World
from tests.faults.crashing import is_killed_at
from tests.mailboxes.arriving import letter
from tests.mailboxes.global_mail import (
    ADDRESS,
    SOMEBODY,
    arrive_globally,
    deliver_globally,
    make_global_account,
    make_rule,
    receive_globally,
    serve,
    subjects_in,
)

POINTS = (
    ("attempts counted", 1),
    ("before parsing", 1),
    ("after parsing", 1),
    ("ways decided", 1),
    ("before commit of delivery", 1),
    ("after commit of delivery", 1),
    ("between organizations", 1),
    ("before commit of delivery", 2),
    ("between organizations", 2),
    ("let go", 1),
)
MESSAGES = 3


def demand_each_once(worlds: list[World], inside: Any, *, each: int) -> None:
    """Every organization has ``each`` messages with all that belongs to them; the installation has none."""
    for world in worlds:
        with inside(world):
            for model in (Message, Location, Raw, Thread):
                assert db.session.scalar(select(func.count()).select_from(model)) == each, model
            assert db.session.scalar(select(func.count()).select_from(timeline.Event)) == each
    with inside_installation("a test") as session:
        assert set(session.scalars(select(Arrival.state))) == {"delivered"}
        assert session.scalar(select(func.count()).select_from(Raw)) == 0
        assert session.scalar(select(func.count()).where(Routing.delivered_at.is_(None))) == 0
    assert [found for found in check_all() if found.broken and found.invariant.name != "I19"] == []


@pytest.mark.parametrize(("point", "time"), POINTS)
def test_copies_are_made_once_in_each_organization_wherever_it_dies(ours, theirs, inside, point, time):
    account_id = make_global_account("copied", home=ours)
    serve(ours, account_id)
    serve(theirs, account_id)
    arrive_globally(account_id, *(letter(f"Number {number}") for number in range(MESSAGES)))
    assert is_killed_at(point, lambda: deliver_globally(account_id), time), f"{point} was not reached"
    deliver_globally(account_id)
    demand_each_once([ours, theirs], inside, each=MESSAGES)


@pytest.mark.parametrize(("point", "time"), POINTS)
def test_each_message_is_in_one_organization_wherever_it_dies(ours, theirs, inside, point, time):
    account_id = make_global_account()
    for world, tag in ((ours, "ours"), (theirs, "theirs")):
        serve(world, account_id)
        make_rule(account_id, "tag", tag, world)
    tagged = [ADDRESS.replace("@", f"+{tag}@") for tag in ("ours", "theirs")]
    arrive_globally(account_id, *(letter(f"To {one}", to=one) for one in tagged))
    assert is_killed_at(point, lambda: deliver_globally(account_id), time), f"{point} was not reached"
    deliver_globally(account_id)
    demand_each_once([ours, theirs], inside, each=1)


MOVING_POINTS = (
    "bytes brought back",
    "message left",
    "move finished",
    "ways decided",
    "between organizations",
)


@pytest.mark.parametrize("point", MOVING_POINTS)
def test_a_move_that_dies_anywhere_ends_in_one_organization(ours, theirs, inside, point):
    account_id = make_global_account(home=ours)
    serve(ours, account_id)
    serve(theirs, account_id)
    (arrival,) = receive_globally(account_id, letter())
    with inside_installation("a test") as session:
        begin_move(arrival, theirs.id, whole=False, by=SOMEBODY)
        session.commit()

    def work() -> None:
        with inside_installation("a test"):
            finish_moves(account_id)
        deliver_globally(account_id)

    assert is_killed_at(point, work), f"{point} was not reached"
    assert len(subjects_in(ours)) + len(subjects_in(theirs)) <= 1
    work()
    assert (subjects_in(ours), subjects_in(theirs)) == ([], ["Question"])
    demand_each_once([theirs], inside, each=1)
