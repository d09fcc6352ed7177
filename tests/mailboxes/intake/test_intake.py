"""Delivery: arrivals become messages, once, in their threads; what is broken is set aside."""

import random
import re
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import cast, func, select, update
from sqlalchemy.dialects.postgresql import REGCONFIG
from sqlalchemy.exc import IntegrityError

from mailboxes import subjects, timeline
from mailboxes.arrivals import Arrival, Raw, delivering, delivering_a_share
from mailboxes.intake import batches, deliver
from mailboxes.intake.arrived import FEW_ATTEMPTS, MOST_ATTEMPTS, TOO_LARGE
from mailboxes.intake.held import process_again
from mailboxes.messages import Attachment, Location, Message
from mailboxes.parsing import stable_hash
from mailboxes.search import MessageWords
from mailboxes.system_mailboxes import Mailbox
from mailboxes.threads import Thread
from tenants.database import db, now
from tests.factories import World, make_mailbox
from tests.mailboxes.arriving import arrive, deliver_again, letter, messages_of, receive


@pytest.fixture
def mailbox(ours: World) -> Mailbox:
    return make_mailbox(ours, action="lead")


def count_of(model: Any, *conditions: Any) -> int:
    return db.session.scalar(select(func.count()).select_from(model).where(*conditions)) or 0


def result_of(stage: str, message: Message) -> str:
    """What the timeline of a message says of a stage (inside the organization)."""
    return next(event.result for event in timeline.events_of(message) if event.stage == stage)


def test_an_arrival_becomes_a_message_with_everything_that_hangs_on_it(
    ours: World, mailbox: Mailbox, inside: Any
) -> None:
    (message,) = receive(ours, mailbox, letter("Offer", message_id="a@x", body="Dear all"))
    assert (message.subject, message.sender_address, message.text) == (
        "Offer",
        "alice@customer.test",
        "Dear all\n",
    )
    assert (message.direction, message.box, message.message_id) == ("in", "inbox", "a@x")
    assert (message.is_opening, message.may_convert, message.may_respond) == (True, True, True)
    assert message.work == "pending"
    with inside(ours):
        thread = db.session.scalars(select(Thread)).one()
        assert (thread.subject, thread.message_count, thread.incoming_count) == ("Offer", 1, 1)
        assert thread.participants == ["alice@customer.test", "help@acme.test"]
        assert thread.senders == ["Alice"]
        stages = [event.stage for event in timeline.events_of(message)]
        assert stages == ["fetched", "parsed", "classified", "threaded", "stored"]
        words = func.plainto_tsquery(cast("simple", REGCONFIG), "dear OFFER customer test")
        found = db.session.scalars(select(MessageWords.id).where(MessageWords.words.op("@@")(words)))
        assert list(found) == [message.id]


def test_history_is_read_without_what_only_an_answer_needs(ours: World, mailbox: Mailbox) -> None:
    text = "This is a sentence that is written in English, and so is this one."
    (new,) = receive(ours, mailbox, letter("New", body=text))
    (old,) = receive(ours, mailbox, letter("Old", body=text), is_history=True)
    assert ("body_hash" in new.facts, new.language) == (True, "en")
    assert ("body_hash" in old.facts, old.language) == (False, None)


def test_a_text_that_says_what_it_is_is_believed_in_every_conversation(ours: World, mailbox: Mailbox) -> None:
    (question,) = receive(ours, mailbox, letter("Help", message_id="a@x"))
    text = "This is an automated response, your ticket has the number 7."
    (answer,) = receive(ours, mailbox, letter("Re: Help", message_id="b@x", answers=["a@x"], body=text))
    assert answer.thread_id == question.thread_id
    assert (answer.is_automatic, answer.automatic_reasons) == (True, ["automatic-text"])


