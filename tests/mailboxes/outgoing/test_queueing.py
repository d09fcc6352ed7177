"""A message is frozen when it is queued, and can be taken back until it is sent."""

import email
from datetime import timedelta
from email import policy

import pytest
from sqlalchemy import func, select

from mailboxes import outgoing
from mailboxes.arrivals import Raw
from mailboxes.composing import HEADERS, UnsafeMessageError
from mailboxes.messages import Message
from mailboxes.outgoing import CannotSendError, Outgoing, Reply, queue_reply, take_back
from mailboxes.replies import Person
from mailboxes.threads import Thread
from tenants.database import db, now
from tenants.errors import ConflictError
from tests.factories import make_mailbox
from tests.mailboxes.outgoing.queued import ANNA, BOB, later, raw_of
from tests.mailboxes.sending import ask, send, steps


def test_what_a_person_writes_is_in_the_conversation_at_once(ours, mailbox, write, inside):
    question = ask(ours, mailbox, message_id="q1@customer.test")
    row, message = write(answers=question, subject="Re: Question")
    assert (message.thread_id, message.direction, message.box) == (question.thread_id, "out", "sent")
    assert (message.in_reply_to, message.references) == ("q1@customer.test", ["q1@customer.test"])
    assert (message.sent_by_id, row.state, row.trigger_id) == (ours.member.id, "ready", question.id)
    assert steps(ours, message) == [("queued", "queued")]
    with inside(ours):
        assert db.session.get_one(Thread, (ours.id, question.thread_id)).message_count == 2


def test_a_new_message_opens_a_conversation(ours, write, inside):
    _, message = write(subject="Offer")
    with inside(ours):
        thread = db.session.get_one(Thread, (ours.id, message.thread_id))
        assert (thread.subject, thread.message_count, thread.outgoing_count) == ("Offer", 1, 1)


def test_everybody_gets_it_and_nobody_sees_the_blind_copy(ours, write, smtp_sink):
    row, message = write(
        cc=[BOB], bcc=[Person("", "boss@acme.test")], attachments=[("a.txt", "text/plain", b"x")]
    )
    send(ours)
    (sunk,) = smtp_sink.messages
    assert sunk.recipients == ("anna@customer.test", "bob@customer.test", "boss@acme.test")
    assert b"boss" not in sunk.content
    parsed = email.message_from_bytes(sunk.content, policy=policy.default)
    assert set(parsed.keys()) <= HEADERS
    assert str(parsed["Cc"]) == '"Bob, the builder" <bob@customer.test>'
    assert [part.get_filename() for part in parsed.iter_attachments()] == ["a.txt"]
    assert message.addresses["bcc"] == [{"name": "", "address": "boss@acme.test"}]
    assert message.attachment_count == 1
    assert sunk.content == raw_of(ours, row)


def test_a_message_comes_from_the_mailbox(ours, mailbox, write, smtp_sink):
    write()
    send(ours)
    (sunk,) = smtp_sink.messages
    assert sunk.sender == mailbox.address
    assert f"From: Support <{mailbox.address}>\r\n".encode() in sunk.content
    assert b"Auto-Submitted" not in sunk.content


def test_an_address_with_a_line_break_is_refused(write):
    with pytest.raises(UnsafeMessageError):
        write(to=[Person("", "a@x.test\r\nBcc: b@y.test")])


def test_a_mailbox_without_any_server_cannot_queue(ours, inside):
    silent = make_mailbox(ours)
    with inside(ours), pytest.raises(CannotSendError, match="no SMTP server"):
        queue_reply(silent, ours.member, Reply([ANNA], "x", "x"))


def test_within_the_undo_time_nothing_is_sent_and_all_can_be_taken_back(ours, write, smtp_sink, inside):
    row, _ = write(send_after=now() + timedelta(seconds=10))
    assert send(ours) == []
    with inside(ours):
        take_back(row.id)
        db.session.commit()
        for table in (Outgoing, Message, Thread, Raw):
            assert db.session.scalar(select(func.count()).select_from(table)) == 0
    later(ours, inside)
    assert send(ours) == []
    assert smtp_sink.messages == []


def test_taking_back_an_answer_leaves_the_conversation_as_it_was(ours, mailbox, write, inside):
    question = ask(ours, mailbox)
    row, _ = write(answers=question)
    with inside(ours):
        take_back(row.id)
        db.session.commit()
        thread = db.session.get_one(Thread, (ours.id, question.thread_id))
        assert (thread.message_count, thread.outgoing_count) == (1, 0)


def test_what_was_sent_cannot_be_taken_back(ours, write, inside):
    row, _ = write()
    send(ours)
    with inside(ours), pytest.raises(ConflictError, match="cannot be taken back"):
        take_back(row.id)


def test_a_neighbours_message_cannot_be_taken_back(theirs, write, inside):
    row, _ = write(send_after=now() + timedelta(seconds=10))
    with inside(theirs), pytest.raises(ConflictError):
        take_back(row.id)


@pytest.mark.parametrize("body", ["a\n.\nb", "a\r.\rb", "a\r\n.\r\nb", "a\n.\r\nMAIL FROM:<x@y>", ".\n.."])
def test_a_body_cannot_end_the_message(ours, write, smtp_sink, body):
    write(text=body)
    send(ours)
    assert len(smtp_sink.messages) == 1
    content = smtp_sink.messages[0].content.split(b"\r\n\r\n", 1)[1]
    assert content.decode().splitlines() == body.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def test_nothing_is_exported_that_is_not_there():
    assert all(hasattr(outgoing, name) for name in outgoing.__all__)
