"""Which thread a message belongs to: the same for every order of arrival, never across a fence."""

import gzip
import json
import random
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from mailboxes.messages import Message
from mailboxes.parsing import parse
from mailboxes.subjects import base_subject
from mailboxes.system_mailboxes import Mailbox
from mailboxes.threads import Thread, ThreadRecord, placing
from mailboxes.threads.joining import Newcomer, Threads
from mailboxes.threads.merging import merge_threads
from mailboxes.threads.notes import Note, write_note
from mailboxes.threads.summaries import refresh_summary
from mailboxes.threads.tokens import TOKEN_HEADER, header_id, thread_of_token, thread_token
from tenants.database import db, uuid7
from tests.corpus import corpus_folder
from tests.factories import World, make_mailbox
from tests.mailboxes.arriving import letter, receive

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


def newcomer(id: str, *parents: str, subject: str = "", sender: str = "a@x.test", **given: Any) -> Newcomer:
    """A message that answers others; the nearest parent first."""
    return Newcomer(id, parents, sender, (sender,), subject, given.pop("shown_at", NOON), **given)


def test_references_without_number_of_one_message_hide_no_parent_of_another(monkeypatch) -> None:
    monkeypatch.setattr(placing, "MOST_IDS", 6)
    flood = newcomer("flood", *(f"!{number}" for number in range(100)))
    ids = placing._ids_to_know([flood, newcomer("answer", "asked", "before")])
    assert ids == ["flood", "answer", "!0", "asked", "!1", "before"]


def partition(messages: list[Newcomer]) -> set[frozenset[str]]:
    """Which messages share a thread after arriving in this order."""
    threads = Threads()
    placed = [(message.message_id, threads.place(message).thread_id) for message in messages]
    groups: dict[UUID, set[str]] = {}
    for id, thread_id in placed:
        groups.setdefault(threads.current(thread_id), set()).add(id)
    return {frozenset(group) for group in groups.values()}


@st.composite
def conversations(draw: st.DrawFn) -> list[Newcomer]:
    """Forests with complete references: each message names its parent, or all its ancestors."""
    count = draw(st.integers(1, 14))
    ancestors: list[tuple[str, ...]] = []
    messages = []
    for number in range(count):
        parent = draw(st.one_of(st.none(), st.integers(0, number - 1))) if number else None
        chain = () if parent is None else (f"m{parent}", *ancestors[parent])
        named = chain if draw(st.booleans()) else chain[:1]
        ancestors.append(chain)
        messages.append(newcomer(f"m{number}", *named))
    return messages


@settings(max_examples=150, deadline=None)
@given(conversations(), st.randoms(use_true_random=False))
def test_the_order_of_arrival_does_not_matter(messages: list[Newcomer], dice: random.Random) -> None:
    expected = partition(messages)
    shuffled = messages[:]
    dice.shuffle(shuffled)
    assert partition(shuffled) == expected


@settings(max_examples=60, deadline=None)
@given(conversations())
def test_a_conversation_is_what_its_references_connect(messages: list[Newcomer]) -> None:
    roots: dict[str, str] = {}
    for message in messages:
        roots[message.message_id] = roots[message.parents[0]] if message.parents else message.message_id
    assert partition(messages) == {
        frozenset(id for id, root in roots.items() if root == one) for one in set(roots.values())
    }


PEOPLE = ["a@x.test", "b@x.test", "c@x.test", "d@x.test", "e@x.test"]


@st.composite
def answers_to_one_never_seen(draw: st.DrawFn) -> list[Newcomer]:
    groups = draw(st.lists(st.lists(st.sampled_from(PEOPLE), min_size=1, max_size=2), min_size=1, max_size=6))
    return [
        Newcomer(f"m{number}", ("never seen",), people[0], tuple(people), "", NOON)
        for number, people in enumerate(groups)
    ]


def connected_by_people(messages: list[Newcomer]) -> set[frozenset[str]]:
    groups: list[tuple[set[str], set[str]]] = []
    for message in messages:
        people, ids = set(message.people), {message.message_id}
        apart = []
        for known, members in groups:
            if known & people:
                people, ids = people | known, ids | members
            else:
                apart.append((known, members))
        groups = [*apart, (people, ids)]
    return {frozenset(ids) for _, ids in groups}