def test_a_subject_that_is_the_conversations_makes_no_answer_automatic(
    ours: World, mailbox: Mailbox, inside: Any
) -> None:
    first = letter("Delivery failed", message_id="a@x", body="My parcel never came.")
    (question,) = receive(ours, mailbox, first)
    with inside(ours):
        db.session.execute(update(Thread).values(status="waiting"))
        db.session.commit()
    answers = letter("Delivery failed", message_id="b@x", answers=["a@x"], body="It came today.")
    away = letter("Delivery failed: parcel", message_id="c@x", answers=["a@x"], body="Hello")
    (answer, report) = receive(ours, mailbox, answers, away)
    assert answer.thread_id == report.thread_id == question.thread_id
    assert (answer.is_automatic, answer.automatic_reasons) == (False, [])
    assert "has_automatic_subject_confirmed" not in answer.facts
    assert (report.is_automatic, report.automatic_reasons) == (True, ["automatic-subject"])
    with inside(ours):
        assert db.session.scalars(select(Thread.status)).one() == "open"
        kinds = {one: result_of("classified", one) for one in (answer, report)}
    assert kinds == {answer: "personal", report: "automatic"}


def test_an_arrival_lies_in_a_folder_of_its_own_account(ours: World, mailbox: Mailbox, inside: Any) -> None:
    other = make_mailbox(ours, address="other@acme.test")
    with inside(ours), pytest.raises(IntegrityError, match="fk_arrivals_owner_id_account_id_folder_id"):
        arrive(mailbox, letter(), account_id=other.account_id)


def test_delivering_twice_stores_once(ours: World, mailbox: Mailbox, inside: Any) -> None:
    receive(ours, mailbox, letter())
    assert deliver_again(ours, mailbox) == []
    with inside(ours):
        db.session.execute(Arrival.__table__.update().values(state="stored", attempts=0))
        db.session.commit()
        deliver(mailbox.account_id)
        assert (count_of(Message), count_of(Location), count_of(Thread)) == (1, 1, 1)
        assert count_of(timeline.Event) == 1  # no step a second time: it is the same place
        assert count_of(Arrival, Arrival.state == "delivered") == 1


def test_the_same_message_in_two_folders_is_one_with_two_locations(
    ours: World, mailbox: Mailbox, inside: Any
) -> None:
    raw = letter(message_id="same@x")
    receive(ours, mailbox, raw)
    (again,) = receive(ours, mailbox, b"Received: by another\r\n" + raw, folder="archive")
    with inside(ours):
        assert (count_of(Message), count_of(Location)) == (1, 2)
        assert again.box == "inbox"


def test_one_message_id_with_two_bodies_is_two_messages(ours: World, mailbox: Mailbox, inside: Any) -> None:
    first, second = receive(
        ours, mailbox, letter(message_id="dup@x", body="one"), letter(message_id="dup@x", body="two")
    )
    assert first.id != second.id
    assert first.thread_id != second.thread_id


def test_messages_without_message_id_are_all_kept(ours: World, mailbox: Mailbox) -> None:
    assert len(receive(ours, mailbox, *(letter(body=f"number {n}") for n in range(5)))) == 5


def test_two_organizations_share_nothing_but_the_message_id(
    ours: World, theirs: World, mailbox: Mailbox, inside: Any
) -> None:
    raw = letter(message_id="same@x")
    (mine,) = receive(ours, mailbox, raw)
    (other,) = receive(
        theirs, make_mailbox(theirs, action="lead"), letter("Re: Question", answers=["same@x"]), raw
    )[:1]
    assert mine.thread_id != other.thread_id
    with inside(ours):
        assert (count_of(Message), count_of(Raw)) == (1, 1)


def test_history_makes_no_work(ours: World, mailbox: Mailbox) -> None:
    (message,) = receive(ours, mailbox, letter(), is_history=True, flags=["\\Seen"])
    assert (message.may_convert, message.may_respond, message.work) == (False, False, "none")
    assert "history" in message.conversion_reason
    assert message.is_read_by_all


