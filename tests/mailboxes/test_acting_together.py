"""Messages that are acted upon together come out as they would one after the other."""

import math
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select, text, update

from mailboxes import acting
from mailboxes.crm import contacts
from mailboxes.crm.cases import Case
from mailboxes.crm.channels import Channel
from mailboxes.crm.contacts import Contact, Sighting
from mailboxes.crm.leads import Lead
from mailboxes.intake import batches, deliver
from mailboxes.messages import Message, mailbox_of
from mailboxes.outgoing import Reply, queue_reply, queueing
from mailboxes.replies import Person
from mailboxes.responses import AutomaticResponse
from mailboxes.routing.leaving import leave
from mailboxes.system_mailboxes import Mailbox
from mailboxes.threads import Thread, ThreadRecord
from mailboxes.timeline import Event
from tenants.audit import Actor
from tenants.configuration import overrides
from tenants.database import db, now
from tenants.database import inside as inside_of
from tests.factories import make_mailbox
from tests.mailboxes.arriving import arrive, letter, receive
from tests.mailboxes.sending import (
    act,
    answering_mailbox,
    answering_rule,
    ask,
    outbox,
    reasons,
    sending_mailbox,
    steps,
)
from tests.queries import counted_queries


@pytest.fixture(autouse=True)
def time_enough(monkeypatch):
    monkeypatch.setattr(acting, "SECONDS_TOGETHER", math.inf)


@pytest.fixture
def mailbox(app, ours, theirs, smtp_sink, certificates):
    return answering_mailbox(app, ours, smtp_sink, certificates)


@pytest.fixture
def alone(monkeypatch):
    """Whether a message was acted upon alone, after all."""
    seen = []
    act_alone = acting._act
    monkeypatch.setattr(acting, "_act", lambda id: seen.append(id) or act_alone(id))
    return seen


def make_of(ours, inside, action, **settings):
    with inside(ours):
        db.session.add(Channel(name="Sales"))
        db.session.execute(update(Mailbox).values(action=action, action_settings=settings))
        db.session.commit()


def all_of(ours, inside, table):
    with inside(ours):
        return db.session.scalars(select(table)).all()


def ask_several(ours, mailbox, count, first=0):
    return [
        ask(ours, mailbox, sender=f"Anna <anna@customer{number}.test>", body=f"Number {number}")
        for number in range(first, first + count)
    ]


def test_many_messages_ask_hardly_more_than_one(app, ours, mailbox, inside, alone):
    make_of(ours, inside, "lead", owner=str(ours.admin.id), source="email")
    asked = {}
    for count, first in ((1, 0), (21, 1)):
        ask_several(ours, mailbox, count, first)
        with counted_queries(app) as statements:
            assert sum(one.is_answered for one in act(ours)) == count
        asked[count] = len(statements)
    assert asked[21] - asked[1] <= 20 * 2
    assert alone == []


def test_each_message_gets_its_record_and_its_answer(ours, theirs, mailbox, inside, alone):
    make_of(ours, inside, "lead", owner=str(ours.admin.id), source="email")
    asked = ask_several(ours, mailbox, 5)
    assert [one.message_id for one in act(ours)] == [one.id for one in asked]
    for message in asked:
        assert steps(ours, message, "converted", "rules", "queued") == [
            ("converted", "converted"),
            ("rules", "answered"),
            ("queued", "queued"),
        ]
    leads = all_of(ours, inside, Lead)
    assert Counter(one.address for one in leads) == Counter(one.sender_address for one in asked)
    assert all(one.company == "" and one.contact_id for one in leads)
    assert {one.lead_id for one in all_of(ours, inside, ThreadRecord)} == {one.id for one in leads}
    assert {one.trigger_id for one in outbox(ours)} == {one.id for one in asked}
    threads = all_of(ours, inside, Thread)
    assert {(one.message_count, one.outgoing_count, one.is_auto_replied) for one in threads} == {(2, 1, True)}
    assert all_of(theirs, inside, Event) == []
    assert alone == []


