"""Messages of one conversation share a record, whichever mailbox they came to."""

import pytest
from sqlalchemy import select, update

from mailboxes.crm import cases
from mailboxes.crm.cases import Case
from mailboxes.threads import Thread, ThreadRecord
from tenants.database import db, inside
from tests.factories import make_mailbox, make_message, make_thread
from tests.mailboxes.arriving import letter, receive
from tests.mailboxes.conversion.acting import act, all_of, opening


def test_a_reply_belongs_to_the_record_and_makes_none(ours, cases_mailbox):
    thread = make_thread(ours, cases_mailbox)
    act(ours, opening(ours, cases_mailbox, thread=thread))
    (event,) = act(ours, make_message(ours, cases_mailbox, thread=thread))
    assert event.result == "attached"
    assert len(all_of(ours, Case)) == 1


@pytest.mark.parametrize(
    ("status", "given", "expected"),
    [
        ("resolved", {}, "open"),
        ("closed", {}, "closed"),
        ("in_progress", {}, "in_progress"),
        ("resolved", {"is_automatic": True}, "resolved"),
        ("resolved", {"is_bounce": True}, "resolved"),
        ("resolved", {"box": "spam"}, "resolved"),
    ],
)
def test_a_customers_answer_reopens_a_resolved_case(ours, cases_mailbox, status, given, expected):
    thread = make_thread(ours, cases_mailbox)
    act(ours, opening(ours, cases_mailbox, thread=thread))
    set_status(ours, status)
    act(ours, make_message(ours, cases_mailbox, thread=thread, **given))
    assert all_of(ours, Case)[0].status == expected


def test_one_answer_reopens_once(ours, cases_mailbox):
    thread = make_thread(ours, cases_mailbox)
    act(ours, opening(ours, cases_mailbox, thread=thread))
    set_status(ours, "resolved")
    answer = make_message(ours, cases_mailbox, thread=thread)
    events = act(ours, answer)
    assert [event.result for event in events] == ["case reopened", "attached"]
    set_status(ours, "resolved")
    act(ours, answer)
    assert all_of(ours, Case)[0].status == "resolved"


def set_status(organization, status):
    with inside(organization.id):
        case = db.session.scalars(select(Case)).one()
        cases.change_status(case, status, "Ada")
        db.session.commit()


def test_a_conversation_that_answers_another_mailbox_shares_its_record(ours, cases_mailbox):
    first = make_thread(ours, cases_mailbox)
    act(ours, opening(ours, cases_mailbox, thread=first))
    other = make_mailbox(ours, action="case")
    second = make_thread(ours, other, linked_thread_id=first.id)
    (event,) = act(ours, opening(ours, other, thread=second))
    assert event.result == "attached"
    (case,) = all_of(ours, Case)
    assert {link.case_id for link in all_of(ours, ThreadRecord)} == {case.id}


def test_the_other_mailboxs_record_comes_first_whichever_worker_is_faster(ours, cases_mailbox):
    first = make_thread(ours, cases_mailbox)
    origin = opening(ours, cases_mailbox, thread=first, subject="The first one")
    other = make_mailbox(ours, action="case")
    second = make_thread(ours, other, linked_thread_id=first.id)
    act(ours, opening(ours, other, thread=second, subject="The second one"))
    act(ours, origin)
    (case,) = all_of(ours, Case)
    assert case.subject == "The first one"


def test_a_conversation_that_a_merge_has_linked_to_a_younger_one_shares_its_record(ours, cases_mailbox):
    other = make_mailbox(ours, action="case")
    first, second = make_thread(ours, cases_mailbox), make_thread(ours, other)
    with inside(ours.id):
        linked = update(Thread).where(Thread.id == first.id).values(linked_thread_id=second.id)
        db.session.execute(linked)
        db.session.commit()
    origin, answer = opening(ours, other, thread=second), opening(ours, cases_mailbox, thread=first)
    for message in (answer, origin):
        act(ours, message)
    assert (len(all_of(ours, Case)), len(all_of(ours, ThreadRecord))) == (1, 2)


@pytest.mark.parametrize("is_first", [True, False])
def test_conversations_linked_in_a_circle_share_one_record(ours, cases_mailbox, is_first):
    """A merge points links at the survivor, which may be the younger one."""
    first, other = make_thread(ours, cases_mailbox), make_mailbox(ours, action="case")
    second = make_thread(ours, other, linked_thread_id=first.id)
    with inside(ours.id):
        linked = update(Thread).where(Thread.id == first.id).values(linked_thread_id=second.id)
        db.session.execute(linked)
        db.session.commit()
    origin, answer = opening(ours, cases_mailbox, thread=first), opening(ours, other, thread=second)
    for message in (origin, answer) if is_first else (answer, origin):
        act(ours, message)
    assert (len(all_of(ours, Case)), len(all_of(ours, ThreadRecord))) == (1, 2)


@pytest.mark.parametrize("action", ["nothing", "case"])
def test_an_answer_to_another_mailbox_makes_a_record_where_there_is_none(ours, theirs, action):
    """The first mailbox makes no records, or its conversation was there before automation was."""
    first, second = make_mailbox(ours, action=action), make_mailbox(ours, action="case")
    receive(ours, first, letter("Offer", message_id="offer@x"), is_history=True)
    answer = letter("Re: Offer", message_id="answer@x", answers=["offer@x"])
    (message,) = receive(ours, second, answer)
    (event,) = [event for event in act(ours, message) if event.stage == "converted"]
    assert (event.result, message.is_opening) == ("converted", False)
    (further,) = receive(ours, second, letter("Re: Offer", answers=["answer@x"]))
    act(ours, further)
    (case,) = all_of(ours, Case)
    assert case.opening_message_id == message.id
    assert all_of(theirs, Case) == []


def test_of_conversations_linked_in_a_row_one_makes_the_record(ours, cases_mailbox):
    mailboxes = [make_mailbox(ours, action="nothing"), make_mailbox(ours, action="case"), cases_mailbox]
    receive(ours, mailboxes[0], letter(message_id="0@x"))
    (middle,) = receive(ours, mailboxes[1], letter(message_id="1@x", answers=["0@x"]))
    (last,) = receive(ours, mailboxes[2], letter(message_id="2@x", answers=["1@x"]))
    act(ours, last)
    act(ours, middle)
    (case,) = all_of(ours, Case)
    assert case.opening_message_id == middle.id
    assert {link.case_id for link in all_of(ours, ThreadRecord)} == {case.id}
