"""Loops rehearsed: a mailbox of ours meets mail robots, for thirty days that pass at once. Pure.

Each actor gets bytes and answers with bytes. `OurMailbox` decides as the product does, with its ledger in
memory; the others are what loops are made of in the wild.
"""

import heapq
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from uuid import UUID

from mailboxes.classifying import canonical_address, classify
from mailboxes.composing import MARKS_OF_AN_ANSWER, Letter, Mailer, bounded_references, compose
from mailboxes.conditions import MessageFields
from mailboxes.decisions import Context, Limits, Rule, Usage, decide
from mailboxes.parsing import parse

START = datetime(2026, 11, 1, tzinfo=UTC)
SPAN = timedelta(days=30)
MOST_EVENTS = 80  # after which others loop without us
OURS, ELSEWHERE = "desk@ours.test", "lee@elsewhere.test"
SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True)
class Sent:
    """A message on its way: bytes, the envelope's recipient, and how long it takes."""

    recipient: str
    content: bytes
    sender: str = ""
    takes: timedelta = SECOND


@dataclass
class Actor:
    """Somebody with an address; ``next_address`` is where those who pass things on pass them."""

    address: str
    next_address: str = ""
    numbers: Iterator[int] = field(default_factory=count)

    def receive(self, content: bytes, at: datetime) -> list[Sent]:
        """What it sends when it gets a message."""
        raise NotImplementedError

    def answer(self, content: bytes, at: datetime, subject: str, text: str, **more: str) -> list[Sent]:
        """A plain answer to the sender, without a mark and without a reference."""
        parsed = parse(content)
        if parsed.sender is None:
            return []
        raw = written(
            more.get("sender", self.address), parsed.sender.address, subject, text, at, next(self.numbers)
        )
        return [Sent(parsed.sender.address, raw, self.address)]


def written(sender: str, to: str, subject: str, text: str, at: datetime, number: int) -> bytes:
    """A message as anybody writes it."""
    id = f"{sender.split('@')[0]}.{number}.{at:%j%H%M%S}@{sender.split('@')[1]}"
    return compose(Letter(id, at, Mailer("", sender), [Mailer("", to)], subject, text))


class Naive(Actor):
    """Answers everything at once, with its number in the text."""

    def receive(self, content: bytes, at: datetime) -> list[Sent]:
        return self.answer(
            content, at, f"Re: {parse(content).subject[:100]}", f"Got it, number {next(self.numbers)}"
        )


class Delayed(Naive):
    """Answers everything, an hour later."""

    def receive(self, content: bytes, at: datetime) -> list[Sent]:
        return [Sent(one.recipient, one.content, one.sender, HOUR) for one in super().receive(content, at)]


class Tickets(Actor):
    """Opens a ticket for every mail, with a new subject and no reference."""

    def receive(self, content: bytes, at: datetime) -> list[Sent]:
        number = next(self.numbers)
        return self.answer(content, at, f"[Ticket {number}] received", f"Your ticket is number {number}.")


class Absent(Actor):
    """Out of office, with another subject and another sender each time, and no mark."""

    def receive(self, content: bytes, at: datetime) -> list[Sent]:
        number = next(self.numbers)
        local, _, domain = self.address.partition("@")
        sender = f"{local}{(number + 1) % 3 or ''}@{domain}"
        return self.answer(content, at, f"Back on day {number}", "I am not here.", sender=sender)


class Challenge(Actor):
    """Asks every sender to prove that they are a person."""

    def receive(self, content: bytes, at: datetime) -> list[Sent]:
        return self.answer(content, at, "Please confirm your message", f"Click here: {next(self.numbers)}")


class Bouncer(Actor):
    """Bounces everything to From instead of the envelope sender, from an address of its own."""

    def receive(self, content: bytes, at: datetime) -> list[Sent]:
        text = f"Your message could not be delivered to {self.address}."
        return self.answer(content, at, "Undelivered Mail Returned to Sender", text)


