"""From an incoming message to at most one automatic response, in the tables and at the sink."""

import dataclasses
import email
from datetime import timedelta
from email import policy

import pytest
from sqlalchemy import select, update

from mailboxes import mail_domains, responses
from mailboxes.accounts import Account
from mailboxes.composing import HEADERS
from mailboxes.conditions import Condition
from mailboxes.loop_tokens import is_own_loop_token, loop_token
from mailboxes.messages import Message
from mailboxes.outgoing import AUTOMATIC, REPLY
from mailboxes.responses import AutomaticResponse, preview, rehearse, respond
from mailboxes.templates import TemplateValues
from mailboxes.threads import Thread
from mailboxes.undeliverable import UndeliverableAddress
from tenants.configuration import overrides
from tenants.database import db, now
from tests.mailboxes.arriving import letter, receive
from tests.mailboxes.sending import (
    act,
    answering_rule,
    ask,
    let_out,
    outbox,
    reasons,
    send,
    sending_mailbox,
    steps,
)


@pytest.fixture
def mailbox(app, ours, theirs, smtp_sink, certificates):
    let_out(app, smtp_sink, certificates)
    return sending_mailbox(ours, smtp_sink)


@pytest.fixture
def rule(ours, mailbox):
    return answering_rule(ours, mailbox)


def sunk(sink):
    contents = [one.content.replace(b"\r\n", b"\n") for one in sink.messages]
    return [email.message_from_bytes(content, policy=policy.default) for content in contents]


def test_a_message_is_answered_once_with_every_mark(ours, mailbox, rule, smtp_sink):
    question = ask(ours, mailbox, subject="Where is it?", message_id="q1@customer.test")
    assert [one.is_answered for one in act(ours)] == [True]
    assert [row.state for row in send(ours)] == ["sent"]
    (envelope,), (answer,) = smtp_sink.messages, sunk(smtp_sink)
    assert (envelope.sender, envelope.recipients) == ("<>", ("anna@customer.test",))
    assert set(answer.keys()) <= HEADERS
    assert answer["From"].addresses[0].addr_spec == mailbox.address
    assert answer["To"] == "anna@customer.test"
    assert answer["Subject"] == "Auto: Where is it?"
    assert answer["Auto-Submitted"] == "auto-replied"
    assert answer["Precedence"] == "bulk"
    assert answer["X-Auto-Response-Suppress"] == "All"
    assert answer["In-Reply-To"] == answer["References"] == "<q1@customer.test>"
    assert answer["Message-ID"].startswith(f"<ar.{outbox(ours)[0].id}.")
    assert answer["X-Postroom-Loop"] == loop_token(ours.id, mailbox.id, question.id)
    assert answer["Date"]
    assert answer.get_content() == "Dear Anna,\n\nthank you.\n"


def test_the_timeline_of_the_question_tells_the_whole_story(ours, mailbox, rule):
    question = ask(ours, mailbox)
    act(ours)
    send(ours)
    assert steps(ours, question, "converted", "rules", "queued", "sent") == [
        ("converted", "not converted"),
        ("rules", "answered"),
        ("queued", "queued"),
        ("sent", "sent"),
    ]
    assert reasons(ours, question) == ["matched"]


def test_a_message_from_an_address_that_takes_no_mail_is_done_without_an_answer(ours, mailbox, rule):
    question = ask(ours, mailbox, sender=f"Anna <{'x' * 65}@customer.test>")
    assert [one.is_answered for one in act(ours)] == [False]
    assert reasons(ours, question) == ["R02-unusable-recipient"]


def test_a_job_that_runs_twice_answers_once(ours, mailbox, rule, smtp_sink, inside):
    question = ask(ours, mailbox)
    act(ours)
    with inside(ours):
        again = db.session.scalars(select(Message).where(Message.id == question.id)).one()
        assert respond(again).codes == ("already-decided",)
        again.work = "pending"
        db.session.commit()
    act(ours)
    send(ours)
    send(ours)
    assert len(smtp_sink.messages) == 1
    assert len(outbox(ours)) == 1


def test_the_answer_is_in_the_conversation(ours, mailbox, rule, inside):
    question = ask(ours, mailbox)
    act(ours)
    with inside(ours):
        thread = db.session.get_one(Thread, (ours.id, question.thread_id))
        assert (thread.message_count, thread.outgoing_count, thread.is_auto_replied) == (2, 1, True)
        answer = db.session.scalars(
            select(Message).where(Message.thread_id == thread.id, Message.direction == "out")
        ).one()
        assert (answer.box, answer.work, answer.is_automatic) == ("sent", "none", True)
        assert answer.in_reply_to == question.message_id