def test_positions_on_a_timeline_have_no_gaps(ours, mailbox, inside):
    asked = ask_several(ours, mailbox, 3)
    act(ours)
    for message in asked:
        with inside(ours):
            query = select(Event.position).where(Event.message_id == message.id).order_by(Event.position)
            positions = db.session.scalars(query).all()
        assert positions == list(range(positions[0], positions[0] + len(positions)))


def test_somebody_who_writes_twice_is_one_contact_and_is_answered_once(ours, mailbox, inside, alone):
    first, second = ask(ours, mailbox, body="one"), ask(ours, mailbox, body="two")
    act(ours)
    assert [one.name for one in all_of(ours, inside, Contact)] == ["Anna"]
    assert [one.trigger_id for one in outbox(ours)] == [first.id]
    assert reasons(ours, second) == ["R14-window"]
    assert alone == []


def test_a_limit_holds_within_a_portion(ours, mailbox, inside, alone):
    with inside(ours):
        db.session.add(overrides.OrganizationOverride(key="response.hourly_limit", value=2, set_by="Ada"))
        db.session.commit()
    ask_several(ours, mailbox, 5)
    assert [one.is_answered for one in act(ours)] == [True, True, False, False, False]
    assert alone == []


def test_the_same_text_from_another_sender_of_a_domain_is_not_answered(ours, mailbox, alone):
    ask(ours, mailbox, sender="a@customer.test", body="Buy this now")
    ask(ours, mailbox, sender="b@customer.test", body="Buy this now")
    ask(ours, mailbox, sender="c@other.test", body="Buy this now")
    assert [one.is_answered for one in act(ours)] == [True, False, True]
    assert alone == []


def test_an_answer_belongs_to_the_record_of_its_opening(ours, mailbox, inside, alone):
    make_of(ours, inside, "case", owner=str(ours.admin.id), status="resolved")
    opening = ask(ours, mailbox, message_id="q@customer.test")
    answers = [ask(ours, mailbox, answers=["q@customer.test"], body=f"Again {number}") for number in range(2)]
    act(ours)
    (case,) = all_of(ours, inside, Case)
    assert case.status == "open"
    assert [one.opening_message_id for one in (case,)] == [opening.id]
    assert [steps(ours, one, "converted") for one in answers] == [[("converted", "attached")]] * 2
    assert [steps(ours, one, "changed") for one in answers] == [[("changed", "case reopened")], []]
    assert alone == []


def test_the_same_message_in_two_mailboxes_makes_one_record(ours, mailbox, smtp_sink, inside, alone):
    second = sending_mailbox(ours, smtp_sink)
    make_of(ours, inside, "lead", owner=str(ours.admin.id), source="email")
    for one in (mailbox, second):
        receive(ours, one, letter(message_id="q@customer.test", to="all@acme.test"))
    act(ours)
    links = all_of(ours, inside, ThreadRecord)
    (lead,) = all_of(ours, inside, Lead)
    assert [one.lead_id for one in links] == [lead.id] * 2


@pytest.mark.parametrize("action", ["lead", "case"])
def test_a_message_that_belongs_to_a_record_of_its_portion_says_which(
    ours, theirs, mailbox, smtp_sink, inside, alone, action
):
    second = sending_mailbox(ours, smtp_sink)
    make_of(ours, inside, action, owner=str(ours.admin.id), source="email")
    for one in (mailbox, second):
        receive(ours, one, letter(message_id="q@customer.test", to="all@acme.test", subject="Ten chairs"))
    act(ours)
    made, attached = [one for one in all_of(ours, inside, Event) if one.stage == "converted"]
    assert attached.reason == f"It belongs to the {action} “Ten chairs”."
    assert attached.details == made.details | {"kinds": [action]}
    assert all_of(theirs, inside, Event) == []
    assert alone == []


def test_who_is_seen_elsewhere_meanwhile_stays_one_contact(ours, mailbox, inside, alone, monkeypatch):
    asked = ask_several(ours, mailbox, 3)
    know = acting.know_what_to_convert

    def somebody_else_is_faster(messages):
        know(messages)
        with inside(ours):
            contacts.see(Sighting(asked[1].sender_address, "Anna", now()), may_make=True)
            db.session.commit()

    monkeypatch.setattr(acting, "know_what_to_convert", somebody_else_is_faster)
    assert [one.message_id for one in act(ours)] == [one.id for one in asked]
    assert alone == [one.id for one in asked]
    assert len(all_of(ours, inside, Contact)) == 3
    assert len(outbox(ours)) == 3


