"""People split a conversation and join two; what was decided when mail came stays decided."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.orm.attributes import set_committed_value

from mailboxes.acting import act_on_pending
from mailboxes.conversion import convert_by_hand
from mailboxes.crm.cases import Case
from mailboxes.drafts import Draft, begin_answer, news_since, own_draft, send
from mailboxes.inbox.split_and_join import held_joining, join, joining_of, split
from mailboxes.invariants import check_all
from mailboxes.messages import Message, mailbox_of, wait_for_others
from mailboxes.outgoing import Reply, queue_reply
from mailboxes.replies import Person
from mailboxes.routing.leaving import leave
from mailboxes.system_mailboxes import Mailbox, MailboxGrant
from mailboxes.threads import Thread, ThreadRecord
from mailboxes.threads.notes import Note
from mailboxes.timeline import Event
from tenants.audit import Actor
from tenants.database import db, now
from tenants.database import inside as inside_of
from tenants.errors import ForbiddenError, InvalidError, NotFoundError
from tenants.organizations import Membership
from tests.factories import World, make_mailbox
from tests.mailboxes.arriving import letter, receive

SENDING = {"smtp_enabled": True, "smtp_host": "smtp.acme.test", "smtp_user": "help"}


@pytest.fixture
def mailbox(ours: World) -> Mailbox:
    return make_mailbox(ours, action="case", account=SENDING)


def answer_to(number: int, answers: int, subject: str = "Re: Q", **given: Any) -> bytes:
    return letter(subject, message_id=f"{number}@x", answers=[f"{answers}@x"], **given)


def conversation_of_three(ours: World, mailbox: Mailbox) -> list[Message]:
    first = letter("Q", message_id="1@x")
    return receive(ours, mailbox, first, answer_to(2, 1), answer_to(3, 2, "Re: Q, and the lamp"))


def message_of(message: Message) -> Message:
    return db.session.scalars(select(Message).where(Message.id == message.id)).one()


def joined(member: Membership, thread_id: UUID, other_id: UUID) -> Thread:
    return join(member, held_joining(member, thread_id, other_id))


def threads_by_subject(ours: World, inside: Any) -> dict[str, tuple[int, str]]:
    with inside(ours):
        found = db.session.scalars(select(Thread))
        return {thread.subject: (thread.message_count, thread.base_subject) for thread in found}


def demand_sound() -> None:
    assert [found for found in check_all() if found.broken and found.invariant.name != "I19"] == []


def test_what_comes_after_a_split_goes_where_it_answers(ours, theirs, mailbox, inside):
    messages = conversation_of_three(ours, mailbox)
    with inside(ours):
        act_on_pending()
        new = split(ours.member, messages[1].id)
        db.session.commit()
    old_answer, new_answer = receive(ours, mailbox, answer_to(4, 1), answer_to(5, 3))
    assert (old_answer.thread_id, new_answer.thread_id) == (messages[0].thread_id, new.id)
    assert threads_by_subject(ours, inside) == {"Q": (2, "q"), "Re: Q": (3, "q")}
    with inside(ours):
        act_on_pending()
        assert len(db.session.scalars(select(Case)).all()) == 1
        assert db.session.scalars(select(ThreadRecord.thread_id)).all() == [messages[0].thread_id]
    demand_sound()


def two_answers_to_what_is_not_here(ours: World, mailbox: Mailbox) -> tuple[UUID, UUID]:
    """The two conversations that people made of one by splitting."""
    first, second = receive(ours, mailbox, answer_to(1, 0), answer_to(2, 0))
    assert first.thread_id == second.thread_id
    with inside_of(ours.id):
        new = split(ours.member, second.id)
        db.session.commit()
        return first.thread_id, new.id


@pytest.mark.parametrize(
    "later",
    [
        pytest.param([answer_to(3, 0)], id="a third answer"),
        pytest.param([letter("Q", message_id="0@x")], id="the parent, late"),
        pytest.param([letter("Re: Q", message_id="3@x", answers=["0@x", "9@x"])], id="beside a missing one"),
        pytest.param(
            [letter("Re: Q", message_id="3@x", answers=["0@x", "2@x"]), answer_to(4, 0)], id="mentioned anew"
        ),
    ],
)
def test_mail_that_fits_both_parts_of_a_split_goes_to_one_and_joins_none(
    ours, theirs, mailbox, inside, later
):
    stays, new = two_answers_to_what_is_not_here(ours, mailbox)
    assert receive(ours, mailbox, *later)[-1].thread_id == stays
    with inside(ours):
        assert set(db.session.scalars(select(Thread.id))) == {stays, new}
    demand_sound()


def test_parts_of_a_split_stay_apart_when_one_of_them_is_joined_with_a_part_of_another(
    ours, theirs, mailbox, inside
):
    stays, new = two_answers_to_what_is_not_here(ours, mailbox)
    lamp = [answer_to(number, 10, "Re: Lamp") for number in (11, 12)]
    one, other = receive(ours, mailbox, *lamp)
    with inside(ours):
        apart = split(ours.member, other.id).id
        joined(ours.member, one.thread_id, stays)
        db.session.commit()
    receive(ours, mailbox, letter("Q", message_id="0@x"), letter("Lamp", message_id="10@x"))
    with inside(ours):
        assert set(db.session.scalars(select(Thread.id))) == {stays, new, apart}


def test_joined_conversations_are_one_and_are_split_again_with_their_records(ours, theirs, mailbox, inside):
    first, second = receive(ours, mailbox, letter("One", message_id="1@x"), letter("Two", message_id="2@x"))
    with inside(ours):
        act_on_pending()
        joining = joining_of(ours.member, second.thread_id, first.thread_id)
        assert (joining.survivor.id, joining.message_count) == (first.thread_id, 2)
        assert [record.noun for record in joining.left] == ["case"]
        assert joined(ours.member, second.thread_id, first.thread_id).id == first.thread_id
        db.session.commit()
    (answer,) = receive(ours, mailbox, answer_to(3, 2, "Re: Two"))
    assert answer.thread_id == first.thread_id
    with inside(ours):
        act_on_pending()
        new = split(ours.member, second.id)
        db.session.commit()
    assert threads_by_subject(ours, inside) == {"One": (1, "one"), "Two": (2, "two")}
    with inside(ours):
        of_case = select(Case.subject, ThreadRecord.thread_id).join(
            ThreadRecord, ThreadRecord.case_id == Case.id
        )
        links = [tuple(row) for row in db.session.execute(of_case.order_by(Case.subject))]
    assert links == [("One", first.thread_id), ("Two", new.id)]
    demand_sound()


def test_notes_go_with_the_messages_that_they_came_after(ours, theirs, mailbox, inside):
    messages = conversation_of_three(ours, mailbox)
    with inside(ours):
        for text, at in (("Before", messages[1].shown_at - timedelta(hours=1)), ("After", now())):
            note = Note(thread_id=messages[0].thread_id, author_name="Ada", text=text, written_at=at)
            db.session.add(note)
        db.session.flush()
        new = split(ours.member, messages[1].id)
        assert db.session.scalars(select(Note.text).where(Note.thread_id == new.id)).all() == ["After"]


def test_only_who_may_reply_splits_and_joins_and_only_within_a_mailbox(ours, theirs, inside):
    mailbox, other = make_mailbox(ours, readers=(ours.admin,)), make_mailbox(ours)
    first, second = receive(ours, mailbox, letter("Q", message_id="1@x"), answer_to(2, 1))
    (elsewhere,) = receive(ours, other, letter("Elsewhere", message_id="9@x"))
    with inside(ours):
        with pytest.raises(NotFoundError):
            split(ours.member, second.id)
        db.session.add(MailboxGrant(mailbox_id=mailbox.id, membership_id=ours.member.id, level="read"))
        db.session.flush()
        with pytest.raises(ForbiddenError):
            split(ours.member, second.id)
        for wrong in (first.thread_id, elsewhere.thread_id):
            with pytest.raises(InvalidError, match="another conversation of the same mailbox"):
                joined(ours.admin, first.thread_id, wrong)


def test_a_message_that_begins_its_conversation_is_split_from_nothing(ours, theirs, mailbox, inside):
    messages = conversation_of_three(ours, mailbox)
    with inside(ours):
        new = split(ours.member, messages[1].id)
        assert split(ours.member, messages[1].id).id == new.id
        assert len(db.session.scalars(select(Thread)).all()) == 2


def test_a_draft_stops_for_what_came_since_it_was_begun_and_for_nothing_else(ours, theirs, mailbox, inside):
    messages = conversation_of_three(ours, mailbox)
    with inside(ours):
        draft = begin_answer(ours.member, messages[1].id, "reply")
        db.session.commit()
        assert news_since(draft) == 0
        new = split(ours.member, messages[1].id)
        db.session.commit()
        assert (draft.thread_id, news_since(draft)) == (new.id, 0)
    receive(ours, mailbox, answer_to(4, 3))
    with inside(ours):
        draft = db.session.scalars(select(Draft)).one()
        assert news_since(draft) == 1
        joined(ours.member, messages[0].thread_id, new.id)
        assert (draft.thread_id, news_since(draft)) == (messages[0].thread_id, 1)


def test_a_record_goes_along_also_where_another_mailbox_had_the_message_first(ours, theirs, mailbox, inside):
    other = make_mailbox(ours, action="case")
    same = letter("Two", message_id="2@x")
    receive(ours, other, same)
    first, second = receive(ours, mailbox, letter("One", message_id="1@x"), same)
    with inside(ours):
        act_on_pending()
        joined(ours.member, first.thread_id, second.thread_id)
        new = split(ours.member, second.id)
        of_new = select(Case.subject).join(ThreadRecord, ThreadRecord.case_id == Case.id)
        assert db.session.scalars(of_new.where(ThreadRecord.thread_id == new.id)).all() == ["Two"]


def test_a_conversation_that_mentions_very_many_messages_is_split(ours, theirs, mailbox, inside):
    messages = conversation_of_three(ours, mailbox)
    with inside(ours):
        message_of(messages[0]).references = [f"{number}@y" for number in range(70_000)]
        db.session.flush()
        new = split(ours.member, messages[1].id)
        assert message_of(messages[1]).thread_id == new.id


def test_the_timeline_says_what_was_joined_and_which_record_lost_its_conversation(
    ours, theirs, mailbox, inside
):
    first, second = receive(ours, mailbox, letter("One", message_id="1@x"), letter("Two", message_id="2@x"))
    with inside(ours):
        act_on_pending()
        joined(ours.member, first.thread_id, second.thread_id)
        reasons = select(Event.reason).where(Event.message_id == second.id, Event.result == "joined")
        told = db.session.scalars(reasons.where(Event.stage == "changed").order_by(Event.position)).all()
    assert told == [
        f"{ours.member.name} joined “Two” with “One”.",
        "The case “Two” lost its conversation: the other one had a case.",
    ]


def test_who_waited_to_make_a_record_makes_it_for_the_conversation_where_the_message_is_now(
    ours, theirs, mailbox, inside
):
    messages = conversation_of_three(ours, mailbox)
    with inside(ours):
        message = message_of(messages[1])
        new = split(ours.member, message.id)
        db.session.flush()
        set_committed_value(message, "thread_id", messages[0].thread_id)  # as who waits has read it
        convert_by_hand(message, "case", ours.admin)
        assert db.session.scalars(select(ThreadRecord.thread_id)).all() == [new.id]


def while_somebody(
    app: Flask, world: World, first: Callable[[], Any], second: Callable[[], Any]
) -> tuple[Any, Any]:
    """Let one be done while another is not committed yet, and wait for it; what both return."""

    def later() -> Any:
        with app.app_context(), inside_of(world.id):
            found = second()
            db.session.commit()
            return found

    with ThreadPoolExecutor(1) as job, inside_of(world.id):
        done = first()
        db.session.flush()
        waits = job.submit(later)
        while not db.session.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")):
            assert not waits.done(), waits.result()
        db.session.commit()
        return done, waits.result()


def test_an_answer_begun_while_somebody_splits_is_in_the_part_of_its_message(
    app, ours, theirs, mailbox, inside
):
    messages = conversation_of_three(ours, mailbox)
    new, draft = while_somebody(
        app,
        ours,
        lambda: split(ours.admin, messages[1].id),
        lambda: begin_answer(ours.member, messages[1].id, "reply"),
    )
    with inside(ours):
        draft = db.session.scalars(select(Draft)).one()
        assert (draft.thread_id, draft.seen_count) == (new.id, 2)


def test_an_answer_sent_while_somebody_splits_is_in_the_part_of_its_message(
    app, ours, theirs, mailbox, inside
):
    messages = conversation_of_three(ours, mailbox)
    with inside(ours):
        draft_id = begin_answer(ours.member, messages[1].id, "reply").id
        db.session.commit()

    def sent() -> UUID:
        draft = own_draft(ours.member, draft_id)
        draft.body = "Here it is."
        return send(ours.member, draft).message_id

    answer_id, new = while_somebody(app, ours, sent, lambda: split(ours.admin, messages[1].id))
    with inside(ours):
        assert db.session.get_one(Message, (ours.id, answer_id)).thread_id == new.id


def test_a_message_that_moves_away_while_somebody_splits_leaves_no_conversation_without_messages(
    app, ours, theirs, mailbox, inside
):
    messages = conversation_of_three(ours, mailbox)
    while_somebody(
        app,
        ours,
        lambda: split(ours.admin, messages[2].id),
        lambda: leave(message_of(messages[2]), by=Actor("Sam System")),
    )
    assert threads_by_subject(ours, inside) == {"Q": (2, "q")}


def test_what_is_made_of_a_message_while_somebody_splits_goes_along_with_it(
    app, ours, theirs, mailbox, inside
):
    messages = conversation_of_three(ours, mailbox)

    def answered() -> UUID:
        message = message_of(messages[1])
        wait_for_others(message)
        reply = Reply([Person("", "kim@customer.test")], "Re: Q", "Thank you.")
        return queue_reply(mailbox_of(message), ours.admin, reply, answers=message).message_id

    answer_id, new = while_somebody(app, ours, answered, lambda: split(ours.member, messages[1].id))
    with inside(ours):
        assert db.session.get_one(Message, (ours.id, answer_id)).thread_id == new.id


def test_a_conversation_without_messages_is_joined_too(ours, theirs, mailbox, inside):
    (first,) = receive(ours, mailbox, letter("One"))
    with inside(ours):
        empty = Thread(mailbox_id=mailbox.id, subject="Empty")
        db.session.add(empty)
        db.session.flush()
        note = Note(thread_id=empty.id, author_name="Ada", text="Kept.")
        db.session.add(note)
        db.session.flush()
        assert joined(ours.member, first.thread_id, empty.id).id == first.thread_id
        assert db.session.scalars(select(Note.thread_id)).all() == [first.thread_id]
        others = [Thread(mailbox_id=mailbox.id, subject="Empty") for _ in range(2)]
        db.session.add_all(others)
        db.session.flush()
        joined(ours.member, *(one.id for one in others))
        db.session.commit()
    assert threads_by_subject(ours, inside)["One"] == (1, "one")
