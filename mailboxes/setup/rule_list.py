"""The rules of a mailbox as its page lists them."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import func, select

from mailboxes.responses import AutomaticResponse
from mailboxes.rules import AutoResponseRule, in_words, rules_of
from mailboxes.system_mailboxes import Mailbox
from mailboxes.templates import Template
from tenants.database import db, now

HITS_DAYS = 30


@dataclass(frozen=True, slots=True)
class RuleRow:
    """A rule with its conditions in words, the response it sends, and how often it did of late."""

    rule: AutoResponseRule
    words: tuple[str, ...]
    template: Template
    hit_count: int


def rule_rows(mailbox: Mailbox) -> list[RuleRow]:
    """The rules in order, by a constant number of queries."""
    rules = list(db.session.scalars(rules_of(mailbox)))
    wanted = {rule.template_id for rule in rules}
    templates = {
        template.id: template
        for template in db.session.scalars(select(Template).where(Template.id.in_(wanted)))
    }
    hits = _hits(mailbox)
    return [
        RuleRow(rule, tuple(in_words(rule)), templates[rule.template_id], hits.get(rule.id, 0))
        for rule in rules
    ]


def _hits(mailbox: Mailbox) -> dict[UUID, int]:
    """Automatic responses of each rule in the last days."""
    since = now() - timedelta(days=HITS_DAYS)
    query = (
        select(AutomaticResponse.rule_id, func.count())
        .where(AutomaticResponse.mailbox_id == mailbox.id, AutomaticResponse.decided_at >= since)
        .group_by(AutomaticResponse.rule_id)
    )
    return {row[0]: row[1] for row in db.session.execute(query) if row[0] is not None}