def test_what_there_is_no_time_for_is_not_tried_and_comes_next(ours, mailbox, inside, alone, monkeypatch):
    asked = ask_several(ours, mailbox, 3)
    monkeypatch.setattr(acting, "SECONDS_TOGETHER", 0)
    assert [one.message_id for one in act(ours)] == [one.id for one in asked]
    assert {(one.work, one.work_attempts) for one in all_of(ours, inside, Message) if one.work != "none"} == {
        ("done", 1)
    }
    assert alone == []


def test_what_there_is_no_time_for_takes_no_place_in_a_turn(ours, theirs, mailbox, inside, monkeypatch):
    asked = ask_several(ours, mailbox, 3)
    monkeypatch.setattr(acting, "SECONDS_TOGETHER", 0)
    with inside(ours):
        assert [one.message_id for one in acting.act_on_pending(2)] == [one.id for one in asked[:2]]


def test_long_texts_are_not_in_memory_together(ours, mailbox, inside, monkeypatch):
    ask_several(ours, mailbox, 3)
    monkeypatch.setattr(acting, "BYTES_TOGETHER", 10)
    sizes = []
    know = acting.know_what_to_convert
    monkeypatch.setattr(
        acting, "know_what_to_convert", lambda messages: sizes.append(len(messages)) or know(messages)
    )
    assert len(act(ours)) == 3
    assert sizes == [1, 1, 1]


def test_a_failing_message_leaves_its_neighbours_as_they_would_be(ours, mailbox, inside, monkeypatch):
    asked = ask_several(ours, mailbox, 3)
    respond = acting.respond
    fail = lambda one: 1 / 0 if one.id == asked[1].id else respond(one)  # noqa: E731
    monkeypatch.setattr(acting, "respond", fail)
    monkeypatch.setattr(acting, "respond_to_all", lambda messages: [fail(one) for one in messages])
    assert [one.message_id for one in act(ours)] == [asked[0].id, asked[2].id]
    assert len(all_of(ours, inside, AutomaticResponse)) == 2
    assert {one.work_attempts for one in all_of(ours, inside, Message) if one.direction == "in"} == {1}
    assert steps(ours, asked[1], "converted", "rules") == []


def test_a_conversation_that_somebody_changes_is_waited_for_and_the_others_go_on(
    ours, mailbox, inside, alone, app
):
    held, other = ask(ours, mailbox, sender="a@x.test"), ask(ours, mailbox, sender="b@y.test", body="b")
    with inside(ours):
        db.session.execute(select(Message.id).where(Message.id == held.id).with_for_update())
        assert [one.message_id for one in act(ours)] == [other.id]
    assert alone == []


def test_shadow_is_thought_of_alone(ours, mailbox, inside, alone):
    quiet = make_mailbox(ours, is_shadow=True)
    answering_rule(ours, quiet)
    shadowed = ask(ours, quiet, sender="a@x.test")
    ask(ours, mailbox, sender="b@y.test", body="b")
    assert [one.is_answered for one in act(ours)] == [False, True]
    assert alone == [shadowed.id]


def test_new_mail_is_delivered_while_a_portion_is_acted_upon(ours, mailbox, inside, alone, monkeypatch):
    asked = ask_several(ours, mailbox, 3)
    respond_to_all = acting.respond_to_all

    def others_hold_the_mailbox(messages):
        with inside(ours):
            held = select(Mailbox.id).with_for_update(nowait=True, key_share=True)
            assert db.session.scalars(held).all() == [mailbox.id]
        return respond_to_all(messages)

    monkeypatch.setattr(acting, "respond_to_all", others_hold_the_mailbox)
    assert [one.message_id for one in act(ours)] == [one.id for one in asked]
    assert alone == []


