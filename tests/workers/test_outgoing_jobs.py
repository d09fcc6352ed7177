"""From a delivered message to the sink through the jobs, run twice, with pages told."""

import itertools
import json
from contextlib import ExitStack

import pytest

from mailboxes.acting import act_on_pending
from tests.mailboxes.sending import answering_mailbox, ask, outbox
from tests.processes import wait_for
from workers import queues
from workers.action import act_on_messages
from workers.outgoing import send_outbox
from workers.processes import PROCESSES
from workers.turns import PLACES, place_of

pytestmark = pytest.mark.usefixtures("environment_of_jobs")


@pytest.fixture
def mailbox(app, ours, smtp_sink, certificates):
    return answering_mailbox(app, ours, smtp_sink, certificates)


@pytest.fixture
def told(ours):
    """What open pages of our organization hear."""
    channel, listener = queues.channel_of(ours.id), queues.redis().pubsub()
    listener.subscribe(channel)
    assert next(listener.listen())["type"] == "subscribe"

    def told():
        queues.redis().publish(channel, json.dumps("that is all"))
        said = (json.loads(message["data"]) for message in listener.listen())
        return list(itertools.takewhile(lambda one: one != "that is all", said))

    yield told
    listener.close()


def test_jobs_that_run_twice_answer_once(ours, theirs, mailbox, smtp_sink):
    ask(ours, mailbox)
    for _ in range(2):
        act_on_messages(str(ours.id))
    assert [job.args for job in queues.queue(queues.OUTGOING).jobs] == [[str(ours.id)]]
    for _ in range(2):
        send_outbox(str(ours.id))
    send_outbox(str(theirs.id))
    assert len(smtp_sink.messages) == 1
    assert [row.state for row in outbox(ours)] == ["sent"]


def test_open_pages_hear_of_it_and_read_nothing_in_it(ours, mailbox, told):
    ask(ours, mailbox)
    act_on_messages(str(ours.id))
    assert told() == [{"mailbox": str(mailbox.id), "kind": "conversation"}]
    send_outbox(str(ours.id))
    assert told() == [{"mailbox": str(mailbox.id), "kind": "conversation"}]


def test_a_job_of_a_neighbour_sees_nothing_of_ours(ours, theirs, mailbox):
    ask(ours, mailbox)
    act_on_messages(str(theirs.id))
    assert outbox(ours) == []


@pytest.mark.parametrize(("queue", "job"), [(queues.ACTION, act_on_messages), (queues.OUTGOING, send_outbox)])
def test_an_organization_with_no_place_left_waits_and_holds_up_nobody(
    ours, theirs, mailbox, smtp_sink, inside, queue, job
):
    """Whoever is slow holds the places of its organization; those of others are theirs."""
    ask(ours, mailbox)
    with inside(ours):
        act_on_pending() if queue == queues.OUTGOING else None
        with ExitStack() as slow:
            assert all(slow.enter_context(place_of(queue, ours.id)) for _ in range(PLACES[queue]))
            job(str(ours.id))
            assert smtp_sink.messages == [] == [row for row in outbox(ours) if queue == queues.ACTION]
            with place_of(queue, theirs.id) as is_free:
                assert is_free
        job(str(ours.id))
    assert [row.state for row in outbox(ours)] == ["ready" if queue == queues.ACTION else "sent"]
    assert [job.args for job in queues.queue(queue).jobs] == [[str(ours.id)]]  # rung for what was put off


def test_the_place_of_a_job_that_was_stopped_is_taken_back(app, ours, theirs, monkeypatch):
    """The database cannot know that its host vanished; whoever wakes up later is not disturbed."""

    def is_free():
        with place_of(queues.ACTION, ours.id) as is_mine:
            return is_mine

    with place_of(queues.ACTION, ours.id):
        assert not is_free()
    monkeypatch.setattr("workers.turns.SECONDS_TO_END", 1 - queues.SECONDS[queues.ACTION])
    with place_of(queues.ACTION, ours.id) as is_mine:
        assert is_mine
        wait_for(is_free)
    assert is_free()


def test_a_place_that_is_left_while_a_job_is_put_off_is_taken(ours, mailbox, monkeypatch):
    ask(ours, mailbox)
    with ExitStack() as slow:
        slow.enter_context(place_of(queues.ACTION, ours.id))
        monkeypatch.setattr("workers.turns.queues.put_off", lambda *_: slow.close())
        act_on_messages(str(ours.id))
    assert len(outbox(ours)) == 1


def test_a_job_that_fails_rings_for_what_was_put_off_meanwhile(ours, mailbox, monkeypatch):
    def fail(*_):
        queues.put_off(queues.ACTION, ours.id)
        raise RuntimeError("broken")

    monkeypatch.setattr("workers.action.act_on_pending", fail)
    with pytest.raises(RuntimeError, match="broken"):
        act_on_messages(str(ours.id))
    assert [job.args for job in queues.queue(queues.ACTION).jobs] == [[str(ours.id)]]


def test_there_are_more_processes_than_an_organization_can_hold():
    assert all(PROCESSES[name] > places for name, places in PLACES.items())


def test_a_turn_ends_in_time_and_what_is_left_waits_behind_others(ours, mailbox, monkeypatch):
    for _ in range(2):
        ask(ours, mailbox)
    monkeypatch.setattr("workers.action.SECONDS_A_TURN", 0)
    monkeypatch.setattr("mailboxes.acting.MOST_TOGETHER", 1)
    act_on_messages(str(ours.id))
    assert len(outbox(ours)) == 1
    assert [job.args for job in queues.queue(queues.ACTION).jobs] == [[str(ours.id)]]
