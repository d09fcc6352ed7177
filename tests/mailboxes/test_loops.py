"""Whoever we meet, we fall silent: loops are simulated with a clock of their own (reliability §3.5)."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.mailboxes.loops import (
    DAY,
    MOST_EVENTS,
    ROBOTS,
    START,
    Forwarder,
    Naive,
    Postroom,
    Simulation,
    Stripper,
    most_in_a_day,
    most_in_a_thread,
)


def world_of(kinds, targets=(0,) * 9):
    """Our installation and others; each passes on to the one named, ours being number 0."""
    ours = Postroom("help@ours.test")
    actors = [ours, *(kind(f"robot{chr(97 + n)}@r{chr(97 + n)}.test") for n, kind in enumerate(kinds))]
    for number, actor in enumerate(actors):
        actor.next_address = actors[targets[number] % len(actors)].address
        if isinstance(actor, Postroom):
            actor.secret = f"s{number}"
    return Simulation(actors)


def check(simulation):
    for ours in simulation.installations():
        assert most_in_a_thread(ours.answered) <= 1
        assert most_in_a_day(ours.answered) <= 3
        assert all(at < START + 2 * DAY for at, _, _ in ours.answered), "it goes on and on"
        assert len(ours.answered) <= 12


@pytest.mark.parametrize("kind", ROBOTS)
@pytest.mark.parametrize("starts", ["robot", "human"])
def test_any_one_robot(kind, starts):
    simulation = world_of([kind])
    sender = simulation.actors[1].address if starts == "robot" else "person@home.test"
    simulation.run(sender, "help@ours.test")
    check(simulation)


@pytest.mark.parametrize("first", ROBOTS)
@pytest.mark.parametrize("second", ROBOTS)
def test_any_two_robots_in_every_arrangement(first, second):
    passes_on = issubclass(first, Forwarder) or issubclass(second, Forwarder)
    for targets in product(range(3), repeat=2) if passes_on else [(0, 0)]:
        for sender, recipient in ((1, 0), (2, 0), (1, 2)):
            simulation = world_of([first, second], (0, *targets))
            simulation.run(simulation.actors[sender].address, simulation.actors[recipient].address)
            check(simulation)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.sampled_from(ROBOTS), min_size=3, max_size=5),
    st.lists(st.integers(0, 5), min_size=6, max_size=6),
    st.integers(0, 5),
    st.integers(0, 5),
)
def test_any_graph_of_six(kinds, targets, start, first):
    simulation = world_of(kinds, targets)
    actors = simulation.actors
    simulation.run(actors[start % len(actors)].address, actors[first % len(actors)].address)
    check(simulation)


def test_two_installations_with_a_naive_third_exchange_few_mails():
    simulation = world_of([Postroom, Naive, Stripper])
    ours, theirs, naive, _ = simulation.actors
    for sender, recipient in product((ours, theirs, naive), repeat=2):
        simulation.run(sender.address, recipient.address)
    assert all(len(one.answered) <= 3 for one in simulation.installations())


def test_the_simulation_can_loop_without_us():
    simulation = Simulation([Naive("a@a.test"), Naive("b@b.test")])
    simulation.run("a@a.test", "b@b.test")
    assert simulation.event_count == MOST_EVENTS
