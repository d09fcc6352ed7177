"""Whoever we meet, we fall silent: loops are simulated with a clock of their own (reliability §3.5)."""

from collections import Counter
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailboxes.decisions import Limits
from mailboxes.loops import (
    CORRESPONDENTS,
    DAY,
    HOUR,
    MOST_EVENTS,
    START,
    Absent,
    Actor,
    Bouncer,
    Challenge,
    Delayed,
    Forwarder,
    MailingList,
    Naive,
    OurMailbox,
    Simulation,
    Stripper,
    Tickets,
    rehearse_loops,
)


class Human(Actor):
    """Reads, and answers no robot."""

    def receive(self, content, at):
        return []


ROBOTS = (
    Human,
    Naive,
    Delayed,
    Tickets,
    Absent,
    Challenge,
    Bouncer,
    Forwarder,
    Stripper,
    MailingList,
    OurMailbox,
)


def most_in_a_day(answered):
    """The most answers to one sender within 24 hours."""
    starts = [(start, whom) for start, whom, _ in answered]
    return max(
        (sum(start <= at < start + DAY and whom == to for at, to, _ in answered) for start, whom in starts),
        default=0,
    )


def most_in_a_thread(answered):
    """The most answers in one thread."""
    return max(Counter(thread for _, _, thread in answered).values(), default=0)


def installations(simulation):
    return [one for one in simulation.actors if isinstance(one, OurMailbox)]


def world_of(kinds, targets=(0,) * 9):
    """Our installation and others; each passes on to the one named, ours being number 0."""
    ours = OurMailbox("help@ours.test")
    actors = [ours, *(kind(f"robot{chr(97 + n)}@r{chr(97 + n)}.test") for n, kind in enumerate(kinds))]
    for number, actor in enumerate(actors):
        actor.next_address = actors[targets[number] % len(actors)].address
        if isinstance(actor, OurMailbox):
            actor.signature = f"s{number}"
    return Simulation(actors)


def check(simulation):
    for ours in installations(simulation):
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
    simulation = world_of([OurMailbox, Naive, Stripper])
    ours, theirs, naive, _ = simulation.actors
    for sender, recipient in product((ours, theirs, naive), repeat=2):
        simulation.run(sender.address, recipient.address)
    assert all(len(one.answered) <= 3 for one in installations(simulation))


def test_the_simulation_can_loop_without_us():
    simulation = Simulation([Naive("a@a.test"), Naive("b@b.test")])
    simulation.run("a@a.test", "b@b.test")
    assert simulation.event_count == MOST_EVENTS


def test_a_rehearsal_tells_how_often_each_correspondent_is_answered_and_why_no_more():
    courses = {course.correspondent: course for course in rehearse_loops(Limits(), DAY)}
    assert list(courses) == list(CORRESPONDENTS)
    assert {course.answered_count for course in courses.values()} <= {1, 2, 3}
    naive = courses["answers everything at once"]
    assert (naive.received_count, naive.answered_count) == (2, 1)
    assert any("has answered lee@elsewhere.test before" in reason for reason in naive.reasons)


def test_a_rehearsal_goes_by_the_limits_that_are_set():
    name = "answers everything an hour later"
    by_default, generous = (
        next(course for course in rehearse_loops(Limits(), window) if course.correspondent == name)
        for window in (DAY, HOUR)
    )
    assert by_default.answered_count < generous.answered_count
    none = rehearse_loops(Limits(mailbox_per_day=0), DAY)
    assert {course.answered_count for course in none} == {0}
