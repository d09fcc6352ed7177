"""*Try it*: what a rule would do with the latest messages of its mailbox. Nothing is sent or kept."""

from dataclasses import dataclass

from sqlalchemy import select

from mailboxes.conditions import Condition
from mailboxes.messages import Message
from mailboxes.responses import rehearse
from mailboxes.rules import AutoResponseRule
from mailboxes.system_mailboxes import Mailbox
from tenants.database import db, uuid7

MOST_MESSAGES = 20


@dataclass(frozen=True, slots=True)
class Trial:
    """A message and what the rule would do with it; ``state`` is a tone of `state_dot`."""

    message: Message
    state: str
    words: str
    reasons: tuple[str, ...] = ()
    is_answered: bool = False


def trials_of(mailbox: Mailbox, name: str, conditions: tuple[Condition, ...]) -> list[Trial]:
    """The latest incoming messages, newest first, before a rule that is nowhere stored."""
    rule = AutoResponseRule(id=uuid7(), name=name, conditions=[one.stored() for one in conditions])
    latest = (
        select(Message)
        .where(Message.mailbox_id == mailbox.id, Message.direction == "in")
        .order_by(Message.shown_at.desc(), Message.id.desc())
        .limit(MOST_MESSAGES)
    )
    return [_trial(rule, message) for message in db.session.scalars(latest)]


def _trial(rule: AutoResponseRule, message: Message) -> Trial:
    rule.active_since = message.shown_at
    decision = rehearse(message, [rule])
    if decision.send:
        return Trial(message, "ok", "Would answer", (f"To {decision.recipient}.",), is_answered=True)
    if decision.rule_id is None:
        return Trial(message, "off", "Does not match")
    reasons = tuple(reason.sentence for reason in decision.reasons)
    return Trial(message, "warn", "Matches, but would not answer", reasons)