@settings(max_examples=100, deadline=None)
@given(answers_to_one_never_seen(), st.randoms(use_true_random=False))
def test_answers_to_a_message_never_seen_are_connected_by_their_people(
    messages: list[Newcomer], dice: random.Random
) -> None:
    expected = connected_by_people(messages)
    dice.shuffle(messages)
    assert partition(messages) == expected


def test_whoever_knows_a_missing_message_id_brings_no_strangers_together() -> None:
    threads = Threads()
    answers = [
        threads.place(newcomer(f"answer {sender}", "newsletter", sender=sender)) for sender in PEOPLE[:3]
    ]
    assert len({placed.thread_id for placed in answers}) == 3
    forged = threads.place(newcomer("newsletter", sender="evil@x.test"))
    assert forged.result == "opened"
    assert not threads.merged


def test_a_parent_that_comes_late_brings_those_together_who_are_in_it() -> None:
    threads = Threads()
    first, second, stranger = (
        threads.place(newcomer(f"answer {sender}", "asked", sender=sender)) for sender in PEOPLE[:3]
    )
    asked = Newcomer("asked", (), "boss@x.test", ("boss@x.test", *PEOPLE[:2]), "", NOON)
    placed = threads.place(asked)
    assert {threads.current(one.thread_id) for one in (first, second)} == {placed.thread_id}
    assert threads.current(stranger.thread_id) != placed.thread_id


@pytest.mark.parametrize(
    ("subject", "base", "is_reply"),
    [
        ("Offer", "offer", False),
        ("Re: Offer", "offer", True),
        ("RE: AW: Sv: Offer ", "offer", True),
        ("Antw: Re[2]: Offer", "offer", True),
        ("Fwd: Offer", "offer", False),
        ("Re: Fwd: Offer (fwd)", "offer", True),
        ("回复：报价", "报价", True),
        ("Ответ: Счёт", "счёт", True),
        ("YNT: Teklif", "teklif", True),
        ("Odp: Oferta", "oferta", True),
        ("ΑΠ: Προσφορά", "προσφορά", True),
        ("Re: [list] Re: Offer", "[list] offer", True),
        ("[list] Offer", "[list] offer", False),
        ("Review: Offer", "review: offer", False),
        ("Re:", "", True),
        ("", "", False),
        ("[EXTERN] AW: [EXT] Re: Offer", "offer", True),
        ("[External] Offer", "offer", False),
        ("[Extras] Offer", "[extras] offer", False),
    ],
)
def test_the_subject_under_its_prefixes(subject: str, base: str, is_reply: bool) -> None:
    assert base_subject(subject) == (base, is_reply)


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=200))
def test_the_base_of_a_base_is_itself_unless_a_prefix_is_left(subject: str) -> None:
    base, _ = base_subject(subject)
    assert base_subject(f"Re: {base}")[0] == base_subject(base)[0]


def test_a_participant_joins_by_subject_with_a_reply_prefix_within_30_days() -> None:
    threads = Threads()
    first = threads.place(newcomer("", subject="Offer", sender="a@x.test"))
    joined = threads.place(newcomer("", subject="AW: Offer", sender="a@x.test"))
    assert joined.thread_id == first.thread_id
    assert "same subject" in joined.reason
    late = newcomer("", subject="Re: Offer", sender="a@x.test", shown_at=NOON + timedelta(days=31))
    for other in (
        newcomer("", subject="Offer", sender="a@x.test"),
        newcomer("", subject="Re: Offer", sender="stranger@x.test"),
        newcomer("", subject="Re: Offer", sender="a@x.test", may_join_by_subject=False),
        late,
    ):
        assert threads.place(other).thread_id != first.thread_id


@pytest.mark.parametrize(
    ("given", "is_joined"),
    [
        ({"text": "How  much?\n-- \nteam mailing list"}, True),
        ({"text": "CAUTION: external\n\nHow much?", "subject": "[EXTERNAL] Chairs"}, True),
        ({"text": "Where is it?"}, False),
        ({"text": ""}, False),
        ({"sender": "b@x.test"}, False),
        ({"sent_at": NOON + timedelta(seconds=1)}, False),
        ({"sent_at": None}, False),
    ],
)
def test_a_copy_with_an_added_line_is_in_the_conversation_of_the_message(given: Any, is_joined: bool) -> None:
    sent = {"sent_at": NOON, "text": "How much?"}
    threads = Threads()
    first = threads.place(newcomer("a", subject="Chairs", **sent))
    copy = threads.place(newcomer("a", **{"subject": "Chairs", **sent, **given}))
    assert (copy.thread_id == first.thread_id) == is_joined


