"""A batch of messages of a global account gets its ways: decided once, and written down.

The session is bound to the installation. The caller commits before it delivers.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from mailboxes.accounts import Account
from mailboxes.parsing import ParsedMessage
from mailboxes.routing.deciding import Decision, Facts, Plan, route
from mailboxes.routing.marks import (
    answer_marks,
    copy_mark,
    keep_marks,
    marks_made_by,
    moved_thread_mark,
    organizations_marked,
)
from mailboxes.routing.reading import Letter, letter_of
from mailboxes.routing.records import COPIED, Routing, keep_routings, routings_of, stored_facts, stored_steps
from mailboxes.routing.rules import as_rule, rules_of
from mailboxes.routing.served import Served, plan_of, served_by
from mailboxes.threads.tokens import owners_of_tokens
from tenants.database import db

COPY_SENTENCE = "Each organization that the mailbox serves gets a copy of its own."
SHOWN_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class Read:
    """An arrival with what was read in it. ``is_ours``: it lies in Sent or Drafts.

    ``is_collected``: in a folder that holds what was sent beside what came in.
    """

    arrival_id: UUID
    parsed: ParsedMessage
    stable_hash: bytes
    is_ours: bool
    is_collected: bool = False


@dataclass(frozen=True)
class Ways:
    """Everything about an account that decides where its messages go, as it is now."""

    account: Account
    served: list[Served]
    plan: Plan

    @property
    def by_organization(self) -> dict[UUID, Served]:
        """The mailboxes that messages may go to; of disabled organizations too: what was decided stays."""
        return {one.organization_id: one for one in self.served}

    @property
    def trusted_authserv_id(self) -> str:
        """That of the home organization's mailbox, else of the first: most often all have the same."""
        mailboxes = self.by_organization
        first = mailboxes.get(self.plan.home) if self.plan.home else None
        chosen = first or next(iter(self.served), None)
        return chosen.trusted_authserv_id if chosen else ""


@dataclass
class Decided:
    """The ways of a batch, by arrival, and what was read to find them."""

    routings: dict[UUID, list[Routing]] = field(default_factory=dict)
    letters: dict[UUID, Letter] = field(default_factory=dict)

    def unrouted(self) -> list[Routing]:
        """What nobody gets."""
        return [way for ways in self.routings.values() for way in ways if way.organization_id is None]

    def by_organization(self) -> dict[UUID, dict[UUID, Routing]]:
        """What each organization gets: its ways by arrival."""
        found: dict[UUID, dict[UUID, Routing]] = {}
        for ways in self.routings.values():
            for way in ways:
                if way.organization_id is not None:
                    found.setdefault(way.organization_id, {})[way.arrival_id] = way
        return dict(sorted(found.items()))


def ways_of(account: Account) -> Ways:
    """What the account says now."""
    served = served_by(account.id)
    rules = [as_rule(rule) for rule in db.session.scalars(rules_of(account.id))]
    return Ways(account, served, plan_of(account, served, rules))


def decide(ways: Ways, batch: Sequence[Read]) -> Decided:
    """Where each message goes: as was decided before, else as the account says now. The caller commits."""
    own = ways.plan.own_addresses
    letters = {
        one.arrival_id: letter_of(one.parsed, one.stable_hash, own, is_ours=one.is_ours) for one in batch
    }
    decided = Decided(_decided_before(ways, letters), letters)
    fresh = [one for one in batch if one.arrival_id not in decided.routings]
    rows = (
        _copies(ways, fresh, letters)
        if ways.account.delivery_mode == "copied"
        else _routed(ways, fresh, letters)
    )
    if rows:
        keep_routings(rows)
        decided.routings |= routings_of(letters)
    return decided


def facts_of(account_id: UUID, letter: Letter, served: Sequence[Served]) -> Facts:
    """What counts about one message, from the index and our tokens."""
    return _Looking(account_id, [letter], served).facts(letter)


def keep_marks_of(ways: Ways, decided: Decided, arrival_ids: Iterable[UUID]) -> None:
    """Later messages find the way of those that were delivered now. The caller commits."""
    marks: dict[bytes, UUID] = {}
    for arrival_id in arrival_ids:
        for way in decided.routings[arrival_id]:
            if way.organization_id is not None and way.result != COPIED:
                for mark in marks_made_by(decided.letters[arrival_id]):
                    marks.setdefault(mark, way.organization_id)
    keep_marks(ways.account.id, marks, ways.by_organization)


# --- decided before --------------------------------------------------------------------------


def _decided_before(ways: Ways, letters: dict[UUID, Letter]) -> dict[UUID, list[Routing]]:
    """Ways that stand. One to an organization that has no mailbox for it any more is decided anew."""
    mailboxes = ways.by_organization
    found: dict[UUID, list[Routing]] = {}
    for arrival_id, before in routings_of(letters).items():
        standing = [way for way in before if way.organization_id in mailboxes]
        for way in before:
            if way not in standing:
                db.session.delete(way)
        if standing:
            found[arrival_id] = standing
    db.session.flush()
    return found