class Forwarder(Actor):
    """Passes everything on as it is."""

    def receive(self, content: bytes, at: datetime) -> list[Sent]:
        marked = f"Delivered-To: {self.address}\r\n".encode() + content
        return [Sent(self.next_address, marked, self.address)]


class Stripper(Forwarder):
    """A relay that passes everything on readdressed, with its own Message-ID and without any mark."""

    def receive(self, content: bytes, at: datetime) -> list[Sent]:
        parsed = parse(content)
        if parsed.sender is None:
            return []
        sender = parsed.sender.address
        raw = written(sender, self.next_address, parsed.subject, parsed.text, at, next(self.numbers))
        return [Sent(self.next_address, raw, sender)]


class MailingList(Forwarder):
    """Passes everything on to its member, marked as a list does."""

    def receive(self, content: bytes, at: datetime) -> list[Sent]:
        domain = self.address.partition("@")[2]
        marked = f"List-Id: <all.{domain}>\r\nPrecedence: list\r\n".encode() + content
        return [Sent(self.next_address, marked, self.address)]


@dataclass
class OurMailbox(Actor):
    """A mailbox of Postroom with a rule that answers everybody.

    ``signature``: of its installation. ``reasons``: why what came last was not answered.
    """

    signature: str = "a"
    limits: Limits = field(default_factory=Limits)
    window: timedelta = DAY  # in which a sender is answered once
    received_count: int = 0
    reasons: tuple[str, ...] = ()
    answered: list[tuple[datetime, str, str]] = field(default_factory=list)  # when, to whom, thread
    threads: dict[str, str] = field(default_factory=dict)  # Message-ID to thread
    marks: set[str] = field(default_factory=set)
    own_ids: set[str] = field(default_factory=set)
    bodies: list[tuple[datetime, str, str]] = field(default_factory=list)

    def receive(self, content: bytes, at: datetime) -> list[Sent]:
        self.received_count += 1
        parsed = parse(content)
        facts = classify(parsed, content).facts
        thread, is_opening = self._thread(
            parsed.message_id or "", [parsed.in_reply_to or "", *parsed.references]
        )
        recipient = canonical_address(facts["sender"])
        decision = decide(
            facts,
            Context(
                moment=at,
                received_at=at,
                fields=MessageFields(),
                rules=(Rule(UUID(int=1), "Everybody", (), START),),
                own_addresses=frozenset({canonical_address(self.address)}),
                mailbox_addresses=frozenset({canonical_address(self.address)}),
                is_opening=is_opening,
                is_thread_answered=any(one == thread for _, _, one in self.answered),
                carries_own_token=not self.marks.isdisjoint(facts["loop_tokens"]),
                is_own_message=facts["message_id"] in self.own_ids,
                answers_automatic_response=not self.own_ids.isdisjoint(
                    [facts["in_reply_to"], *facts["references"]]
                ),
                answers_reserved_domains=True,
                usage=self._usage(at, recipient, facts["body_hash"]),
                limits=self.limits,
            ),
        )
        self.reasons = () if decision.send else tuple(reason.sentence for reason in decision.reasons)
        if not decision.send:
            return []
        self.answered.append((at, recipient, thread))
        self.bodies.append((at, recipient, facts["body_hash"]))
        return [self._response(parsed.message_id or "", list(parsed.references), decision.recipient, at)]

    def _thread(self, message_id: str, parents: list[str]) -> tuple[str, bool]:
        known = next((self.threads[parent] for parent in parents if parent in self.threads), None)
        thread = known or f"thread {len(self.threads)}"
        self.threads.setdefault(message_id or thread, thread)
        return thread, known is None

    def _usage(self, at: datetime, recipient: str, body: str) -> Usage:
        times = [when for when, whom, _ in self.answered if whom == recipient]
        domain = recipient.partition("@")[2]
        near = [one for one in self.answered if one[1].endswith(f"@{domain}") and one[0] > at - HOUR]
        return Usage(
            next_allowed_at=max(times) + self.window if times else None,
            sender_day_count=sum(when > at - DAY for when in times),
            domain_hour_count=len(near),
            mailbox_hour_count=sum(when > at - HOUR for when, _, _ in self.answered),
            mailbox_day_count=sum(when > at - DAY for when, _, _ in self.answered),
            has_same_body=any(
                when > at - HOUR and whom != recipient and whom.endswith(f"@{domain}") and text == body
                for when, whom, text in self.bodies
            ),
        )

    def _response(self, parent: str, references: list[str], recipient: str, at: datetime) -> Sent:
        number = next(self.numbers)
        id, mark = (
            f"ar.{self.signature}.{number}@{self.address.partition('@')[2]}",
            f"{self.signature}-{number}",
        )
        self.own_ids.add(id)
        self.marks.add(mark)
        letter = Letter(
            header_id=id,
            date=at,
            sender=Mailer("", self.address),
            to=[Mailer("", recipient)],
            subject="Auto: thank you",
            text="Thank you.",
            in_reply_to=parent,
            references=bounded_references(references, parent),
            own_headers=[*MARKS_OF_AN_ANSWER, ("X-Postroom-Loop", mark)],
        )
        return Sent(recipient, compose(letter))