def test_a_copy_that_comes_later_makes_no_second_record(
    ours: World, theirs: World, mailbox: Mailbox, inside: Any
) -> None:
    (first,) = receive(ours, mailbox, letter(message_id="dup@x"))
    (copy,) = receive(
        ours, mailbox, letter(message_id="dup@x", body="How much is it?\n\nChecked by a gateway.")
    )
    (other,) = receive(theirs, make_mailbox(theirs), letter(message_id="dup@x"))
    assert (copy.id != first.id, copy.thread_id, copy.may_convert) == (True, first.thread_id, False)
    assert other.is_opening


@pytest.mark.parametrize("is_apart", [True, False])
def test_a_letter_makes_its_record_although_a_list_or_a_filter_had_another_copy(
    ours: World, theirs: World, mailbox: Mailbox, is_apart: bool
) -> None:
    footer = "How much is it?\n\nThe list of the team"
    by_list = letter(message_id="dup@x", headers="List-Id: <team.x>", body=footer)
    direct, rescued = letter(message_id="dup@x"), letter(message_id="spam@x")
    receive(ours, mailbox, letter(message_id="spam@x", body=footer), folder="junk")
    if is_apart:
        receive(ours, mailbox, by_list)
        found = receive(ours, mailbox, direct, rescued)
    else:
        found = receive(ours, mailbox, by_list, direct, rescued)[1:]
    assert [message.may_convert for message in found] == [True, True]


def test_a_stranger_who_quotes_a_reference_is_marked() -> None:
    threads = Threads()
    threads.place(newcomer("a", sender="a@x.test"))
    stranger = threads.place(newcomer("b", "a", sender="evil@x.test"))
    assert stranger.is_from_new_sender
    assert "has not taken part" in stranger.reason


def test_an_answer_to_another_mailbox_opens_a_linked_thread() -> None:
    other = uuid7()
    threads = Threads(elsewhere={"theirs": other})
    placed = threads.place(newcomer("b", "theirs"))
    assert (placed.result, placed.is_opening) == ("linked", False)
    assert threads.known[placed.thread_id].linked_thread_id == other


@pytest.fixture
def mailbox(ours: World) -> Mailbox:
    return make_mailbox(ours, action="lead")


def threads_of(world: World, inside: Any) -> list[Thread]:
    with inside(world):
        return list(db.session.scalars(select(Thread).order_by(Thread.id)))


def test_a_parent_that_comes_late_brings_its_children_together(
    ours: World, mailbox: Mailbox, inside: Any
) -> None:
    (grandchild,) = receive(ours, mailbox, letter("Re: Q", message_id="c@x", answers=["b@x"]))
    (root,) = receive(ours, mailbox, letter("Q", message_id="a@x"))
    assert grandchild.thread_id != root.thread_id
    (parent,) = receive(ours, mailbox, letter("Re: Q2", message_id="b@x", answers=["a@x"], sender="s@x.test"))
    (thread,) = threads_of(ours, inside)
    assert thread.message_count == 3
    assert parent.thread_id == thread.id
    with inside(ours):
        assert set(db.session.scalars(select(Message.thread_id))) == {thread.id}


def test_strangers_who_answer_a_newsletter_that_is_not_here_are_not_brought_together(
    ours: World, inside: Any
) -> None:
    """Our own address is nobody they have in common, whatever tag it carries."""
    mailbox = make_mailbox(ours, action="lead", address="help@acme.test")
    answers = [
        letter(
            "Re: News",
            message_id=f"{name}@x",
            answers=["news@elsewhere.test"],
            sender=f"{name}@x.test",
            to="News <Help+News@acme.test>",
        )
        for name in ("ann", "bob", "cleo")
    ]
    batches = [answers[:2], answers[2:]]  # met in one batch, and in the tables
    messages = [message for batch in batches for message in receive(ours, mailbox, *batch)]
    assert len({message.thread_id for message in messages}) == 3
    assert all(message.may_convert for message in messages)
    participants = [thread.participants for thread in threads_of(ours, inside)]
    assert participants == [["ann@x.test"], ["bob@x.test"], ["cleo@x.test"]]


