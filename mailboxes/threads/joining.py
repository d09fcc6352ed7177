"""Which thread a message belongs to, and why. Pure: what is known comes in, placements come out.

A message joins a thread of its mailbox by what it answers (In-Reply-To, References), by our signed
token, and as a last resort by subject. Answers to a message that is not here belong together where they
have people in common; parents that arrive late merge what belongs to them. So the order of arrival does
not matter where references are complete. What people split is never brought together again: of its
parts the first that fits gets the message.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from mailboxes.subjects import base_subject
from tenants.database import uuid7

SUBJECT_DAYS = timedelta(days=30)
LONGEST_COMPARED = 2_000  # characters of two messages with one Message-ID
MOST_MERGED = 20  # threads that one message may bring together


@dataclass(frozen=True, slots=True)
class Part:
    """A conversation that people split from others, or these from it: all of them are one ``family``."""

    thread_id: UUID
    family: UUID


@dataclass(frozen=True, slots=True)
class Newcomer:
    """A message as threading sees it. Ids are without angle brackets, addresses in lower case.

    ``parents``: what it answers, the nearest first. ``reported``: what it says it is about, a bounce of it;
    that has to be here. ``people``: sender and recipients, without our own addresses and those of mail
    systems. ``token_thread``: the thread that a token of ours in it leads to. ``text``: how it begins.
    ``counts``: automation acts on it, so that it need not on another copy. ``left_part``: where it was before
    it moved to another organization, from which it comes back.
    """

    message_id: str
    parents: tuple[str, ...]
    sender: str
    people: tuple[str, ...]
    subject: str
    shown_at: datetime
    token_thread: UUID | None = None
    may_join_by_subject: bool = True
    is_incoming: bool = True
    reported: tuple[str, ...] = ()
    sent_at: datetime | None = None
    text: str = ""
    counts: bool = True
    left_part: Part | None = None


@dataclass(frozen=True, slots=True)
class KnownMessage:
    """A message that bears the Message-ID of another one."""

    thread_id: UUID
    sender: str
    sent_at: datetime | None
    text: str

    def is_copy(self, message: Newcomer) -> bool:
        """Whether one is the other, at most with a line that a relay, a list or a gateway has added.

        Programs give many messages one Message-ID, too.
        """
        texts = [" ".join(text[:LONGEST_COMPARED].split()) for text in (self.text, message.text)]
        shorter, longer = sorted(texts, key=len)
        is_of_same = (self.sender, self.sent_at) == (message.sender, message.sent_at)
        return is_of_same and self.sent_at is not None and bool(shorter) and shorter in longer


@dataclass(slots=True)
class KnownThread:
    """A thread as far as threading needs it; ``is_new`` until it is stored."""

    id: UUID
    subject: str
    base_subject: str
    last_at: datetime
    participants: set[str] = field(default_factory=set)
    linked_thread_id: UUID | None = None
    split_family: UUID | None = None
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a message goes, and why, in a sentence for people."""

    thread_id: UUID
    result: str  # opened, linked or joined
    reason: str
    is_from_new_sender: bool = False

    @property
    def is_opening(self) -> bool:
        """Whether a conversation begins with it, here or anywhere in the organization."""
        return self.result == "opened"