def test_new_mail_is_done_before_the_history_beside_it(ours: World, mailbox: Mailbox, inside: Any) -> None:
    """A large batch of history takes its time: what is new is committed, and told, before that begins."""
    with inside(ours):
        arrive(mailbox, letter("Old", body="one"), letter("Older", body="two"), is_history=True)
        arrive(mailbox, letter("New", body="three"))
        told = [batch.new_count for batch in deliver(mailbox.account_id)]
        first = db.session.scalars(select(Message.subject).order_by(Message.id)).first()
    assert (told, first) == ([1, 2], "New")


@pytest.mark.parametrize("folder", ["sent", "drafts", "junk", "trash"])
def test_other_folders_make_no_work(ours: World, mailbox: Mailbox, folder: str) -> None:
    (message,) = receive(ours, mailbox, letter(), folder=folder)
    assert (message.may_convert, message.may_respond, message.work) == (False, False, "none")


def test_a_reply_makes_no_record_but_is_to_be_acted_upon(ours: World, mailbox: Mailbox) -> None:
    _, reply = receive(
        ours, mailbox, letter(message_id="a@x"), letter("Re: Question", message_id="b@x", answers=["a@x"])
    )
    assert (reply.is_opening, reply.may_convert, reply.may_respond) == (False, False, False)
    assert reply.work == "pending"


@pytest.mark.parametrize(
    "name", ["security@bank.test", "Bank (security＠bank.test)", "=?utf-8?q?a=40bank.test?="]
)
def test_a_name_that_poses_as_an_address_is_shown_as_the_address_it_hides(
    ours: World, mailbox: Mailbox, name: str
) -> None:
    posing, named = receive(
        ours,
        mailbox,
        letter(sender=f'"{name}" <evil@x.test>' if "=?" not in name else f"{name} <evil@x.test>"),
        letter(sender='"Doe, Anna" <anna@x.test>', body="named"),
    )
    assert (posing.sender_name, posing.sender_address) == ("", "evil@x.test")
    assert posing.addresses["from"][0]["name"]
    assert named.sender_name == "Doe, Anna"


def test_whoever_poses_as_a_participant_joins_nothing_by_its_subject(ours: World) -> None:
    mailbox = make_mailbox(ours, trusted_authserv_id="mx.acme.test")
    results = "Authentication-Results: mx.acme.test; dmarc={} header.from=customer.test"
    question, answer, posing = (
        letter(subject, body=result, headers=results.format(result))
        for subject, result in (("Order 7", "pass"), ("Re: Order 7", "none"), ("Re: Order 7", "fail"))
    )
    first, honest, forged = receive(ours, mailbox, question, answer, posing)
    assert honest.thread_id == first.thread_id
    assert forged.thread_id != first.thread_id


def test_an_automatic_message_makes_no_record_unless_asked(
    ours: World, mailbox: Mailbox, inside: Any
) -> None:
    raw = letter(headers="Auto-Submitted: auto-generated")
    (message,) = receive(ours, mailbox, raw)
    assert (message.is_automatic, message.may_convert) == (True, False)
    eager = make_mailbox(ours, action="case", converts_automatic=True)
    assert receive(ours, eager, raw)[0].may_convert
    trusting = make_mailbox(ours, action="case", trusted_forms=["alice@customer.test"])
    assert receive(ours, trusting, raw)[0].may_convert


def test_what_comes_through_a_list_that_is_our_own_address_is_a_persons(ours: World, theirs: World) -> None:
    signs = "Precedence: list\nList-Id: <team.acme.test>\nList-Post: <mailto:team@acme.test>"
    raw = letter(to="team@acme.test", headers=signs)
    own = make_mailbox(ours, action="case", aliases=["team@acme.test"])
    (message,) = receive(ours, own, raw)
    assert (message.is_automatic, message.automatic_reasons) == (False, [])
    assert (message.may_convert, message.may_respond) == (True, True)
    (other,) = receive(theirs, make_mailbox(theirs, action="case"), raw)
    assert (other.is_automatic, other.automatic_reasons) == (True, ["list", "precedence"])
    assert not other.may_convert


