"""People split a conversation and join two; what was decided when mail came stays decided."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from mailboxes.acting import act_on_pending
from mailboxes.crm.cases import Case
from mailboxes.inbox.split_and_join import join, joining_of, split
from mailboxes.invariants import check_all
from mailboxes.messages import Message
from mailboxes.system_mailboxes import Mailbox, MailboxGrant
from mailboxes.threads import Thread, ThreadRecord
from mailboxes.threads.notes import Note
from tenants.database import db, now
from tenants.database import inside as inside_of
from tenants.errors import ForbiddenError, InvalidError, NotFoundError
from tests.factories import World, make_mailbox
from tests.mailboxes.arriving import letter, receive


@pytest.fixture
def mailbox(ours: World) -> Mailbox:
    return make_mailbox(ours, action="case")


def answer_to(number: int, answers: int, subject: str = "Re: Q", **given: Any) -> bytes:
    return letter(subject, message_id=f"{number}@x", answers=[f"{answers}@x"], **given)


def conversation_of_three(ours: World, mailbox: Mailbox) -> list[Message]:
    first = letter("Q", message_id="1@x")
    return receive(ours, mailbox, first, answer_to(2, 1), answer_to(3, 2, "Re: Q, and the lamp"))


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
        new = split(ours.member, messages[0].thread_id, messages[1].id)
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
        new = split(ours.member, first.thread_id, second.id)
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
        apart = split(ours.member, one.thread_id, other.id).id
        join(ours.member, one.thread_id, stays)
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
        assert join(ours.member, second.thread_id, first.thread_id).id == first.thread_id
        db.session.commit()
    (answer,) = receive(ours, mailbox, answer_to(3, 2, "Re: Two"))
    assert answer.thread_id == first.thread_id
    with inside(ours):
        act_on_pending()
        new = split(ours.member, first.thread_id, second.id)
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
        new = split(ours.member, messages[0].thread_id, messages[1].id)
        assert db.session.scalars(select(Note.text).where(Note.thread_id == new.id)).all() == ["After"]


def test_only_who_may_reply_splits_and_joins_and_only_within_a_mailbox(ours, theirs, inside):
    mailbox, other = make_mailbox(ours, readers=(ours.admin,)), make_mailbox(ours)
    first, second = receive(ours, mailbox, letter("Q", message_id="1@x"), answer_to(2, 1))
    (elsewhere,) = receive(ours, other, letter("Elsewhere", message_id="9@x"))
    with inside(ours):
        with pytest.raises(NotFoundError):
            split(ours.member, first.thread_id, second.id)
        db.session.add(MailboxGrant(mailbox_id=mailbox.id, membership_id=ours.member.id, level="read"))
        db.session.flush()
        with pytest.raises(ForbiddenError):
            split(ours.member, first.thread_id, second.id)
        with pytest.raises(InvalidError, match="begins with this message"):
            split(ours.admin, first.thread_id, first.id)
        with pytest.raises(NotFoundError):
            split(ours.admin, first.thread_id, elsewhere.id)
        for wrong in (first.thread_id, elsewhere.thread_id):
            with pytest.raises(InvalidError, match="another conversation of the same mailbox"):
                join(ours.admin, first.thread_id, wrong)