def test_a_second_message_within_the_window_is_not_answered(ours, mailbox, rule, smtp_sink):
    ask(ours, mailbox, subject="One")
    second = ask(ours, mailbox, subject="Two")
    act(ours)
    send(ours)
    assert len(smtp_sink.messages) == 1
    assert reasons(ours, second) == ["R14-window"]


def test_when_the_window_is_over_the_sender_is_answered_again(ours, mailbox, rule, smtp_sink, inside):
    ask(ours, mailbox, subject="One", body="one")
    act(ours)
    with inside(ours):
        db.session.execute(
            update(responses.ResponseWindow).values(next_allowed_at=now() - timedelta(seconds=1))
        )
        db.session.commit()
    ask(ours, mailbox, subject="Two", body="two")
    act(ours)
    assert len(outbox(ours)) == 2


def test_spellings_of_one_address_share_a_window(ours, mailbox, rule):
    ask(ours, mailbox, subject="One", sender="anna.x@gmail.com")
    second = ask(ours, mailbox, subject="Two", sender="AnnaX+tag@googlemail.com")
    act(ours)
    assert "R14-window" in reasons(ours, second)


def test_an_answer_in_the_conversation_gets_no_answer(ours, mailbox, rule):
    ask(ours, mailbox, message_id="q1@customer.test")
    act(ours)
    reply = ask(ours, mailbox, answers=["q1@customer.test"], sender="Bob <bob@elsewhere.test>")
    act(ours)
    assert "R13-answered-thread" in reasons(ours, reply)


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"headers": "Auto-Submitted: auto-generated"}, "R03-auto-submitted"),
        ({"headers": "List-Id: <x.y>"}, "R04-list"),
        ({"sender": "no-reply@customer.test"}, "R10-robot-sender"),
    ],
)
def test_a_machine_is_not_answered_and_the_timeline_says_why(ours, mailbox, rule, given, code):
    message = ask(ours, mailbox, **given)
    act(ours)
    assert code in reasons(ours, message)
    assert steps(ours, message, "rules") == [("rules", "not answered")]
    assert outbox(ours) == []


def test_our_own_mark_is_known_and_a_forged_one_has_no_effect(ours, mailbox, rule):
    forged = ask(ours, mailbox, headers="X-Postroom-Loop: " + "a" * 52, subject="Forged")
    act(ours)
    assert reasons(ours, forged) == ["matched"]
    token = loop_token(forged.id, mailbox.id, forged.id)  # of another organization, as it were
    own = ask(ours, mailbox, headers=f"X-Postroom-Loop: {token}", sender="Bob <bob@x.test>", subject="Own")
    act(ours)
    assert "R12-loop-token" in reasons(ours, own)


def test_a_mark_is_ours_only_whole(app, ours, mailbox):
    token = loop_token(ours.id, mailbox.id, mailbox.id)
    assert is_own_loop_token([token])
    other = "c" if token[0] == "b" else "b"
    for broken in ("", token[:-1], token[1:], other + token[1:], token.swapcase() + "a", "é"):
        assert not is_own_loop_token([broken])


def test_one_mailbox_never_answers_another(ours, mailbox, rule, smtp_sink):
    other = sending_mailbox(ours, smtp_sink)
    message = ask(ours, mailbox, sender=f"Other <{other.address}>")
    act(ours)
    assert "R11-own-address" in reasons(ours, message)


def test_the_first_rule_that_matches_answers(ours, mailbox, smtp_sink):
    invoices = TemplateValues(texts={"en": ("Invoice", "Ask billing.")})
    answering_rule(ours, mailbox, Condition("subject", "contains", "invoice"), response=invoices)
    answering_rule(ours, mailbox)
    ask(ours, mailbox, subject="My Invoice")
    act(ours)
    send(ours)
    assert [one["Subject"] for one in sunk(smtp_sink)] == ["Invoice"]