@pytest.mark.parametrize(
    "envelope",
    [
        "owner-team@acme.test",  # an alias with an owner: Postfix, Sendmail
        "team-owner@acme.test",
        "team-bounces@acme.test",  # Mailman, told to add no header
        "team-bounce@acme.test",
    ],
)
def test_whoever_writes_through_an_alias_of_ours_that_has_an_owner_is_a_person(
    ours: World, theirs: World, envelope: str
) -> None:
    raw = letter(to="team@acme.test", headers=f"Return-Path: <{envelope}>")
    own = make_mailbox(ours, action="case", aliases=["team@acme.test"])
    (message,) = receive(ours, own, raw)
    assert (message.automatic_reasons, message.may_convert, message.may_respond) == ([], True, True)
    (other,) = receive(theirs, make_mailbox(theirs, action="case"), raw)
    assert (other.automatic_reasons, other.may_convert) == (["list"], False)


@pytest.mark.parametrize(
    ("signs", "reasons"),
    [
        ("Return-Path: <owner-teams@acme.test>", ["list"]),
        ("Return-Path: <owner-team@other.test>", ["list"]),
        ("Return-Path: <owner-team@acme.test>\nList-Unsubscribe: <https://news.test/>", ["list"]),
        ("Return-Path: <owner-team@acme.test>\nPrecedence: bulk", ["list", "precedence"]),
        ("Return-Path: <owner-team@acme.test>\nAuto-Submitted: auto-replied", ["auto-submitted"]),
    ],
)
def test_other_lists_newsletters_and_programs_pass_an_alias_of_ours_as_what_they_are(
    ours: World, signs: str, reasons: list[str]
) -> None:
    own = make_mailbox(ours, action="case", aliases=["team@acme.test"])
    (message,) = receive(ours, own, letter(to="team@acme.test", headers=signs))
    assert (message.automatic_reasons, message.may_convert) == (reasons, False)


def test_a_form_that_nobody_has_named_makes_a_record(ours: World) -> None:
    mailbox = make_mailbox(ours, action="case")
    sent = {"sender": "Web <web@site.test>", "body": "This e-mail was sent automatically.\n\nPlease call me."}
    reply_to = "Reply-To: Carl <carl@home.test>"
    (filled_in,) = receive(ours, mailbox, letter(**sent, headers=reply_to))
    assert (filled_in.is_automatic, filled_in.may_convert) == (True, True)
    assert filled_in.conversion_reason.startswith("It looks like a web form")
    programs = [
        letter("To itself", **sent, headers="Reply-To: info@site.test"),
        letter("To two", **sent, headers=f"{reply_to}, eve@home.test"),
        letter("Says so elsewhere", **sent, headers=f"{reply_to}\nAuto-Submitted: auto-generated"),
        letter("Answers", **sent, headers=reply_to, answers=["unknown@site.test"]),
    ]
    assert [one.may_convert for one in receive(ours, mailbox, *programs)] == [False] * 4


def test_mail_from_before_the_automation_makes_no_record(ours: World) -> None:
    mailbox = make_mailbox(ours, action="lead", automation_from=now() + timedelta(hours=1))
    (message,) = receive(ours, mailbox, letter())
    assert not message.may_convert
    assert "before automation" in message.conversion_reason


def test_the_senders_date_decides_nothing(ours: World, mailbox: Mailbox) -> None:
    raw = letter().replace(b"4 May 2026", b"4 May 1999")
    assert receive(ours, mailbox, raw)[0].may_convert


def test_our_own_message_in_the_inbox_is_not_acted_upon(ours: World, mailbox: Mailbox) -> None:
    (message,) = receive(ours, mailbox, letter(sender=f"Help <{mailbox.address.upper()}>"))
    assert (message.direction, message.work) == ("in", "none")
    assert message.conversion_reason == "It is our own message."


