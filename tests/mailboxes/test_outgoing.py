"""The outbox: frozen when queued, sent at most once unasked, and every doubt said aloud."""

import email
from datetime import timedelta
from email import policy
from typing import ClassVar
from uuid import UUID

import pytest
from sqlalchemy import func, select, update

from mailboxes import outgoing, timeline
from mailboxes.accounts import Account, Folder
from mailboxes.arrivals import Raw
from mailboxes.composing import HEADERS, UnsafeMessageError
from mailboxes.connection_places import filing
from mailboxes.connections import store_password
from mailboxes.errors import (
    CommandRefusedError,
    ConnectionLostError,
    MailboxFullError,
    ServerTimeoutError,
    ThrottledError,
    TurnedAwayError,
)
from mailboxes.messages import Location, Message
from mailboxes.outgoing import (
    CannotSendError,
    Outgoing,
    Reply,
    file_copies,
    organizations_with_due_mail,
    queue_reply,
    resume_sending,
    route_of,
    send_again,
    sending_problem,
    sending_stop,
    take_back,
)
from mailboxes.outgoing.copies import MOST_ATTEMPTS
from mailboxes.outgoing.sending import _pass_the_point_of_no_return
from mailboxes.replies import Person
from mailboxes.smtp import DeliveryResult
from mailboxes.threads import Thread
from mailboxes.undeliverable import UndeliverableAddress
from tenants.configuration import overrides
from tenants.database import db, now
from tenants.errors import ConflictError, ForbiddenError, NotFoundError
from tests.factories import make_mailbox, make_member
from tests.mailboxes.arriving import receive
from tests.mailboxes.sending import (
    act,
    answering_rule,
    ask,
    let_out,
    outbox,
    send,
    sending_mailbox,
    steps,
)
from tests.smtp_sink import DROP

ANNA = Person("Anna", "anna@customer.test")
BOB = Person("Bob, the builder", "bob@customer.test")


@pytest.fixture
def mailbox(app, ours, smtp_sink, certificates):
    let_out(app, smtp_sink, certificates)
    return sending_mailbox(ours, smtp_sink, label="Support")


@pytest.fixture
def write(ours, mailbox, inside):
    """Queue a person's message, and commit; the row and its message."""

    def write(answers=None, send_after=None, **given):
        with inside(ours):
            reply = Reply(**{"to": [ANNA], "subject": "Hi", "text": "Hello", **given})
            row = queue_reply(mailbox, ours.member, reply, answers=answers, send_after=send_after)
            db.session.commit()
            return row, db.session.get_one(Message, (ours.id, row.message_id))

    return write


def put(world, inside, **values):
    """Change every row of the outbox."""
    with inside(world):
        db.session.execute(update(Outgoing).values(**values))
        db.session.commit()


def later(world, inside):
    """Whatever waits for another attempt waits no more."""
    put(world, inside, next_attempt_at=now() - timedelta(seconds=1))


# --- queueing ----------------------------------------------------------------------------------------


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
    assert sunk.content == _raw(ours, row)


def _raw(world, row):
    from mailboxes.raws import raw_content
    from tenants.database import inside

    with inside(world.id):
        return raw_content(db.session.get_one(Message, (world.id, row.message_id)).raw_id)


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


# --- undo --------------------------------------------------------------------------------------------


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


# --- the state machine -------------------------------------------------------------------------------


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
    assert [one.content for one in smtp_sink.messages] == [_raw(ours, row)]


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


# --- by which server, as whom ------------------------------------------------------------------------


def through_the_system(world, sink, inside, address="post@system.test"):
    settings = {
        "smtp.host": "localhost",
        "smtp.port": sink.tls_port,
        "smtp.encryption": "tls",
        "notice.sender_address": address,
    }
    with inside(world):
        for key, value in settings.items():
            db.session.add(overrides.OrganizationOverride(key=key, value=value, set_by="Ada"))
        db.session.commit()


def test_an_unproven_address_sends_as_the_system_and_is_answered_at_its_own(ours, mailbox, smtp_sink, inside):
    through_the_system(ours, smtp_sink, inside)
    unproven = make_mailbox(ours, label="Sales")
    with inside(ours):
        queue_reply(unproven, ours.member, Reply([ANNA], "x", "x"))
        db.session.commit()
    send(ours)
    (sunk,) = smtp_sink.messages
    assert sunk.sender == "post@system.test"
    assert b"From: Sales via Postroom <post@system.test>\r\n" in sunk.content
    assert f"Reply-To: Sales <{unproven.address}>\r\n".encode() in sunk.content


def test_an_organization_names_no_sender_that_the_system_sends_for(ours, mailbox, inside):
    for key, value in {"smtp.host": "relay.test", "notice.sender_address": "post@system.test"}.items():
        db.session.add(overrides.SystemOverride(key=key, value=value, set_by="Sam"))
    db.session.commit()
    with inside(ours):
        forged = overrides.OrganizationOverride(
            key="notice.sender_address", value="boss@bank.test", set_by=""
        )
        db.session.add(forged)
        db.session.commit()
        route = route_of(make_mailbox(ours))
    assert route.sender.mailer.address == "post@system.test"