def test_a_condition_on_a_header_reads_the_raw(ours, mailbox):
    answering_rule(ours, mailbox, Condition("header:X-Priority", "starts_with", "1"))
    urgent = ask(ours, mailbox, headers="X-Priority: 1 (Highest)", sender="a@x.test")
    other = ask(ours, mailbox, sender="b@y.test")
    act(ours)
    assert reasons(ours, urgent) == ["matched"]
    assert reasons(ours, other) == ["no-rule"]


def test_the_answer_is_in_the_language_of_the_message(ours, mailbox, rule, smtp_sink):
    ask(
        ours,
        mailbox,
        body="Guten Tag, leider ist meine Bestellung noch nicht angekommen. Können Sie bitte nachsehen?",
    )
    act(ours)
    send(ours)
    assert sunk(smtp_sink)[0].get_content().startswith("Guten Tag Anna,")


def test_an_html_answer_always_has_a_text(ours, mailbox, smtp_sink):
    html = TemplateValues(kind="html", texts={"en": ("Hi", "<p>Dear {{ sender.name }}</p>")})
    answering_rule(ours, mailbox, response=html)
    ask(ours, mailbox, sender="A &amp; <a@x.test>")
    act(ours)
    send(ours)
    (answer,) = sunk(smtp_sink)
    assert [part.get_content_type() for part in answer.walk()] == [
        "multipart/alternative",
        "text/plain",
        "text/html",
    ]


def test_nothing_of_a_strangers_words_comes_back(ours, mailbox, rule, smtp_sink):
    ask(
        ours,
        mailbox,
        subject="Buy at http://evil.test " + "x" * 200,
        sender='"Visit http://evil.test now" <victim@bank.test>',
        body="secret words",
    )
    act(ours)
    send(ours)
    (answer,) = sunk(smtp_sink)
    assert len(answer["Subject"]) <= 78 + len("Auto: ")
    assert answer.get_content() == "Dear victim@bank.test,\n\nthank you.\n"


def test_an_answer_without_a_subject_of_its_own_gets_one(ours, mailbox, smtp_sink):
    answering_rule(ours, mailbox, response=TemplateValues(texts={"en": ("", "Thanks")}))
    ask(ours, mailbox, subject="Hello")
    act(ours)
    send(ours)
    assert sunk(smtp_sink)[0]["Subject"] == "Auto: Hello"


def test_an_answer_that_is_empty_for_this_message_is_not_sent(ours, mailbox):
    answering_rule(ours, mailbox, response=TemplateValues(texts={"en": ("x", "{{ lead.name }}")}))
    message = ask(ours, mailbox)
    act(ours)
    assert reasons(ours, message) == ["R32-template"]
    assert outbox(ours) == []


def test_a_domain_that_does_not_exist_is_not_answered(ours, mailbox, rule, app, monkeypatch):
    app.config["POSTROOM"] = dataclasses.replace(app.config["POSTROOM"], answers_reserved_domains=False)
    monkeypatch.setattr(mail_domains, "_asked", {"gone.org": "missing", "null.org": "null-mx"}.get)
    mail_domains._remembered.clear()
    gone, null = (ask(ours, mailbox, sender=f"a@{one}", body=one) for one in ("gone.org", "null.org"))
    reserved = ask(ours, mailbox, sender="a@shop.example")
    act(ours)
    assert {code for one in (gone, null, reserved) for code in reasons(ours, one)} == {"R23-dead-domain"}
    mail_domains._remembered.clear()


def test_a_mailbox_that_cannot_send_says_so(ours, mailbox, app, inside):
    answering_rule(ours, mailbox)
    with inside(ours):
        db.session.execute(update(Account).values(smtp_enabled=False))
        db.session.commit()
    message = ask(ours, mailbox)
    act(ours)
    assert reasons(ours, message) == ["R32-cannot-send"]


def test_the_organizations_switch_stops_answers(ours, mailbox, rule, inside):
    with inside(ours):
        db.session.add(overrides.OrganizationOverride(key="response.enabled", value=False, set_by="Ada"))
        db.session.commit()
    message = ask(ours, mailbox)
    act(ours)
    assert reasons(ours, message) == ["R20-switched-off"]


def test_the_mailboxs_limit_stops_answers(ours, mailbox, rule, inside):
    with inside(ours):
        db.session.add(overrides.OrganizationOverride(key="response.hourly_limit", value=1, set_by="Ada"))
        db.session.commit()
    ask(ours, mailbox, sender="a@x.test", body="one")
    second = ask(ours, mailbox, sender="b@y.test", body="two")
    act(ours)
    assert reasons(ours, second) == ["R19-mailbox-cap"]