# --- decided now -----------------------------------------------------------------------------


def _copies(ways: Ways, fresh: Sequence[Read], letters: dict[UUID, Letter]) -> list[dict[str, Any]]:
    """What came in goes to everybody; what was sent, wherever it lies, is of the one who sent it."""
    served, mailboxes = ways.plan.served, _mailboxes(ways.served)
    sent = {
        one.arrival_id
        for one in fresh
        if not served or _is_sent(one, letters[one.arrival_id], ways.plan.own_addresses, mailboxes)
    }
    return _of_their_senders(ways, [one for one in fresh if one.arrival_id in sent], letters) + [
        _row(ways.account, one, None, Facts(), organization_id)
        for one in fresh
        if one.arrival_id not in sent
        for organization_id in sorted(served)
    ]


def _is_sent(one: Read, letter: Letter, own: frozenset[str], mailboxes: list[tuple[UUID, UUID]]) -> bool:
    """Whether one of those who share the account has sent it, or it gives back what was sent."""
    if one.is_ours or (one.is_collected and letter.sender in own):
        return True
    return bool(owners_of_tokens(letter.sent_texts, mailboxes))


def _mailboxes(served: Sequence[Served]) -> list[tuple[UUID, UUID]]:
    """Organization and mailbox, as tokens are made by them."""
    return [(one.organization_id, one.mailbox_id) for one in served]


def _of_their_senders(ways: Ways, sent: Sequence[Read], letters: dict[UUID, Letter]) -> list[dict[str, Any]]:
    """By our token in it, else the home organization's: an answer of one is no other's to read."""
    looking = _Looking(ways.account.id, [letters[one.arrival_id] for one in sent], ways.served)
    plan = Plan(served=ways.plan.served, home=ways.plan.home)
    rows = []
    for one in sent:
        facts = Facts(tokens=looking.facts(letters[one.arrival_id]).tokens)
        rows.append(_row(ways.account, one, route(facts, plan), facts))
    return rows


def _routed(ways: Ways, fresh: Sequence[Read], letters: dict[UUID, Letter]) -> list[dict[str, Any]]:
    """One after another, so that an answer finds what it answers in the same batch."""
    looking = _Looking(ways.account.id, [letters[one.arrival_id] for one in fresh], ways.served)
    rows = []
    for one in fresh:
        letter = letters[one.arrival_id]
        facts = looking.facts(letter)
        decision = route(facts, ways.plan)
        looking.remember(letter, decision)
        rows.append(_row(ways.account, one, decision, facts))
    return rows


class _Looking:
    """What the index says about a batch, and what the batch itself adds to it."""

    def __init__(self, account_id: UUID, letters: Sequence[Letter], served: Sequence[Served]) -> None:
        mailboxes = _mailboxes(served)
        self._tokens = {letter: owners_of_tokens(letter.token_texts, mailboxes) for letter in letters}
        threads = {moved_thread_mark(*owner) for owners in self._tokens.values() for owner in owners}
        answers = {mark for letter in letters for mark in answer_marks(letter)}
        copies = {copy_mark(letter) for letter in letters}
        self._marked = organizations_marked(account_id, threads | answers | copies)

    def facts(self, letter: Letter) -> Facts:
        copy = self._marked.get(copy_mark(letter))
        tokens = [self._marked.get(moved_thread_mark(*owner), owner[0]) for owner in self._tokens[letter]]
        answers = [self._marked[mark] for mark in answer_marks(letter) if mark in self._marked]
        return Facts(
            sender=letter.sender,
            recipients=letter.recipients,
            copies=(copy,) if copy else (),
            tokens=tuple(dict.fromkeys(tokens)),
            answers=tuple(dict.fromkeys(answers)),
        )

    def remember(self, letter: Letter, decision: Decision) -> None:
        if decision.organization_id is not None:
            for mark in marks_made_by(letter):
                self._marked.setdefault(mark, decision.organization_id)


def _row(
    account: Account, one: Read, decision: Decision | None, facts: Facts, organization_id: UUID | None = None
) -> dict[str, Any]:
    """A way as it is stored; without a decision it is a copy's."""
    target = decision.organization_id if decision else organization_id
    return {
        "account_id": account.id,
        "arrival_id": one.arrival_id,
        "organization_id": target,
        "result": decision.result if decision else COPIED,
        "rule_id": decision.rule_id if decision else None,
        "sentence": decision.sentence if decision else COPY_SENTENCE,
        "reason": decision.reason if decision else COPY_SENTENCE,
        "steps": stored_steps(decision.steps) if decision else [],
        "facts": _facts(one.parsed, facts, is_held=target is None) if decision else {},
    }


def _facts(parsed: ParsedMessage, facts: Facts, *, is_held: bool) -> dict[str, Any]:
    """What is kept of a message: addresses; of one that is held also what the queue shows."""
    stored = stored_facts(facts)
    if is_held:
        stored["subject"] = parsed.subject[:SHOWN_CHARACTERS]
        stored["sent_at"] = parsed.sent_at.isoformat() if parsed.sent_at else ""
    return stored