def test_a_portion_waits_for_nobody_who_holds_a_conversation(ours, mailbox, inside, monkeypatch):
    held, other = ask(ours, mailbox, sender="a@x.test"), ask(ours, mailbox, sender="b@y.test", body="b")
    left = []
    monkeypatch.setattr(acting, "_act", left.append)
    with inside(ours):
        query = select(Thread.id).where(Thread.id == held.thread_id)
        db.session.execute(query.with_for_update())
        with inside(ours):
            assert [one.message_id for one in acting.act_on_pending(2)] == [other.id]
    assert left == [held.id]


def comes_in(ours, mailbox, asked):
    with inside_of(ours.id):
        arrive(mailbox, letter("Re: Question", message_id="a@customer.test", answers=["q@customer.test"]))
        deliver(mailbox.account_id)


def is_written(ours, mailbox, asked):
    with inside_of(ours.id):
        message = db.session.get_one(Message, (ours.id, asked.id))
        reply = Reply([Person("", "anna@customer.test")], "Re: Question", "Here it is.")
        queue_reply(mailbox_of(message), ours.member, reply, answers=message)
        db.session.commit()


def moves_away(ours, mailbox, asked):
    with inside_of(ours.id):
        leave(db.session.get_one(Message, (ours.id, asked.id)), by=Actor("Sam System"))
        db.session.commit()


@pytest.fixture
def meanwhile(app, monkeypatch):
    """Let somebody begin something when a function is called, and wait until he waits for us."""

    def begin(module, name, act, *, is_first):
        called, begun = getattr(module, name), []

        def apart():
            with app.app_context():
                act()

        def wait():
            if not begun:
                begun.append(job.submit(apart))
                while not db.session.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")):
                    assert not begun[0].done(), begun[0].result()

        def call(*given):
            if is_first:
                wait()
            answer = called(*given)
            wait()
            return answer

        monkeypatch.setattr(module, name, call)
        monkeypatch.setattr(batches, "CIRCLES", 1)  # a delivery that waited in a circle is not tried again
        return begun

    with ThreadPoolExecutor(1) as job:
        yield begin


@pytest.mark.parametrize("what", [comes_in, is_written])
def test_what_goes_into_a_conversation_waits_for_its_portion_which_does_not_wait_for_it(
    ours, theirs, mailbox, inside, alone, meanwhile, what
):
    asked = ask(ours, mailbox, message_id="q@customer.test")
    act_meanwhile = lambda: what(ours, mailbox, asked)  # noqa: E731
    begun = meanwhile(acting, "respond_to_all", act_meanwhile, is_first=True)
    assert [one.is_answered for one in act(ours)] == [True]
    begun[0].result()
    assert alone == []
    assert [one.message_count for one in all_of(ours, inside, Thread)] == [3]


@pytest.mark.parametrize("what", [comes_in, is_written])
def test_what_goes_into_a_conversation_waits_for_a_message_that_is_answered_alone(
    ours, theirs, mailbox, inside, meanwhile, what
):
    asked = ask(ours, mailbox, message_id="q@customer.test")
    with inside(ours):
        db.session.execute(update(Message).values(work_attempts=1))
        db.session.commit()
    act_meanwhile = lambda: what(ours, mailbox, asked)  # noqa: E731
    begun = meanwhile(queueing, "keep_references", act_meanwhile, is_first=False)
    assert [one.is_answered for one in act(ours)][:1] == [True]
    begun[0].result()
    assert [one.message_count for one in all_of(ours, inside, Thread)] == [3]


def test_what_moves_away_waits_for_a_portion_that_opens_its_case_again(
    ours, theirs, mailbox, inside, alone, meanwhile
):
    make_of(ours, inside, "case", owner=str(ours.admin.id), status="resolved")
    asked = ask(ours, mailbox, message_id="q@customer.test")
    act(ours)
    answer = ask(ours, mailbox, answers=["q@customer.test"], body="Again")
    begun = meanwhile(acting, "know_what_to_convert", lambda: moves_away(ours, mailbox, asked), is_first=True)
    act(ours)
    begun[0].result()
    assert alone == []
    assert steps(ours, answer, "changed") == [("changed", "case reopened")]
    assert all_of(ours, inside, Case) == []
