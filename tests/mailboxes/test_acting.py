"""What has come in is acted upon once, in its own transaction; one failure holds up nobody."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from sqlalchemy import delete, select, update

from mailboxes import acting, given_up
from mailboxes.acting import MOST_ATTEMPTS, organizations_with_pending
from mailboxes.crm.leads import Lead
from mailboxes.invariants import check_all
from mailboxes.messages import Message
from mailboxes.outgoing import organizations_with_due_mail
from tenants.database import db, now
from tenants.organizations import Organization
from tests.faults.crashing import start_child
from tests.mailboxes.sending import act, answering_rule, ask, let_out, outbox, sending_mailbox, steps
from tests.queries import counted_queries


@pytest.fixture
def mailbox(app, ours, smtp_sink, certificates):
    let_out(app, smtp_sink, certificates)
    return sending_mailbox(ours, smtp_sink)


def state(world, inside, message):
    with inside(world):
        return db.session.get_one(Message, (world.id, message.id))


def let_wait_no_longer(world, inside):
    with inside(world):
        db.session.execute(update(Message).values(work_after=now()))
        db.session.commit()


def test_messages_are_acted_upon_once_and_in_order(ours, mailbox, inside):
    answering_rule(ours, mailbox)
    first, second = ask(ours, mailbox, sender="a@x.test"), ask(ours, mailbox, sender="b@y.test", body="b")
    assert organizations_with_pending() == [ours.id]
    assert [one.message_id for one in act(ours)] == [first.id, second.id]
    assert act(ours) == []
    assert organizations_with_pending() == []
    assert state(ours, inside, first).work == "done"


def test_the_mailbox_is_read_once_for_a_message(app, ours, theirs, mailbox):
    answering_rule(ours, mailbox)
    ask(ours, mailbox)
    with counted_queries(app) as statements:
        (acted,) = act(ours)
    assert acted.is_answered
    assert len([one for one in statements if "mailboxes.signature" in one]) == 1


def test_a_failure_waits_and_the_others_go_on(ours, mailbox, inside, monkeypatch):
    bad, good = ask(ours, mailbox, sender="a@x.test"), ask(ours, mailbox, sender="b@y.test")

    def convert(message):
        if message.id == bad.id:
            raise ValueError("broken")

    monkeypatch.setattr(acting, "convert", convert)
    assert [one.message_id for one in act(ours)] == [good.id]
    waiting = state(ours, inside, bad)
    assert (waiting.work, waiting.work_attempts) == ("pending", 1)
    assert waiting.work_error == "ValueError"
    assert waiting.work_after > now()


def test_a_message_that_is_deleted_meanwhile_ends_nothing_for_the_others(ours, mailbox, inside, monkeypatch):
    gone, good = ask(ours, mailbox, sender="a@x.test"), ask(ours, mailbox, sender="b@y.test", body="b")

    def convert(message):
        if message.id == gone.id:
            db.session.rollback()
            db.session.execute(delete(Message).where(Message.id == gone.id))
            db.session.commit()
            raise ValueError("it is not there")

    monkeypatch.setattr(acting, "convert", convert)
    assert [one.message_id for one in act(ours)] == [good.id]


def test_after_some_attempts_it_is_left_to_people(ours, mailbox, inside, monkeypatch):
    message = ask(ours, mailbox)
    monkeypatch.setattr(acting, "convert", lambda _: 1 / 0)
    for _ in range(MOST_ATTEMPTS + 1):
        let_wait_no_longer(ours, inside)
        assert act(ours) == []
    left = state(ours, inside, message)
    assert (left.work, left.work_attempts) == ("none", MOST_ATTEMPTS)
    assert steps(ours, message, "changed") == [("changed", "given up")]


def test_a_message_that_kills_whoever_acts_on_it_is_given_up_and_its_neighbours_go_on(
    ours, mailbox, inside, monkeypatch
):
    bad, good = ask(ours, mailbox, sender="a@x.test"), ask(ours, mailbox, sender="b@y.test", body="b")
    convert = acting.convert
    deadly = lambda one: os.kill(os.getpid(), signal.SIGKILL) if one.id == bad.id else convert(one)  # noqa: E731
    deaths, done_after = 0, 0
    with monkeypatch.context() as deadly_times:
        deadly_times.setattr(acting, "convert", deadly)
        while organizations_with_pending():
            deaths += start_child(lambda: act(ours)).wait() == -signal.SIGKILL
            assert deaths <= MOST_ATTEMPTS
            done_after = done_after or deaths * (state(ours, inside, good).work == "done")
    assert (deaths, done_after) == (MOST_ATTEMPTS, acting.FEW_ATTEMPTS + 2)
    assert steps(ours, bad, "changed") == [("changed", "given up")]
    assert [one.invariant.name for one in check_all() if one.broken and one.invariant.name != "I19"] == []
    with inside(ours):
        (left,) = given_up.given_up_page().rows
        assert (left.id, left.work_error) == (bad.id, "None of 5 attempts has come to its end.")
        assert given_up.try_again([bad.id, good.id]) == 1
        assert given_up.try_again([bad.id]) == 0
        db.session.commit()
    assert [one.message_id for one in act(ours)] == [bad.id]
    with inside(ours):
        assert given_up.given_up_count() == 0


def test_a_failure_to_answer_undoes_the_conversion(ours, mailbox, inside, monkeypatch):
    from mailboxes.crm.channels import Channel
    from mailboxes.system_mailboxes import Mailbox

    with inside(ours):
        db.session.add(Channel(name="Web", kind="web", is_active=True))
        db.session.execute(update(Mailbox).values(action="lead"))
        db.session.commit()
    ask(ours, mailbox)
    with monkeypatch.context() as broken:
        for name in ("respond", "respond_to_all"):
            broken.setattr(acting, name, lambda _: 1 / 0)
        act(ours)
    with inside(ours):
        assert db.session.scalars(select(Lead)).all() == []
    let_wait_no_longer(ours, inside)
    act(ours)
    with inside(ours):
        assert len(db.session.scalars(select(Lead)).all()) == 1


def test_a_paused_mailbox_waits(ours, mailbox, inside):
    answering_rule(ours, mailbox)
    ask(ours, mailbox)
    with inside(ours):
        db.session.merge(mailbox).is_enabled = False
        db.session.commit()
    assert act(ours) == []
    assert outbox(ours) == []


def test_a_disabled_organization_answers_nobody(ours, mailbox, inside):
    answering_rule(ours, mailbox)
    ask(ours, mailbox, sender="a@x.test")
    with inside(ours):
        db.session.execute(update(Organization).where(Organization.id == ours.id).values(is_enabled=False))
        db.session.commit()
    assert organizations_with_pending() == []
    act(ours)
    assert organizations_with_due_mail() == []


def test_what_another_worker_holds_is_left_to_it(ours, mailbox, inside):
    held, other = ask(ours, mailbox, sender="a@x.test"), ask(ours, mailbox, sender="b@y.test")
    with inside(ours):
        db.session.execute(select(Message.id).where(Message.id == held.id).with_for_update())
        assert [one.message_id for one in act(ours)] == [other.id]


def test_a_message_that_somebody_else_held_for_a_moment_was_not_tried(
    app, ours, mailbox, inside, database_urls, monkeypatch
):
    message = ask(ours, mailbox)
    with (
        psycopg.connect(database_urls.system.replace("+psycopg", "")) as other,
        ThreadPoolExecutor(1) as job,
    ):
        waiting = iter([True])

        def hold_once(point):
            if point == "attempt to act counted" and next(waiting, False):
                other.execute("SELECT 1 FROM messages WHERE id = %s FOR UPDATE", [message.id])

        def act_here():
            with app.app_context():
                return act(ours)

        monkeypatch.setattr(acting, "crash_point", hold_once)
        acted = job.submit(act_here)
        while not other.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchone():
            assert not acted.done(), acted.result()
        other.commit()
        assert [one.message_id for one in acted.result()] == [message.id]
    done = state(ours, inside, message)
    assert (done.work, done.work_attempts) == ("done", 1)