CORRESPONDENTS: dict[str, Callable[..., Actor]] = {
    "answers everything at once": Naive,
    "answers everything an hour later": Delayed,
    "opens a ticket for everything, with a new subject": Tickets,
    "is out of office, each time under another address and subject": Absent,
    "asks every sender to prove that they are a person": Challenge,
    "says of everything that it could not be delivered": Bouncer,
    "passes everything on to this mailbox": Forwarder,
    "passes everything on to this mailbox as if it was new": Stripper,
    "is a mailing list that this mailbox reads": MailingList,
    "is a mailbox of another Postroom": partial(OurMailbox, signature="b"),
}


@dataclass(frozen=True, slots=True)
class Course:
    """How it went with one correspondent. ``reasons``: why its last message was not answered, or none."""

    correspondent: str
    received_count: int
    answered_count: int
    reasons: tuple[str, ...]


def rehearse_loops(limits: Limits, window: timedelta) -> list[Course]:
    """A rule without conditions meets each correspondent, who writes first.

    ``window``: in which a sender is answered once.
    """
    return [_course(name, kind, limits, window) for name, kind in CORRESPONDENTS.items()]


def _course(name: str, kind: Callable[..., Actor], limits: Limits, window: timedelta) -> Course:
    ours = OurMailbox(OURS, limits=limits, window=window)
    Simulation([ours, kind(ELSEWHERE, OURS)]).run(ELSEWHERE, OURS)
    return Course(name, ours.received_count, len(ours.answered), ours.reasons)


@dataclass
class Simulation:
    """Actors at addresses, and one message from a person; `run` lets thirty days pass."""

    actors: list[Actor]
    event_count: int = 0

    def run(self, sender: str, recipient: str) -> None:
        """Deliver until nobody says anything, the days are over, or the others loop without us."""
        first = written(sender, recipient, "A question", "How much is it?", START, 0)
        events = [(START, 0, Sent(recipient, first, sender))]
        order = count(1)
        while events and self.event_count < MOST_EVENTS and events[0][0] < START + SPAN:
            at, _, sent = heapq.heappop(events)
            self.event_count += 1
            for one in self._delivered(sent, at):
                heapq.heappush(events, (at + one.takes, next(order), one))

    def _delivered(self, sent: Sent, at: datetime) -> list[Sent]:
        actor = self._at(sent.recipient)
        head = f"Return-Path: <{sent.sender}>\r\nReceived: by x; {at:%a, %d %b %Y %H:%M:%S} +0000\r\n"
        content = head.encode() + re.sub(rb"(?i)^return-path:.*\r\n", b"", sent.content, flags=re.MULTILINE)
        return actor.receive(content, at) if actor is not None else []

    def _at(self, address: str) -> Actor | None:
        wanted = re.sub(r"\d+@", "@", address)
        return next((one for one in self.actors if one.address in (address, wanted)), None)
