"""Where a message of a routed account goes, and why. Pure: facts in, a decision with its reasons out.

In order: every copy of a message goes where the first one went; an answer goes where its conversation is;
then the account's rules, the first that matches; then the home organization; else nowhere (*unrouted*). What
points to an organization that the account does not serve is skipped, and the decision says so.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from uuid import UUID

from mailboxes.classifying.domains import split_address

AGAIN, TOKEN, ANSWER, RULE, HOME, UNROUTED = "again", "token", "answer", "rule", "home", "unrouted"
TAKEN, SKIPPED, NO = "taken", "skipped", "no"

RECIPIENT, TAG, RECIPIENT_DOMAIN, SENDER, SENDER_DOMAIN = (
    "recipient",
    "tag",
    "recipient_domain",
    "sender",
    "sender_domain",
)
FIELDS = {
    RECIPIENT: "recipient address",
    TAG: "plus-tag",
    RECIPIENT_DOMAIN: "recipient domain",
    SENDER: "sender address",
    SENDER_DOMAIN: "sender domain",
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What counts about a message. Addresses are in lower case, organizations the nearest first.

    ``copies``: where the same message went before; ``tokens``: whose conversations its tokens of ours
    are of; ``answers``: where it answers messages that its sender wrote or got.
    """

    sender: str = ""
    recipients: tuple[str, ...] = ()
    copies: tuple[UUID, ...] = ()
    tokens: tuple[UUID, ...] = ()
    answers: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """A routing rule: a field of the message is this value. ``value`` is `normalized`."""

    field: str
    value: str
    organization_id: UUID
    id: UUID | None = None

    @property
    def words(self) -> str:
        """The condition as people read it."""
        return f"{FIELDS[self.field]} is {self.value}"


@dataclass(frozen=True)
class Plan:
    """What an account says: whom it serves now, its rules in order, its home and its own addresses."""

    served: frozenset[UUID]
    rules: tuple[Rule, ...] = ()
    home: UUID | None = None
    own_addresses: frozenset[str] = frozenset()

    @cached_property
    def places(self) -> dict[tuple[str, str], list[int]]:
        """Where in the list a condition stands: thousands of rules cost no more than a few."""
        places: dict[tuple[str, str], list[int]] = {}
        for place, rule in enumerate(self.rules):
            places.setdefault((rule.field, rule.value), []).append(place)
        return places

    def matching(self, facts: Facts) -> list[Rule]:
        """The rules that match, in order."""
        found = {place for key in _keys(facts, self.own_addresses) for place in self.places.get(key, ())}
        return [self.rules[place] for place in sorted(found)]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was considered. ``outcome``: taken, skipped, or no (there was nothing)."""

    kind: str
    outcome: str
    sentence: str
    organization_id: UUID | None = None
    rule_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """Where a message goes; ``organization_id`` is None for nowhere. The last step decided."""

    organization_id: UUID | None
    steps: tuple[Step, ...]

    @property
    def result(self) -> str:
        """By what it was decided."""
        return self.steps[-1].kind

    @property
    def rule_id(self) -> UUID | None:
        """The rule that decided, if one did."""
        return self.steps[-1].rule_id

    @property
    def sentence(self) -> str:
        """What decided, without a word about anybody else: for the organization it went to."""
        return self.steps[-1].sentence

    @property
    def reason(self) -> str:
        """What decided, after what had to be skipped: for the system's pages."""
        return " ".join(step.sentence for step in self.steps if step.outcome != NO)


def route(facts: Facts, plan: Plan) -> Decision:
    """Decide. Every message has exactly one decision, and the same facts always have the same."""
    steps = []
    for step in _considered(facts, plan):
        if step.organization_id is None:
            steps.append(step)
        elif step.organization_id in plan.served:
            return Decision(step.organization_id, (*steps, step))
        else:
            steps.append(_skipped(step))
    return Decision(None, (*steps, Step(UNROUTED, TAKEN, "Nothing routes it: it waits to be assigned.")))


def _considered(facts: Facts, plan: Plan) -> Iterator[Step]:
    """Everything that might decide, in order; a step without an organization only says what was not."""
    yield from _known(
        AGAIN, facts.copies, "The same message was here before, and all its copies stay together.", ""
    )
    yield from _known(
        TOKEN,
        facts.tokens,
        "It carries our signed token of a conversation.",
        "It carries no signed token of a conversation.",
    )
    yield from _known(
        ANSWER,
        facts.answers,
        "It answers a conversation in which its sender takes part.",
        "It answers no conversation in which its sender takes part.",
    )
    matching = plan.matching(facts)
    for rule in matching:
        yield Step(RULE, TAKEN, f"The rule “{rule.words}” matches.", rule.organization_id, rule.id)
    if not matching:
        yield Step(
            RULE, NO, f"None of {len(plan.rules)} rules matches." if plan.rules else "There is no rule."
        )
    yield from _home(plan)


def _known(kind: str, organizations: tuple[UUID, ...], found: str, nothing: str) -> Iterator[Step]:
    for organization_id in organizations:
        yield Step(kind, TAKEN, found, organization_id)
    if not organizations and nothing:
        yield Step(kind, NO, nothing)


def _home(plan: Plan) -> Iterator[Step]:
    if plan.home is None:
        yield Step(HOME, NO, "The mailbox has no home organization.")
    else:
        yield Step(HOME, TAKEN, "Nothing else routes it: the home organization gets it.", plan.home)


_SUBJECTS = {
    AGAIN: "The same message was here before",
    TOKEN: "It carries our signed token of a conversation",
    ANSWER: "It answers a conversation in which its sender takes part",
    HOME: "The home organization is next",
}


def _skipped(step: Step) -> Step:
    subject = _SUBJECTS.get(step.kind) or step.sentence.rstrip(".")
    sentence = f"{subject}, but that organization is not served now: skipped."
    return Step(step.kind, SKIPPED, sentence, step.organization_id, step.rule_id)


# --- values ----------------------------------------------------------------------------------


def _keys(facts: Facts, own_addresses: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Every condition that would match these facts."""
    for recipient in facts.recipients:
        local, _, domain = recipient.rpartition("@")
        yield RECIPIENT, recipient
        yield RECIPIENT_DOMAIN, domain
        base, plus, tag = local.partition("+")
        if plus and f"{base}@{domain}" in own_addresses:
            yield TAG, tag
    yield SENDER, facts.sender
    yield SENDER_DOMAIN, facts.sender.rpartition("@")[2]


def comparable(address: str) -> str:
    """An address as facts and rules hold it: lower case, the domain in A-labels; "" if it is none."""
    local, domain = split_address(address)
    return f"{local}@{domain}" if local and domain else ""