def test_a_sender_has_few_answers_a_day_from_all_mailboxes(ours, mailbox, smtp_sink):
    answering_rule(ours, mailbox)
    mailboxes = [mailbox, *(sending_mailbox(ours, smtp_sink) for _ in range(2))]
    for other in mailboxes[1:]:
        answering_rule(ours, other)
    messages = [ask(ours, one, subject=f"To {one.address}") for one in mailboxes]
    act(ours)
    assert [reasons(ours, one) for one in messages] == [["matched"], ["matched"], ["R18-sender-cap"]]


def test_the_same_text_from_two_senders_of_a_domain_is_answered_once(ours, mailbox, rule):
    ask(ours, mailbox, sender="a@x.test", body="identical words")
    second = ask(ours, mailbox, sender="b@x.test", body="Identical  words")
    act(ours)
    assert reasons(ours, second) == ["R30-same-body"]


def test_history_is_never_answered(ours, mailbox, rule, inside):
    (message,) = receive(ours, mailbox, letter(to=mailbox.address), is_history=True)
    assert message.work == "none"
    with inside(ours):
        assert "R26-ineligible" in respond(db.session.merge(message)).codes


def come_back(world, mailbox, sent):
    """A mail server returns what was sent to Anna."""
    return ask(
        world,
        mailbox,
        sender="MAILER-DAEMON@customer.test",
        subject="Undeliverable: Auto",
        body=f"Your message could not be delivered.\n\nMessage-ID: <{sent.header_id}>\n",
        headers="Return-Path: <>\nAuto-Submitted: auto-replied\nX-Failed-Recipients: anna@customer.test",
    )


def test_a_bounce_of_an_answer_is_linked_and_silences_the_address(ours, mailbox, rule, inside):
    ask(ours, mailbox)
    act(ours)
    (row,) = outbox(ours)
    bounce = come_back(ours, mailbox, row)
    act(ours)
    assert bounce.is_bounce
    assert "R08-report" in reasons(ours, bounce)
    assert ("changed", "linked") in steps(ours, bounce)
    with inside(ours):
        assert db.session.scalars(select(UndeliverableAddress.address)).all() == ["anna@customer.test"]
        db.session.execute(update(responses.ResponseWindow).values(next_allowed_at=now()))
        db.session.commit()
    again = ask(ours, mailbox, subject="Again", body="something else")
    act(ours)
    assert "R33-undeliverable" in reasons(ours, again)


@pytest.mark.parametrize(("kind", "status"), [(REPLY, "open"), (AUTOMATIC, "done")])
def test_a_conversation_that_is_done_is_open_again_where_a_persons_answer_comes_back(
    ours, mailbox, rule, inside, kind, status
):
    question = ask(ours, mailbox)
    act(ours)
    (row,) = outbox(ours)
    with inside(ours):
        db.session.execute(update(type(row)).values(kind=kind))
        db.session.execute(update(Thread).values(status="done"))
        db.session.commit()
    bounce = come_back(ours, mailbox, row)
    act(ours)
    assert bounce.thread_id == question.thread_id
    assert (("changed", "open") in steps(ours, bounce)) == (status == "open")
    with inside(ours):
        assert db.session.scalars(select(Thread.status)).all() == [status]


def test_a_rehearsal_says_what_would_have_been_and_keeps_nothing(ours, mailbox, rule, inside):
    message = ask(ours, mailbox)
    act(ours)
    answering_rule(ours, mailbox, Condition("subject", "is_empty"))
    with inside(ours):
        message = db.session.merge(message)
        assert rehearse(message).send
        assert rehearse(message, []).codes == ("no-rule",)
        assert preview(db.session.merge(rule), message).text == "Dear Anna,\n\nthank you.\n"
        assert preview(db.session.merge(rule), message, "de").language == "de"
        assert not db.session.new
    assert len(outbox(ours)) == 1


def test_a_neighbour_hears_nothing(ours, theirs, mailbox, rule, smtp_sink, inside):
    ask(ours, mailbox)
    act(ours)
    act(theirs)
    send(theirs)
    assert smtp_sink.messages == []
    with inside(theirs):
        assert db.session.scalars(select(AutomaticResponse)).all() == []
    send(ours)
    assert len(smtp_sink.messages) == 1
