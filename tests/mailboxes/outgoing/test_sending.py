"""Sent at most once unasked, and every doubt said aloud."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from mailboxes.accounts import Account
from mailboxes.connections import store_password
from mailboxes.messages import Message
from mailboxes.outgoing import (
    organizations_with_due_mail,
    resume_sending,
    send_again,
    sending_problem,
    sending_stop,
)
from mailboxes.outgoing.sending import _pass_the_point_of_no_return
from mailboxes.smtp import DeliveryResult
from mailboxes.undeliverable import UndeliverableAddress
from tenants.configuration import overrides
from tenants.database import db, now
from tenants.errors import ConflictError, ForbiddenError, NotFoundError
from tests.factories import make_member
from tests.mailboxes.arriving import receive
from tests.mailboxes.outgoing.queued import later, put, raw_of
from tests.mailboxes.sending import act, answering_rule, ask, outbox, send, steps
from tests.smtp_sink import DROP


def test_a_sent_message_is_sent_once(ours, write, smtp_sink):
    _, message = write()
    assert [one.state for one in send(ours)] == ["sent"]
    assert send(ours) == []
    assert len(smtp_sink.messages) == 1
    assert outbox(ours)[0].sent_at is not None
    assert steps(ours, message) == [("queued", "queued"), ("sent", "sent")]


@pytest.mark.parametrize("verb", ["connect", "MAIL", "RCPT", "DATA", "dot"])
def test_not_now_is_tried_again_with_the_same_bytes(ours, write, smtp_sink, inside, verb):
    write()
    smtp_sink.fail(verb, "451 4.3.0 Later", times=1)
    assert send(ours) == []
    (row,) = outbox(ours)
    assert (row.state, row.attempts) == ("ready", 1)
    assert row.last_error
    assert timedelta(seconds=50) < row.next_attempt_at - now() < timedelta(seconds=61)
    later(ours, inside)
    assert [one.state for one in send(ours)] == ["sent"]
    assert [one.content for one in smtp_sink.messages] == [raw_of(ours, row)]


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "dot"])
def test_never_is_an_end_with_its_reason(ours, write, smtp_sink, verb):
    _, message = write()
    smtp_sink.fail(verb, "554 5.7.1 Not you")
    assert [one.state for one in send(ours)] == ["failed"]
    (row,) = outbox(ours)
    assert "Not you" in row.last_error
    assert steps(ours, message, "sent") == [("sent", "failed")]


@pytest.mark.parametrize("is_stored", [True, False])
def test_silence_after_the_dot_is_unknown_and_stays_so(ours, write, smtp_sink, inside, is_stored):
    _, message = write()
    smtp_sink.fail("dot", DROP, is_stored=is_stored)
    assert [one.state for one in send(ours)] == ["unknown"]
    smtp_sink.heal()
    later(ours, inside)
    assert send(ours) == []
    assert len(smtp_sink.messages) == int(is_stored)
    assert steps(ours, message, "sent") == [("sent", "unknown")]


def test_a_person_may_send_a_doubtful_reply_again_with_the_same_message_id(ours, write, smtp_sink, inside):
    _, message = write()
    smtp_sink.fail("dot", DROP, is_stored=True)
    send(ours)
    smtp_sink.heal()
    with inside(ours):
        send_again(ours.member, db.session.merge(message))
        db.session.commit()
    assert [one.state for one in send(ours)] == ["sent"]
    first, second = smtp_sink.messages
    assert first.content == second.content


def test_only_who_may_reply_sends_again(ours, write, smtp_sink, inside):
    stranger = make_member(ours.id)
    _, message = write()
    with inside(ours):
        message = db.session.merge(message)
        with pytest.raises(ConflictError):
            send_again(ours.member, message)
        with pytest.raises((NotFoundError, ForbiddenError)):
            send_again(stranger, message)


def test_a_doubtful_answer_of_a_robot_is_never_sent_again(ours, mailbox, smtp_sink, inside):
    answering_rule(ours, mailbox)
    question = ask(ours, mailbox)
    act(ours)
    smtp_sink.fail("dot", DROP)
    send(ours)
    smtp_sink.heal()
    later(ours, inside)
    assert send(ours) == []
    assert [row.state for row in outbox(ours)] == ["unknown"]
    assert steps(ours, question, "sent") == [("sent", "unknown")]


def test_a_doubtful_message_that_turns_up_in_sent_was_sent(ours, mailbox, write, smtp_sink, inside):
    row, message = write()
    smtp_sink.fail("dot", DROP, is_stored=True)
    send(ours)
    receive(ours, mailbox, smtp_sink.messages[0].content, folder="sent")
    assert organizations_with_due_mail() == [ours.id]
    send(ours)
    (row,) = outbox(ours)
    assert (row.state, row.copy_state) == ("sent", "skipped")
    assert steps(ours, message, "sent") == [("sent", "unknown"), ("sent", "sent")]
    with inside(ours):
        assert db.session.scalar(select(func.count()).select_from(Message)) == 1


def test_a_crash_before_the_dot_is_safe_to_repeat(ours, write, smtp_sink, inside):
    write()
    put(ours, inside, state="claimed", fence=1, claim_expires_at=now() - timedelta(seconds=1))
    assert [one.state for one in send(ours)] == ["sent"]
    assert len(smtp_sink.messages) == 1


def test_a_crash_after_the_dot_leaves_a_doubt(ours, write, smtp_sink, inside):
    write()
    put(ours, inside, state="committing", fence=1, claim_expires_at=now() - timedelta(seconds=1))
    assert send(ours) == []
    assert [row.state for row in outbox(ours)] == ["unknown"]
    assert smtp_sink.messages == []


@pytest.mark.parametrize("state", ["claimed", "committing"])
def test_what_somebody_else_is_sending_is_left_alone(ours, write, smtp_sink, inside, state):
    write()
    put(ours, inside, state=state, fence=1, claim_expires_at=now() + timedelta(minutes=5))
    assert send(ours) == []
    assert smtp_sink.messages == []


def test_who_lost_the_claim_sends_no_dot(ours, write, smtp_sink, inside, monkeypatch):
    write()

    def overtaken(id, fence):
        put(ours, inside, fence=fence + 1)
        _pass_the_point_of_no_return(id, fence)

    monkeypatch.setattr("mailboxes.outgoing.sending._pass_the_point_of_no_return", overtaken)
    assert send(ours) == []
    assert smtp_sink.messages == []
    assert [row.state for row in outbox(ours)] == ["claimed"]


def test_a_late_250_settles_what_the_sweep_called_unknown(ours, write, inside):
    from mailboxes.outgoing.sending import _conclude

    row, _ = write()
    put(ours, inside, state="unknown", fence=3)
    with inside(ours):
        assert _conclude(row.id, 2, DeliveryResult("sent")) is None
        assert _conclude(row.id, 3, DeliveryResult("sent")) is not None
    assert [one.state for one in outbox(ours)] == ["sent"]


def test_the_waits_grow_and_end(ours, write, smtp_sink, inside):
    write()
    smtp_sink.fail("MAIL", "451 Later")
    waits = []
    for _ in range(4):
        later(ours, inside)
        send(ours)
        waits.append(round((outbox(ours)[0].next_attempt_at - now()) / timedelta(minutes=1)))
    assert waits == [1, 2, 5, 15]
    put(ours, inside, give_up_at=now() - timedelta(seconds=1))
    send(ours)
    assert [row.state for row in outbox(ours)] == ["failed"]


def test_people_are_patient_for_two_days_and_robots_for_four_hours(ours, mailbox, write, inside):
    answering_rule(ours, mailbox)
    ask(ours, mailbox)
    act(ours)
    write()
    spans = [round((row.give_up_at - row.created_at) / timedelta(hours=1)) for row in outbox(ours)]
    assert spans == [4, 48]


def test_robots_have_nothing_to_say_to_an_address_that_is_refused(ours, mailbox, smtp_sink, inside):
    answering_rule(ours, mailbox)
    ask(ours, mailbox)
    act(ours)
    smtp_sink.fail("RCPT", "550 5.1.1 No such user")
    send(ours)
    with inside(ours):
        assert db.session.scalars(select(UndeliverableAddress.address)).all() == ["anna@customer.test"]


def test_a_server_without_null_sender_gets_an_address_once_and_for_all(ours, mailbox, smtp_sink, inside):
    answering_rule(ours, mailbox)
    ask(ours, mailbox)
    act(ours)
    smtp_sink.fail("MAIL", "550 5.7.1 Null sender not permitted", times=1)
    assert [one.state for one in send(ours)] == ["sent"]
    ask(ours, mailbox, sender="other@elsewhere.test", body="other")
    act(ours)
    send(ours)
    assert [one.sender for one in smtp_sink.messages] == [mailbox.address, mailbox.address]
    with inside(ours):
        assert db.session.scalars(select(Account.smtp_refuses_null_sender)).all() == [True]


def test_a_wrong_password_stops_the_mailbox_and_keeps_the_queue(ours, mailbox, write, smtp_sink, inside):
    with inside(ours):
        account = db.session.scalars(select(Account)).one()
        account.smtp_user = smtp_sink.user
        store_password(account, "smtp", "wrong")
        db.session.commit()
    write()
    write()
    assert send(ours) == []
    assert smtp_sink.verbs().count("AUTH") == 1
    with inside(ours):
        assert sending_stop(mailbox).startswith("Sending is stopped: ")
        assert "user name or password" in sending_problem(mailbox)
    assert all(row.next_attempt_at > now() + timedelta(minutes=50) for row in outbox(ours))
    with inside(ours):
        store_password(db.session.scalars(select(Account)).one(), "smtp", smtp_sink.password)
        resume_sending(mailbox)
        db.session.commit()
        assert sending_stop(mailbox) == ""
    later(ours, inside)
    assert [one.state for one in send(ours)] == ["sent", "sent"]


def test_too_many_messages_slow_the_whole_mailbox_down(ours, write, smtp_sink):
    write()
    write()
    smtp_sink.fail("MAIL", "450 4.7.1 rate limit exceeded", times=1)
    assert send(ours) == []
    assert all(row.next_attempt_at > now() + timedelta(minutes=14) for row in outbox(ours))


def test_a_closed_port_is_tried_again(ours, mailbox, write, inside, app):
    with inside(ours):
        db.session.execute(update(Account).values(smtp_port=587))
        db.session.commit()
    write()
    assert send(ours) == []
    assert [row.state for row in outbox(ours)] == ["ready"]


def test_a_paused_mailbox_sends_nothing(ours, mailbox, write, smtp_sink, inside):
    write()
    with inside(ours):
        db.session.merge(mailbox).is_enabled = False
        db.session.commit()
    assert send(ours) == []
    assert smtp_sink.messages == []


def test_switching_answers_off_calls_back_those_that_wait(ours, mailbox, smtp_sink, inside):
    answering_rule(ours, mailbox)
    ask(ours, mailbox)
    act(ours)
    with inside(ours):
        db.session.add(overrides.OrganizationOverride(key="response.enabled", value=False, set_by="Ada"))
        db.session.commit()
    send(ours)
    assert smtp_sink.messages == []
    assert [row.state for row in outbox(ours)] == ["cancelled"]


def test_the_sweep_knows_whose_outbox_has_work(ours, theirs, write, inside):
    assert organizations_with_due_mail() == []
    write()
    assert organizations_with_due_mail() == [ours.id]
    send(ours)
    put(ours, inside, copy_state="done")
    assert organizations_with_due_mail() == []