def test_bounces_of_what_is_not_here_bring_no_customers_together(ours: World, inside: Any) -> None:
    """The mail system that they came from is nobody the customers have in common."""
    mailbox = make_mailbox(ours, address="help@acme.test")
    machine = {
        "sender": "MAILER-DAEMON@relay.test",
        "headers": "Return-Path: <>\nAuto-Submitted: auto-replied\nX-Failed-Recipients: eve@relay.test",
        "body": "It could not be delivered.\n\nMessage-ID: <{0}>\nReferences: <news@elsewhere.test>\n",
    }
    for name in ("ann", "bob"):
        answer = letter("Re: News", message_id=f"{name}@x", answers=["news@elsewhere.test"],
                        sender=f"{name}@x.test")  # fmt: skip
        bounced = machine | {"body": machine["body"].format(f"{name}@x")}
        (answered,) = receive(ours, mailbox, answer)
        (bounce,) = receive(ours, mailbox, letter("Undeliverable", message_id=f"b-{name}@x", **bounced))
        assert (bounce.is_bounce, bounce.thread_id) == (True, answered.thread_id)
    foreign = machine | {"body": machine["body"].format("news@elsewhere.test")}
    (bounce,) = receive(ours, mailbox, letter("Undeliverable", message_id="b@x", **foreign))
    answering = machine | {"body": "It could not be delivered.", "answers": ["news@elsewhere.test"]}
    (other,) = receive(ours, mailbox, letter("Undeliverable", message_id="c@x", **answering))
    threads = {thread.id: thread.participants for thread in threads_of(ours, inside)}
    assert len(threads) == 4
    assert not any({"ann@x.test", "bob@x.test"} <= set(people) for people in threads.values())
    assert bounce.thread_id != other.thread_id


def test_a_merge_keeps_records_one_of_each_kind(ours: World, mailbox: Mailbox, inside: Any) -> None:
    first, second = receive(ours, mailbox, letter("One", message_id="a@x"), letter("Two", message_id="b@x"))
    with inside(ours):
        for message, kinds in ((first, ["x"]), (second, ["x", "y"])):
            for kind in kinds:
                db.session.add(ThreadRecord(thread_id=message.thread_id, kind=kind, other_id=uuid7()))
        db.session.commit()
        merge_threads(first.thread_id, second.thread_id)
        db.session.commit()
        records = db.session.execute(select(ThreadRecord.thread_id, ThreadRecord.kind)).all()
        assert sorted(tuple(record) for record in records) == [(first.thread_id, "x"), (first.thread_id, "y")]
        (thread,) = db.session.scalars(select(Thread))
        assert thread.message_count == 2


def test_a_merge_keeps_the_notes_of_both(ours: World, mailbox: Mailbox, inside: Any) -> None:
    first, second = receive(ours, mailbox, letter("One", message_id="a@x"), letter("Two", message_id="b@x"))
    with inside(ours):
        for message in (first, second):
            thread = db.session.get_one(Thread, (ours.id, message.thread_id))
            write_note(thread, f"On {message.subject}", ours.member)
        merge_threads(first.thread_id, second.thread_id)
        db.session.commit()
        found = db.session.execute(select(Note.thread_id, Note.text).order_by(Note.id)).all()
    assert [tuple(one) for one in found] == [(first.thread_id, "On One"), (first.thread_id, "On Two")]


def test_an_answer_to_a_thread_of_a_second_mailbox_is_linked_to_it(
    ours: World, mailbox: Mailbox, inside: Any
) -> None:
    (question,) = receive(ours, mailbox, letter(message_id="a@x"))
    second = make_mailbox(ours, action="lead")
    (answer,) = receive(ours, second, letter("Re: Question", message_id="b@x", answers=["a@x"]))
    assert answer.thread_id != question.thread_id
    assert (answer.is_opening, answer.may_convert, answer.may_respond) == (False, True, False)
    with inside(ours):
        linked = db.session.scalars(
            select(Thread.linked_thread_id).where(Thread.id == answer.thread_id)
        ).one()
    assert linked == question.thread_id


