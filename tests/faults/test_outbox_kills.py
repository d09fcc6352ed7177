"""Killed with SIGKILL anywhere on the way of a message, nothing is sent twice (reliability §3.4, G10)."""

import signal
from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from mailboxes.acting import organizations_with_pending
from mailboxes.invariants import check_all
from mailboxes.outgoing import Outgoing
from mailboxes.parsing import parse
from mailboxes.responses import AutomaticResponse
from tenants.database import db, now
from tests.faults.crashing import start_child
from tests.mailboxes.sending import (
    act,
    answering_mailbox,
    ask,
    outbox,
    send,
)

MESSAGES = 3


@pytest.fixture
def mailbox(app, ours, smtp_sink, certificates):
    return answering_mailbox(app, ours, smtp_sink, certificates)


@pytest.fixture
def start(ours):
    """Start a process that does the work of one job; with ``at``, it dies at that crash point."""
    return lambda work, at="": start_child(lambda: work(ours), at)


def heal(world, inside):
    """As much time passes as it takes for every claim to expire."""
    with inside(world):
        db.session.execute(update(Outgoing).values(claim_expires_at=now() - timedelta(seconds=1)))
        db.session.commit()


def arrived(sink):
    return Counter(parse(one.content).message_id for one in sink.messages)


@pytest.mark.parametrize(
    ("point", "state", "count"),
    [
        ("reply claimed", "sent", 1),
        ("before the connection", "sent", 1),
        ("data sent", "sent", 1),
        ("committing", "unknown", 0),
        ("answer read", "unknown", 1),
        ("outcome committed", "sent", 1),
    ],
)
def test_a_kill_at_any_point_of_sending_never_doubles(
    ours, mailbox, start, smtp_sink, inside, point, state, count
):
    ask(ours, mailbox)
    act(ours)
    assert start(send, f"{point}:1").wait() == -signal.SIGKILL
    for _ in range(2):
        heal(ours, inside)
        send(ours)
    assert [row.state for row in outbox(ours)] == [state]
    assert sum(arrived(smtp_sink).values()) == count


@pytest.mark.parametrize("point", ["converted", "before commit of action", "after commit of action"])
def test_a_kill_while_acting_answers_once(ours, mailbox, start, smtp_sink, inside, point):
    ask(ours, mailbox)
    assert start(act, f"{point}:1").wait() == -signal.SIGKILL
    act(ours)
    while organizations_with_pending():  # until the database has noticed whose locks are nobody's
        act(ours)
    send(ours)
    assert sum(arrived(smtp_sink).values()) == 1
    with inside(ours):
        assert db.session.scalar(select(func.count()).select_from(AutomaticResponse)) == 1


def test_kills_between_the_dot_and_its_answer_never_double(ours, mailbox, start, smtp_sink, inside):
    """The server has stored the message when its sender dies: the worst moment there is."""
    for number in range(MESSAGES):
        ask(ours, mailbox, sender=f"a@customer{number}.test", body=f"number {number}")
    act(ours)
    children = []
    smtp_sink.on_data = lambda _: children[-1].kill()
    for _ in range(MESSAGES):
        children.append(start(send))
        assert children[-1].wait() == -signal.SIGKILL
        heal(ours, inside)
    smtp_sink.on_data = None
    send(ours)
    assert Counter(row.state for row in outbox(ours)) == {"unknown": MESSAGES}
    assert len(arrived(smtp_sink)) == MESSAGES
    assert set(arrived(smtp_sink).values()) == {1}


def test_two_senders_at_once_share_the_outbox(ours, mailbox, start, smtp_sink):
    for number in range(MESSAGES):
        ask(ours, mailbox, sender=f"a@customer{number}.test", body=f"number {number}")
    act(ours)
    assert [child.wait() for child in [start(send), start(send)]] == [0, 0]
    assert Counter(row.state for row in outbox(ours)) == {"sent": MESSAGES}
    assert set(arrived(smtp_sink).values()) == {1}
    broken = [finding for finding in check_all() if finding.broken and finding.invariant.name != "I19"]
    assert broken == []