def test_a_web_form_may_write_from_the_address_of_the_mailbox(ours: World) -> None:
    mailbox = make_mailbox(ours, action="case", address="form@acme.test", trusted_forms=["form@acme.test"])
    raw = letter(sender="Form <form@acme.test>", headers="Reply-To: carl@home.test")
    (asked,) = receive(ours, mailbox, raw)
    assert (asked.direction, asked.may_convert) == ("in", True)
    (filed,) = receive(ours, mailbox, letter("Filed", sender="form@acme.test"), folder="sent")
    assert (filed.direction, filed.may_convert) == ("out", False)


def test_a_message_in_sent_goes_out_and_joins_its_thread(ours: World, mailbox: Mailbox, inside: Any) -> None:
    (question,) = receive(ours, mailbox, letter(message_id="a@x"))
    (answer,) = receive(
        ours,
        mailbox,
        letter("Re: Question", sender=mailbox.address, to="alice@customer.test", answers=["a@x"]),
        folder="sent",
    )
    assert (answer.direction, answer.thread_id, answer.work) == ("out", question.thread_id, "none")
    with inside(ours):
        thread = db.session.scalars(select(Thread)).one()
        assert (thread.incoming_count, thread.outgoing_count) == (1, 1)


def test_a_broken_message_is_quarantined_and_the_next_ones_go_on(
    ours: World, mailbox: Mailbox, inside: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mailboxes.intake.batches as intake

    read = intake.read_message

    def fails(raw: bytes, *given: Any, **more: Any) -> Any:
        if b"poison" in raw:
            raise RecursionError("too deep")
        return read(raw, *given, **more)

    monkeypatch.setattr(intake, "read_message", fails)
    with inside(ours):
        ids = arrive(mailbox, letter(body="one"), letter(body="poison"), letter(body="two"))
        (batch,) = deliver(mailbox.account_id)
        assert (batch.new_count, batch.quarantined_count) == (2, 1)
        poisoned = db.session.scalars(select(Arrival).where(Arrival.state == "quarantined")).one()
        assert poisoned.id == ids[1]
        assert poisoned.failure == "Reading it failed (RecursionError)."
        assert poisoned.raw_id is not None
    monkeypatch.undo()
    with inside(ours):
        assert process_again(arrival_ids=[poisoned.id]) == {mailbox.account_id: 1}
        assert process_again(arrival_ids=[poisoned.id]) == {}
        db.session.commit()
        deliver(mailbox.account_id)
        assert len(messages_of(ids)) == 3


def test_a_message_that_the_database_refuses_does_not_stop_its_batch(
    ours: World, mailbox: Mailbox, inside: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import dataclasses

    import mailboxes.intake.batches as intake

    read = intake.read_message

    def with_nul(raw: bytes, *given: Any, **more: Any) -> Any:
        reading = read(raw, *given, **more)
        return dataclasses.replace(reading, reply_text="\0") if b"poison" in raw else reading

    monkeypatch.setattr(intake, "read_message", with_nul)
    with inside(ours):
        arrive(mailbox, letter(body="one"), letter(body="poison"), letter(body="two"))
        (batch,) = deliver(mailbox.account_id)
        assert (batch.new_count, batch.quarantined_count) == (2, 1)


def test_a_suspect_is_read_apart(ours: World, mailbox: Mailbox) -> None:
    assert receive(ours, mailbox, letter(), attempts=1)[0].subject == "Question"


def test_what_is_too_long_for_an_index_is_stored_nevertheless(ours: World, mailbox: Mailbox) -> None:
    words = "".join(chr(number) for number in random.Random(1).sample(range(0x4E00, 0x9FFF), 2_000))
    long = letter(words, message_id=f"{words}@a", answers=[f"{words}@b", f"{words}@c"])
    first, second = receive(ours, mailbox, long, letter("Re: " + words, message_id=f"{words}@d"))
    assert {first.subject, second.subject} == {words[:1_000], ("Re: " + words)[:1_000]}
    assert first.message_id != second.message_id


def test_an_index_that_refuses_a_value_is_the_fault_of_the_message(
    ours: World, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch, inside: Any
) -> None:
    monkeypatch.setattr(subjects, "LONGEST_BASE", 4_000)  # for words that no other test has used before
    words = "".join(chr(number) for number in random.Random(2).sample(range(0x4E00, 0x9FFF), 1_000))
    messages = receive(ours, mailbox, letter(words), letter("Short"))
    assert [message.subject for message in messages] == ["Short"]
    with inside(ours):
        assert count_of(Arrival, Arrival.state == "quarantined") == 1


@pytest.mark.parametrize("trouble", [MemoryError(), None])
def test_a_message_that_takes_too_much_is_read_apart_and_not_set_aside(
    ours: World, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch, trouble: Exception | None
) -> None:
    def read(*arguments: Any, **named: Any) -> Any:
        if trouble is not None:
            raise trouble
        while True:
            with suppress(Exception):
                re.fullmatch("(a|a)*b", "a" * 40)

    monkeypatch.setattr(batches, "FIRST_READING_SECONDS", 0.05)
    monkeypatch.setattr(batches, "read_message", read)
    (message,) = receive(ours, mailbox, letter(body="long"))
    assert message.text == "long\n"


def test_a_question_that_was_tried_before_still_comes_before_its_answer(
    ours: World, mailbox: Mailbox, inside: Any
) -> None:
    with inside(ours):
        (question,) = arrive(mailbox, letter(message_id="a@x"), attempts=FEW_ATTEMPTS)
        (answer,) = arrive(mailbox, letter("Re: Question", message_id="b@x", answers=["a@x"]))
        deliver(mailbox.account_id)
        assert [message.is_opening for message in messages_of([question, answer])] == [True, False]


def test_what_was_tried_often_holds_up_nobody(ours: World, mailbox: Mailbox, inside: Any) -> None:
    with inside(ours):
        arrive(mailbox, letter(body="tried"), attempts=FEW_ATTEMPTS + 1)
        arrive(mailbox, letter(body="new"), letter(body="newer"))
        assert [batch.new_count for batch in deliver(mailbox.account_id)] == [2, 1]


def test_after_too_many_deaths_a_message_is_set_aside(ours: World, mailbox: Mailbox, inside: Any) -> None:
    assert receive(ours, mailbox, letter(), attempts=MOST_ATTEMPTS) == []
    with inside(ours):
        assert f"{MOST_ATTEMPTS} attempts" in db.session.scalars(select(Arrival.failure)).one()


def test_a_message_that_is_too_large_shows_as_a_stub(ours: World, mailbox: Mailbox, inside: Any) -> None:
    header = letter("Big").split(b"\r\n\r\n")[0] + b"\r\n\r\n"
    (message,) = receive(ours, mailbox, header, sha256=b"", size=60_000_000, failure=TOO_LARGE)
    assert (message.is_stub, message.subject, message.size) == (True, "Big", 60_000_000)
    assert message.teaser == TOO_LARGE
    assert (message.may_convert, message.may_respond, message.work) == (False, False, "none")
    with inside(ours):
        assert db.session.scalars(select(Arrival.state)).one() == "too_large"


def stub() -> bytes:
    return letter("Big", message_id="big@x").split(b"\r\n\r\n")[0] + b"\r\n\r\n"


@pytest.mark.parametrize(
    ("moved", "vanishes", "count"),
    [
        ({"folder": "archive"}, True, 1),
        ({"folder": "archive"}, False, 2),
        ({"uid_validity": 2}, False, 1),
        ({}, False, 2),
    ],
)
def test_a_stub_whose_size_is_told_otherwise_is_known_once_it_lies_nowhere_else(
    ours: World, theirs: World, mailbox: Mailbox, inside: Any, moved: Any, vanishes: bool, count: int
) -> None:
    large = {"sha256": b"", "failure": TOO_LARGE}
    receive(theirs, make_mailbox(theirs), stub(), **large, size=60_000_000)
    receive(ours, mailbox, stub(), **large, size=60_000_000)
    if vanishes:
        with inside(ours):
            db.session.execute(Location.__table__.update().values(vanished_at=now()))
            db.session.commit()
    receive(ours, mailbox, stub(), **large, size=60_000_007, **moved)
    with inside(ours):
        assert count_of(Message) == count


def test_a_stub_from_before_sizes_counted_is_taken_once(ours: World, mailbox: Mailbox, inside: Any) -> None:
    large = {"sha256": b"", "failure": TOO_LARGE}
    receive(ours, mailbox, stub(), **large, size=60_000_000)
    with inside(ours):
        db.session.execute(Message.__table__.update().values(stable_hash=stable_hash(stub())))
        db.session.execute(Location.__table__.update().values(vanished_at=now()))
        db.session.commit()
    receive(ours, mailbox, stub(), **large, size=60_000_000, folder="archive")
    receive(ours, mailbox, stub(), **large, size=50_000_000, folder="archive")
    with inside(ours):
        assert count_of(Message) == 2


def test_what_is_handed_out_anew_is_no_news(ours: World, mailbox: Mailbox, inside: Any) -> None:
    (message,) = receive(ours, mailbox, letter(message_id="a@x"))
    receive(ours, mailbox, letter(message_id="a@x"), is_seen_again=True, uid_validity=2)
    with inside(ours):
        assert (count_of(Message), count_of(Location)) == (1, 2)
        assert count_of(timeline.Event, timeline.Event.message_id == message.id) == 1


def test_attachments_are_listed_unless_switched_off(ours: World, mailbox: Mailbox, inside: Any) -> None:
    raw = (
        b"From: a@x.test\r\nSubject: files\r\nMIME-Version: 1.0\r\n"
        b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n\r\nhello\r\n--b\r\n'
        b'Content-Type: text/plain; name="report_2026.txt"\r\nContent-Disposition: attachment\r\n\r\n'
        b"x\r\n--b--\r\n"
    )
    (message,) = receive(ours, mailbox, raw)
    assert message.attachment_count == 1
    with inside(ours):
        attachment = db.session.scalars(select(Attachment)).one()
        assert attachment.filename == "report_2026.txt"
        assert db.session.scalars(select(Thread.has_attachments)).one()


def test_whoever_delivers_leaves_nothing_to_do_for_others(
    ours: World, mailbox: Mailbox, inside: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailboxes.arrivals.LOCK_SECONDS", 1)
    with inside(ours):
        arrive(mailbox, letter())
        with delivering(mailbox.account_id) as is_ours:
            assert is_ours
            assert deliver(mailbox.account_id) == []
        assert len(deliver(mailbox.account_id)) == 1


def test_two_share_the_history_of_an_account_and_new_mail_stays_in_order(
    ours: World, mailbox: Mailbox, inside: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailboxes.arrivals.SHARED_UIDS", 2)
    with inside(ours):
        arrive(mailbox, *(letter(f"Old {number}") for number in range(4)), is_history=True)
        arrive(mailbox, *(letter(f"New {number}") for number in range(4)))
        with delivering_a_share(mailbox.account_id) as first:
            with delivering_a_share(mailbox.account_id) as second:
                assert {first, second} == {0, 1}
                assert deliver(mailbox.account_id) == []
            assert first is not None
            assert deliver(mailbox.account_id)  # the other share
            waiting = db.session.scalars(select(Arrival).where(Arrival.state == "stored")).all()
            assert [one.uid // 2 % 2 for one in waiting if one.is_history] == [first] * 2
            assert sum(not one.is_history for one in waiting) == (4 if first == 0 else 0)
        deliver(mailbox.account_id)
        assert count_of(Message) == 8


def test_by_a_clock_that_is_ahead_no_message_came_later_than_it_is_here(
    ours: World, mailbox: Mailbox
) -> None:
    for ahead in (timedelta(seconds=30), timedelta(hours=3), timedelta(days=400)):
        (message,) = receive(ours, mailbox, letter(str(ahead)), received_at=now() + ahead)
        assert message.shown_at <= message.arrived_at
        assert message.received_at is not None
        assert message.received_at > message.shown_at