def test_references_never_lead_to_a_neighbour(
    ours: World, theirs: World, mailbox: Mailbox, inside: Any
) -> None:
    receive(theirs, make_mailbox(theirs), letter(message_id="a@x"))
    (answer,) = receive(ours, mailbox, letter("Re: Question", message_id="b@x", answers=["a@x"]))
    assert answer.is_opening
    assert [thread.linked_thread_id for thread in threads_of(ours, inside)] == [None]


def test_no_thread_ever_crosses_a_mailbox_or_an_organization(
    ours: World, theirs: World, mailbox: Mailbox, inside: Any
) -> None:
    """Everybody quotes everybody's Message-IDs, in any order and batch."""
    places = [(ours, mailbox), (ours, make_mailbox(ours)), (theirs, make_mailbox(theirs))]
    dice = random.Random(20261120)
    for number in range(12):
        world, place = dice.choice(places)
        batch = [
            letter(
                dice.choice(["Offer", "Re: Offer", "Other"]),
                message_id=f"{dice.randint(0, 15)}@x",
                answers=[f"{dice.randint(0, 15)}@x" for _ in range(dice.randint(0, 3))],
                body=f"{number} {part}",
            )
            for part in range(3)
        ]
        receive(world, place, *batch)
    for world in (ours, theirs):
        with inside(world):
            rows = db.session.execute(
                select(Message.mailbox_id, Thread.mailbox_id, Message.thread_id).join(
                    Thread, Thread.id == Message.thread_id
                )
            ).all()
            assert rows
            assert all(message_in == thread_in for message_in, thread_in, _ in rows)
            linked = db.session.scalars(
                select(Thread.linked_thread_id).where(Thread.linked_thread_id.is_not(None))
            )
            known = set(db.session.scalars(select(Thread.id)))
            assert set(linked) <= known
            counts = dict(db.session.execute(select(Thread.id, Thread.message_count)).all())
            assert counts == {id: [row.thread_id for row in rows].count(id) for id in counts}


def test_our_token_leads_back_although_a_relay_changed_the_id(
    ours: World, mailbox: Mailbox, inside: Any
) -> None:
    (question,) = receive(ours, mailbox, letter(message_id="a@x"))
    (thread,) = threads_of(ours, inside)
    with inside(ours):
        token, header = thread_token(thread), header_id(thread, "acme.test")
    by_id = letter("Other", message_id="b@x", answers=[header], sender="new@x.test")
    by_header = letter("Another", message_id="c@x", headers=f"{TOKEN_HEADER}: {token}")
    for message in receive(ours, mailbox, by_id, by_header):
        assert message.thread_id == question.thread_id


REPORTS = {
    "in parts": (
        "Content-Type: multipart/report; report-type=delivery-status; boundary=b",
        "--b\n\nIt failed.\n--b\nContent-Type: message/delivery-status\n\nFinal-Recipient: rfc822; a@x.test\n"
        "Action: failed\nStatus: 5.1.1\n--b\nContent-Type: message/rfc822\n\nMessage-ID: <{}>\n\nx\n--b--",
    ),
    "in its text": (
        "Return-Path: <>",
        "<a@x.test>:\n550 5.1.1 user unknown\n\n--- Below this line is a copy.\n\nMessage-ID:\n <{}>\n",
    ),
    "a receipt": (
        "Content-Type: multipart/report; report-type=disposition-notification; boundary=b",
        "--b\n\nRead.\n--b\nContent-Type: message/disposition-notification\n\n"
        "Original-Message-ID: <{}>\n--b--",
    ),
}


@pytest.mark.parametrize("kind", REPORTS)
def test_what_comes_back_is_in_the_conversation_that_it_is_about(
    ours: World, mailbox: Mailbox, kind: str
) -> None:
    headers, body = REPORTS[kind]
    robot = {"sender": "MAILER-DAEMON@x.test", "headers": headers}
    (question,) = receive(ours, mailbox, letter(message_id="a@x"))
    report, other = receive(
        ours,
        mailbox,
        letter("Undelivered", **robot, body=body.format("a@x").replace("\n", "\r\n")),
        letter("Undelivered", **robot, body=body.format("b@x").replace("\n", "\r\n")),
    )
    assert report.thread_id == question.thread_id
    assert other.thread_id != question.thread_id