def test_a_proven_address_sends_as_itself_through_the_system(ours, mailbox, smtp_sink, inside):
    through_the_system(ours, smtp_sink, inside)
    address = "sales@proven.test"
    signs_in = {"imap_user": address, "imap_host": "imap.proven.test", "synced_at": now()}
    proven = make_mailbox(ours, address=address, account=signs_in)
    with inside(ours):
        queue_reply(proven, ours.member, Reply([ANNA], "x", "x"))
        db.session.commit()
    send(ours)
    assert smtp_sink.messages[0].sender == address
    assert b"Reply-To" not in smtp_sink.messages[0].content


@pytest.mark.parametrize(
    ("host", "is_proven"),
    [("bank.test", True), ("mail.bank.test", True), ("imap.gmail.com", True), ("evilbank.test", False)],
)
def test_a_server_of_ones_own_proves_no_address_elsewhere(ours, smtp_sink, inside, host, is_proven):
    through_the_system(ours, smtp_sink, inside)
    signs_in = {"imap_user": "boss@bank.test", "imap_host": host, "synced_at": now()}
    claimed = make_mailbox(ours, address="boss@bank.test", account=signs_in)
    with inside(ours):
        assert (route_of(claimed).sender.mailer.address == "boss@bank.test") == is_proven


def test_what_was_written_for_a_server_of_ones_own_does_not_go_through_the_systems(
    ours, mailbox, write, smtp_sink, inside
):
    write()
    through_the_system(ours, smtp_sink, inside)
    with inside(ours):
        db.session.execute(update(Account).values(smtp_enabled=False))
        db.session.commit()
    send(ours)
    assert smtp_sink.messages == []
    (row,) = outbox(ours)
    assert row.state == "failed"
    assert "another SMTP server" in row.last_error


def test_without_a_sender_address_the_system_sends_for_nobody(ours, mailbox, smtp_sink, inside):
    through_the_system(ours, smtp_sink, inside, address="")
    with inside(ours):
        assert "no sender address" in sending_problem(make_mailbox(ours))


# --- the copy in Sent --------------------------------------------------------------------------------


class Imap:
    """Stands in for a connection: what was appended."""

    appended: ClassVar[list[tuple[bytes, bytes, tuple[str, ...]]]] = []
    error: Exception | None = None
    search_error: Exception | None = None
    is_out_of_step = False

    def __init__(self, *_):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def has_message(self, folder, message_id, since):
        if self.search_error:
            self.is_out_of_step = self.search_error.needs_reconnect
            raise self.search_error
        wanted = f"Message-ID: <{message_id}>".encode()
        return any(place == folder and wanted in raw for place, raw, _ in self.appended)

    def reopen(self):
        self.is_out_of_step = False

    def append(self, folder, raw, flags=(), when=None):
        if self.is_out_of_step:
            raise ConnectionLostError
        if self.error:
            raise self.error
        self.appended.append((folder, raw, flags))


@pytest.fixture
def imap(monkeypatch):
    Imap.appended, Imap.error, Imap.search_error = [], None, None
    monkeypatch.setattr("mailboxes.outgoing.copies.ImapConnection", Imap)
    return Imap


@pytest.fixture
def with_sent(ours, mailbox, inside):
    with inside(ours):
        db.session.execute(update(Account).values(imap_enabled=True, imap_host="localhost"))
        db.session.add(
            Folder(
                organization_id=ours.id,
                account_id=mailbox.account_id,
                name_raw=b"Sent",
                name="Sent",
                special_use="sent",
            )
        )
        db.session.commit()


def copy(world, inside):
    put(world, inside, copy_after=now() - timedelta(seconds=1))
    with inside(world):
        return file_copies()


def test_a_copy_is_filed_once_after_a_while(ours, write, with_sent, imap, smtp_sink, inside):
    _, message = write()
    send(ours)
    with inside(ours):
        assert file_copies() == 0
    assert copy(ours, inside) == 1
    assert copy(ours, inside) == 0
    assert imap.appended == [(b"Sent", smtp_sink.messages[0].content, ("\\Seen",))]
    assert steps(ours, message, "filed") == [("filed", "filed")]


def test_copies_of_one_account_are_filed_one_at_a_time_and_waiting_is_no_attempt(
    ours, mailbox, write, with_sent, imap, inside
):
    _, message = write()
    send(ours)
    with filing(mailbox.account_id):
        for _ in range(MOST_ATTEMPTS + 1):
            assert copy(ours, inside) == 0
    assert imap.appended == []
    assert steps(ours, message, "filed") == []
    with filing(mailbox.id):  # another account's
        assert copy(ours, inside) == 1


