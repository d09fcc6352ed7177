"""*Try it*: what a rule would do with messages of its mailbox. Nothing is sent or kept."""

from dataclasses import dataclass
from datetime import timedelta
from itertools import takewhile
from time import monotonic

from sqlalchemy import select

from mailboxes.conditions import Condition
from mailboxes.messages import Message
from mailboxes.responses import rehearse
from mailboxes.rules import AutoResponseRule
from mailboxes.search import messages_with_words
from mailboxes.system_mailboxes import Mailbox
from tenants.database import db, now, uuid7

LATEST = 20
DAYS = 30
MOST_TRIED, MOST_SHOWN = 200, 50  # of so many days
SECONDS = 5.0  # after which no further message is tried: a condition may read all of each


@dataclass(frozen=True, slots=True)
class Trial:
    """A message and what the rule would do with it; ``state`` is a tone of `state_dot`."""

    message: Message
    state: str
    words: str
    reasons: tuple[str, ...] = ()
    is_answered: bool = False
    is_match: bool = True


@dataclass(frozen=True, slots=True)
class Trials:
    """What a rule would do with the latest messages; of those of ``days``, matches are shown."""

    shown: list[Trial]
    tried_count: int
    match_count: int
    answered_count: int
    is_cut: bool  # there may be more of these days than were tried
    days: int = 0


def trials_of(
    mailbox: Mailbox,
    name: str,
    conditions: tuple[Condition, ...],
    earlier: list[AutoResponseRule],
    days: int = 0,
    words: str = "",
) -> Trials:
    """Incoming messages, newest first, before a rule that is nowhere stored: the latest, or of ``days``.

    ``words``: those that have all of them. The ``earlier`` rules are asked before it: what one of them
    takes, it does not answer.
    """
    rule = AutoResponseRule(id=uuid7(), name=name, conditions=[one.stored() for one in conditions])
    incoming = (
        select(Message)
        .where(Message.mailbox_id == mailbox.id, Message.direction == "in")
        .order_by(Message.shown_at.desc(), Message.id.desc())
    )
    if words:
        here = select(Mailbox.id).where(Mailbox.id == mailbox.id)
        incoming = incoming.where(Message.id.in_(messages_with_words([words], here)))
    if days:
        incoming = incoming.where(Message.shown_at > now() - timedelta(days=days)).limit(MOST_TRIED)
    else:
        incoming = incoming.limit(LATEST)
    messages = db.session.scalars(incoming).all()
    end = monotonic() + SECONDS
    tried = [_trial(rule, earlier, message) for message in takewhile(lambda _: monotonic() < end, messages)]
    matching = [trial for trial in tried if trial.is_match]
    return Trials(
        shown=matching[:MOST_SHOWN] if days else tried,
        tried_count=len(tried),
        match_count=len(matching),
        answered_count=sum(trial.is_answered for trial in tried),
        is_cut=len(tried) < len(messages) or len(tried) == MOST_TRIED,
        days=days,
    )


def _trial(rule: AutoResponseRule, earlier: list[AutoResponseRule], message: Message) -> Trial:
    rule.active_since = message.shown_at
    decision = rehearse(message, [rule])
    if decision.send and earlier:
        taking = rehearse(message, earlier).rule_id
        names = [f"“{one.name}” stands before it and matches, too." for one in earlier if one.id == taking]
        if names:
            return Trial(message, "warn", "Another rule answers", tuple(names))
    if decision.send:
        return Trial(message, "ok", "Would answer", (f"To {decision.recipient}.",), is_answered=True)
    if decision.rule_id is None:
        return Trial(message, "off", "Does not match", is_match=False)
    reasons = tuple(reason.sentence for reason in decision.reasons)
    return Trial(message, "warn", "Matches, but would not answer", reasons)