def test_a_token_opens_its_own_mailbox_only(
    ours: World, theirs: World, mailbox: Mailbox, inside: Any
) -> None:
    receive(ours, mailbox, letter())
    (thread,) = threads_of(ours, inside)
    with inside(ours):
        token = thread_token(thread)
        assert thread_of_token(f"<x.{token}@y>", ours.id, mailbox.id) == thread.id
        assert thread_of_token(token, ours.id, uuid7()) is None
        assert thread_of_token(token, theirs.id, mailbox.id) is None
        assert thread_of_token(token[:-1] + ("a" if token[-1] != "a" else "b"), ours.id, mailbox.id) is None


def test_an_answer_opens_a_conversation_again(ours: World, mailbox: Mailbox, inside: Any) -> None:
    receive(ours, mailbox, letter(message_id="a@x"))
    with inside(ours):
        db.session.scalars(select(Thread)).one().status = "done"
        db.session.commit()
    automatic = letter("Re: Question", answers=["a@x"], headers="Auto-Submitted: auto-replied")
    receive(ours, mailbox, automatic)
    assert [thread.status for thread in threads_of(ours, inside)] == ["done"]
    receive(ours, mailbox, letter("Re: Question", message_id="b@x", answers=["a@x"]))
    assert [thread.status for thread in threads_of(ours, inside)] == ["open"]


SUMMARY = (
    "subject",
    "teaser",
    "last_at",
    "message_count",
    "incoming_count",
    "outgoing_count",
    "senders",
    "participants",
    "has_attachments",
    "is_auto_replied",
)


def summaries(world: World, inside: Any) -> list[dict[str, Any]]:
    return [{name: getattr(thread, name) for name in SUMMARY} for thread in threads_of(world, inside)]


@pytest.mark.parametrize("is_one_batch", [True, False])
def test_a_summary_is_what_a_recount_says(
    ours: World, mailbox: Mailbox, inside: Any, is_one_batch: bool
) -> None:
    letters = [
        letter(message_id="a@x", sender="Älice <ALICE@customer.test>", to="Help+tag@acme.test, b+c@x.test"),
        letter("Re: Question", message_id="b@x", answers=["a@x"], sender="bob@x.test", to="Zoë <z@x.test>"),
        letter("Re: Question", message_id="c@x", answers=["b@x"], body="last words"),
        letter("Another", message_id="d@x"),
    ]
    for batch in [letters] if is_one_batch else [[one] for one in letters]:
        receive(ours, mailbox, *batch)
    before = summaries(ours, inside)
    assert (before[0]["message_count"], before[0]["teaser"]) == (3, "last words")
    assert "b+c@x.test" in before[0]["participants"]
    with inside(ours):
        for thread in db.session.scalars(select(Thread)):
            refresh_summary(thread)
        db.session.commit()
    assert summaries(ours, inside) == before


@pytest.mark.corpus
def test_list_messages_fall_into_the_threads_of_the_corpus() -> None:
    """The one thread that differs is joined by subject alone, which we do not do for list mail."""
    corpus = corpus_folder()
    case = json.loads((corpus / "manifest-threading.jsonl").read_text().splitlines()[0])
    mbox = gzip.decompress((corpus / case["mbox"]).read_bytes())
    raws = re.split(rb"(?m)^From .*\n", mbox)[1:]
    found = partition([_of_list(str(number), raw) for number, raw in enumerate(raws)])
    expected = {frozenset(map(str, group)) for group in case["threads"]}
    ids = {str(number): parse(raw).message_id or "" for number, raw in enumerate(raws)}
    expected = {frozenset(ids[number] for number in group) for group in expected}
    assert len(found & expected) == len(expected) - 1
    assert all(any(group <= whole for whole in expected) for group in found)


def _of_list(number: str, raw: bytes) -> Newcomer:
    """As `intake.rows` makes it; the archive has left out the list, to which they all were sent."""
    parsed = parse(raw)
    parents = dict.fromkeys(filter(None, (parsed.in_reply_to, *reversed(parsed.references))))
    sender = parsed.sender.address.lower() if parsed.sender else ""
    return Newcomer(
        parsed.message_id or number,
        tuple(parents),
        sender,
        (sender, "list@x.test"),
        parsed.subject,
        parsed.sent_at or NOON,
        may_join_by_subject=False,
    )