def test_of_two_sent_folders_the_one_that_is_called_so_gets_the_copy(
    ours, mailbox, write, with_sent, imap, inside
):
    with inside(ours):
        db.session.execute(
            update(Folder).where(Folder.name == "Sent").values(name="INBOX.Sent", delimiter=".")
        )
        other = {"name_raw": b"Alt", "name": "Alt", "special_use": "sent", "id": UUID(int=1)}
        db.session.add(Folder(organization_id=ours.id, account_id=mailbox.account_id, **other))
        db.session.commit()
    write()
    send(ours)
    assert copy(ours, inside) == 1
    assert [place for place, _, _ in imap.appended] == [b"Sent"]


def test_a_copy_is_filed_once_although_we_died_after_filing_it(ours, write, with_sent, imap, inside):
    write()
    send(ours)
    assert copy(ours, inside) == 1
    put(ours, inside, copy_state="pending")
    assert copy(ours, inside) == 1
    assert len(imap.appended) == 1
    assert [row.copy_state for row in outbox(ours)] == ["done"]


def test_a_server_that_searches_nothing_still_gets_the_copy(ours, write, with_sent, imap, inside):
    imap.search_error = CommandRefusedError()
    write()
    send(ours)
    assert copy(ours, inside) == 1
    assert len(imap.appended) == 1


@pytest.mark.parametrize("error", [ServerTimeoutError, TurnedAwayError])  # Yahoo: NO [SERVERBUG]
def test_a_search_that_breaks_off_keeps_no_first_copy_back_and_files_none_twice(
    ours, write, with_sent, imap, inside, error
):
    imap.search_error = error()
    write()
    send(ours)
    assert copy(ours, inside) == 1
    put(ours, inside, copy_state="pending")  # as if we had died after filing it
    assert copy(ours, inside) == 0
    assert len(imap.appended) == 1


def test_a_copy_waits_where_the_server_asks_for_quiet(ours, write, with_sent, imap, inside):
    imap.search_error = ThrottledError()
    write()
    send(ours)
    assert copy(ours, inside) == 0
    assert imap.appended == []


def test_a_mailbox_that_is_full_is_said_to_be(ours, write, with_sent, imap, inside):
    imap.error = MailboxFullError()
    _, message = write()
    send(ours)
    put(ours, inside, copy_attempts=MOST_ATTEMPTS - 1)
    assert copy(ours, inside) == 0
    assert [row.copy_state for row in outbox(ours)] == ["failed"]
    with inside(ours):
        query = select(timeline.Event.reason).where(
            timeline.Event.message_id == message.id, timeline.Event.stage == "filed"
        )
        assert "The mailbox is full." in db.session.scalars(query).one()


def test_a_server_that_filed_its_own_copy_gets_none_of_ours(
    ours, mailbox, write, with_sent, imap, smtp_sink, inside
):
    write()
    send(ours)
    rewritten = b"Received: by relay\r\n" + smtp_sink.messages[0].content
    receive(ours, mailbox, rewritten, folder="sent")
    assert copy(ours, inside) == 0
    assert imap.appended == []
    assert [row.copy_state for row in outbox(ours)] == ["skipped"]
    with inside(ours):
        assert db.session.scalar(select(func.count()).select_from(Location)) == 1
        assert db.session.scalar(select(func.count()).select_from(Message)) == 1


@pytest.mark.parametrize(
    "values", [{"kind": "google"}, {"kind": "microsoft"}, {"copies_sent": False}, {"imap_enabled": False}]
)
def test_no_copy_where_none_is_wanted(ours, write, with_sent, imap, inside, values):
    with inside(ours):
        db.session.execute(update(Account).values(**values))
        db.session.commit()
    write()
    send(ours)
    assert copy(ours, inside) == 0
    assert imap.appended == []


def test_a_copy_that_cannot_be_filed_never_sends_again(ours, write, with_sent, imap, smtp_sink, inside):
    from mailboxes.errors import ServerUnavailableError

    imap.error = ServerUnavailableError()
    write()
    send(ours)
    for _ in range(7):
        assert copy(ours, inside) == 0
    (row,) = outbox(ours)
    assert (row.state, row.copy_state, row.copy_attempts) == ("sent", "failed", 6)
    assert len(smtp_sink.messages) == 1


# --- smuggling ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", ["a\n.\nb", "a\r.\rb", "a\r\n.\r\nb", "a\n.\r\nMAIL FROM:<x@y>", ".\n.."])
def test_a_body_cannot_end_the_message(ours, write, smtp_sink, body):
    write(text=body)
    send(ours)
    assert len(smtp_sink.messages) == 1
    content = smtp_sink.messages[0].content.split(b"\r\n\r\n", 1)[1]
    assert content.decode().splitlines() == body.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def test_nothing_is_exported_that_is_not_there():
    assert all(hasattr(outgoing, name) for name in outgoing.__all__)
