"""What `decide` is told and what it answers: frozen values, no session and no socket."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from mailboxes.classifying import Facts, canonical_address
from mailboxes.classifying.domains import split_address
from mailboxes.conditions import Condition, MessageFields


@dataclass(frozen=True, slots=True)
class Rule:
    """An active auto-response rule."""

    id: UUID
    name: str
    conditions: tuple[Condition, ...]
    active_since: datetime


@dataclass(frozen=True, slots=True)
class Options:
    """The rules of reliability §3.1 marked °, which may be switched off; here as they are by default."""

    answers_roles: bool = False  # 10: postmaster, alerts
    answers_unaddressed: bool = False  # 16: our address is in no To, Cc or Bcc
    answers_many_recipients: bool = False  # 17
    suppresses_foreign_reply_to: bool = False  # 25: instead of answering From
    answers_answered: bool = False  # 27: somebody has answered on the server


@dataclass(frozen=True, slots=True)
class Limits:
    """How many automatic responses may be sent (rules 18 to 20)."""

    sender_per_day: int = 3
    sender_per_day_unproven: int = 2  # without a result of the trusted authentication server
    domain_per_hour: int = 50
    domain_per_hour_unproven: int = 25
    mailbox_per_hour: int = 100
    mailbox_per_day: int = 500
    organization_per_hour: int = 2_000


@dataclass(frozen=True, slots=True)
class Usage:
    """What was answered already. ``next_allowed_at``: when this mailbox may answer the sender again."""

    next_allowed_at: datetime | None = None
    sender_day_count: int = 0
    domain_hour_count: int = 0
    mailbox_hour_count: int = 0
    mailbox_day_count: int = 0
    organization_hour_count: int = 0
    has_same_body: bool = False  # answered in the last hour to another sender of the domain


@dataclass(frozen=True)
class Context:
    """What the installation knows. Own addresses are canonical, ``trusted_forms`` in lower case.

    ``response_reason``: why delivery decided against a response; "" where it did not.
    ``domain_state``: what DNS says of the recipient's domain: "", ``null-mx`` or ``missing``.
    ``switched_off``, ``sending_problem``: a sentence, or "".
    """

    moment: datetime
    received_at: datetime
    fields: MessageFields
    rules: tuple[Rule, ...] = ()
    own_addresses: frozenset[str] = frozenset()
    mailbox_addresses: frozenset[str] = frozenset()
    trusted_forms: frozenset[str] = frozenset()
    response_reason: str = ""
    box: str = "inbox"
    flags: frozenset[str] = frozenset()
    is_opening: bool = True
    is_thread_answered: bool = False
    is_answered_on_server: bool = False
    is_stub: bool = False
    is_bounce: bool = False
    carries_own_token: bool = False
    answers_automatic_response: bool = False
    is_own_message: bool = False
    is_undeliverable: bool = False
    domain_state: str = ""
    answers_reserved_domains: bool = False
    lacks_smtputf8: bool = False
    switched_off: str = ""
    sending_problem: str = ""
    usage: Usage = field(default_factory=Usage)
    limits: Limits = field(default_factory=Limits)
    options: Options = field(default_factory=Options)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why, as a code that starts with the rule's number, and as a sentence."""

    code: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether to answer, by which rule, to whom; every reason, in the order of the rules.

    ``rule_id`` is the first active rule that matches, also where something else forbids the answer.
    """

    send: bool
    rule_id: UUID | None
    reasons: tuple[Reason, ...]
    recipient: str = ""

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes of all reasons."""
        return tuple(reason.code for reason in self.reasons)


@dataclass(frozen=True, slots=True)
class Case:
    """One message before the rules: its facts, what we know, and whom an answer would go to."""

    facts: Facts
    context: Context
    recipient: str
    is_trusted_form: bool

    @property
    def recipient_canonical(self) -> str:
        """The recipient, to be compared."""
        return canonical_address(self.recipient) if self.recipient else ""

    @property
    def is_by_own_list(self) -> bool:
        """Whether the list that passed it on is an address of the mailbox itself."""
        return self.facts["posting_address"] in self.context.mailbox_addresses

    @property
    def recipient_domain(self) -> str:
        """Its domain, in A-labels."""
        return split_address(self.recipient)[1]


def case_of(facts: Facts, context: Context) -> Case:
    """Find the recipient: From; Reply-To of the same domain, or of a trusted web form. One, or none."""
    is_trusted_form = facts["sender"] in context.trusted_forms and len(facts["reply_to"]) == 1
    recipient = facts["sender"]
    if is_trusted_form or _has_near_reply_to(facts):
        recipient = facts["reply_to"][0]
    return Case(facts, context, recipient, is_trusted_form)


def _has_near_reply_to(facts: Facts) -> bool:
    reply_to = facts["reply_to"]
    return len(reply_to) == 1 and split_address(reply_to[0])[1] == facts["sender_domain"]