@dataclass
class Threads:
    """The threads of one mailbox that a batch of messages may meet; `place` them one after another.

    ``elsewhere``: threads of other mailboxes of the organization, by the id of a message in them.
    ``merged``: loser to survivor; ``placed_threads`` are those that got a message.
    """

    known: dict[UUID, KnownThread] = field(default_factory=dict)
    by_message: dict[str, list[UUID]] = field(default_factory=dict)
    by_mention: dict[str, list[UUID]] = field(default_factory=dict)
    namesakes: dict[str, list[KnownMessage]] = field(default_factory=dict)
    by_subject: dict[str, list[KnownThread]] = field(default_factory=dict)
    elsewhere: dict[str, UUID] = field(default_factory=dict)
    merged: dict[UUID, UUID] = field(default_factory=dict)
    placed_threads: set[UUID] = field(default_factory=set)

    def add(self, thread: KnownThread) -> None:
        """Make a thread known."""
        self.known[thread.id] = thread
        if thread.base_subject:
            self.by_subject.setdefault(thread.base_subject, []).append(thread)

    def current(self, thread_id: UUID) -> UUID:
        """The thread that this one has become part of, or itself."""
        while thread_id in self.merged:
            thread_id = self.merged[thread_id]
        return thread_id

    def place(self, message: Newcomer) -> Placement:
        """Join or open a thread for a message, and remember it for those that follow."""
        placement = self._brought_back(message) or self._placed(message)
        self._remember(message, placement.thread_id)
        return placement

    def _placed(self, message: Newcomer) -> Placement:
        found, reason = self._found(message)
        awaiting = self._awaiting(message)
        if not found and awaiting:
            reason = "Messages that answer it were here before it."
        together = self._without_splits([*found, *awaiting])[:MOST_MERGED]
        return self._joined(message, together, reason) if together else self._opened(message)

    def _brought_back(self, message: Newcomer) -> Placement | None:
        """What people split stays so where a message was away meanwhile: its part is made again if need be.

        That makes no record, unless it is the part that the others were split from.
        """
        part = message.left_part
        if part is None:
            return None
        thread_id = self.current(part.thread_id)
        if thread_id in self.known:
            return self._joined(message, [thread_id], "It comes back to its conversation.")
        self._begin(message, part.thread_id, split_family=part.family)
        result = "opened" if part.thread_id == part.family else "joined"
        return Placement(part.thread_id, result, "It comes back to a part of a split conversation.")

    # --- finding ---------------------------------------------------------------------------------

    def _found(self, message: Newcomer) -> tuple[list[UUID], str]:
        for parent in message.parents:
            if answered := self._chosen(self.by_message.get(parent, ()), message):
                return [answered], "It answers a message of this conversation."
            if siblings := self._with_people_of(message, self.by_mention.get(parent, ())):
                return siblings, "It answers the same earlier message as others in this conversation."
        for id in message.reported:
            if returned := self._chosen(self.by_message.get(id, ()), message):
                return [returned], "It is about a message of this conversation."
        token = message.token_thread
        if token is not None and (thread_id := self.current(token)) in self.known:
            return [thread_id], "It carries our own signed token of this conversation."
        if copied := self._copied(message):
            return [copied], "It is another copy of a message of this conversation."
        return self._by_subject(message)

    def _copied(self, message: Newcomer) -> UUID | None:
        known = self.namesakes.get(message.message_id, ())
        return self._chosen([other.thread_id for other in known if other.is_copy(message)], message)

    def _by_subject(self, message: Newcomer) -> tuple[list[UUID], str]:
        base, is_reply = base_subject(message.subject)
        if not (base and is_reply and message.may_join_by_subject and message.is_incoming):
            return [], ""
        candidates = [
            thread
            for thread in self.by_subject.get(base, ())  # what became part of another is here as that one
            if message.sender in thread.participants
            and abs(message.shown_at - thread.last_at) <= SUBJECT_DAYS
            and thread.id in self.known
        ]
        if not candidates:
            return [], ""
        latest = max(candidates, key=lambda thread: (thread.last_at, thread.id))
        return [latest.id], "A participant answers under the same subject within 30 days."

    def _awaiting(self, message: Newcomer) -> list[UUID]:
        """Threads that mention this message, which was missing until now."""
        if not message.message_id or self.by_message.get(message.message_id):
            return []
        return self._with_people_of(message, self.by_mention.get(message.message_id, ()))

    def _without_splits(self, thread_ids: Iterable[UUID]) -> list[UUID]:
        """Each once, and one of those that people split of one another: the first."""
        kept: dict[UUID, UUID] = {}
        for thread_id in thread_ids:
            kept.setdefault(self.known[thread_id].split_family or thread_id, thread_id)
        return list(kept.values())

    def _with_people_of(self, message: Newcomer, thread_ids: Iterable[UUID]) -> list[UUID]:
        """Those threads in which somebody of this message takes part, the sender's first, then the oldest.

        Without that, strangers who answer the same newsletter would share one conversation, and whoever
        knows its Message-ID could bring theirs together.
        """
        people = set(message.people)
        shared = [thread for thread in self._threads(thread_ids) if people & thread.participants]
        return [thread.id for thread in sorted(shared, key=lambda one: _rank(one, message))]

    def _chosen(self, thread_ids: Iterable[UUID], message: Newcomer) -> UUID | None:
        """One of several threads (a Message-ID was used twice): the sender's, else the oldest."""
        threads = list(self._threads(thread_ids))
        return min(threads, key=lambda one: _rank(one, message)).id if threads else None

    def _threads(self, thread_ids: Iterable[UUID]) -> Iterator[KnownThread]:
        for thread_id in dict.fromkeys(map(self.current, thread_ids)):
            if thread_id in self.known:
                yield self.known[thread_id]

    # --- placing ---------------------------------------------------------------------------------

    def _opened(self, message: Newcomer) -> Placement:
        named = (*message.parents, *message.reported)
        linked = next((self.elsewhere[id] for id in named if id in self.elsewhere), None)
        thread_id = uuid7()
        self._begin(message, thread_id, linked_thread_id=linked)
        if linked is not None:
            return Placement(
                thread_id, "linked", "It answers a conversation of another mailbox, to which it is linked."
            )
        return Placement(thread_id, "opened", "It answers nothing in this mailbox: a conversation begins.")

    def _begin(
        self,
        message: Newcomer,
        thread_id: UUID,
        *,
        linked_thread_id: UUID | None = None,
        split_family: UUID | None = None,
    ) -> None:
        base, _ = base_subject(message.subject)
        told = thread_id, message.subject, base, message.shown_at
        self.add(
            KnownThread(*told, linked_thread_id=linked_thread_id, split_family=split_family, is_new=True)
        )

    def _joined(self, message: Newcomer, together: list[UUID], reason: str) -> Placement:
        participants = self.known[together[0]].participants
        is_new_sender = message.is_incoming and message.sender not in participants
        survivor = self._merge(together)
        if len(together) > 1:
            reason += f" It brings {len(together)} conversations together."
        if is_new_sender:
            reason += " The sender has not taken part before."
        return Placement(survivor, "joined", reason, is_new_sender)

    def _merge(self, thread_ids: list[UUID]) -> UUID:
        """The oldest stored one survives; a thread that is not stored yet never does beside it."""
        threads = [self.known[thread_id] for thread_id in thread_ids]
        survivor = min(threads, key=lambda thread: (thread.is_new, thread.id))
        for thread in threads:
            if thread is not survivor:
                self.merged[thread.id] = survivor.id
                survivor.participants |= thread.participants
                survivor.last_at = max(survivor.last_at, thread.last_at)
                survivor.linked_thread_id = survivor.linked_thread_id or thread.linked_thread_id
                survivor.split_family = survivor.split_family or thread.split_family
                del self.known[thread.id]
                self.by_subject.setdefault(thread.base_subject, []).append(survivor)
        return survivor.id

    def _remember(self, message: Newcomer, thread_id: UUID) -> None:
        thread = self.known[thread_id]
        thread.participants.update(message.people)
        thread.last_at = max(thread.last_at, message.shown_at)
        self.placed_threads.add(thread_id)
        if message.message_id:
            self.by_message.setdefault(message.message_id, []).append(thread_id)
        if message.message_id and message.counts:
            told = KnownMessage(thread_id, message.sender, message.sent_at, message.text)
            self.namesakes.setdefault(message.message_id, []).append(told)
        for parent in message.parents:
            self.by_mention.setdefault(parent, []).append(thread_id)


def _rank(thread: KnownThread, message: Newcomer) -> tuple[bool, UUID]:
    return message.sender not in thread.participants, thread.id
