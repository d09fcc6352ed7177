"""Auto-response rules that the system says for a global mailbox; organizations get copies (`settling`).

They answer with templates that the system offers, by key, so that each organization's own words are sent.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from mailboxes.conditions import Condition, conditions_from, described
from mailboxes.global_mailboxes.saving import lock, say
from mailboxes.global_mailboxes.table import GlobalMailbox
from mailboxes.rules import LONGEST_NAME, MOST_RULES, InvalidRuleError, demand_valid_conditions
from mailboxes.templates.system import is_kept, system_templates
from tenants.audit import Actor, record_for_system
from tenants.database import db, uuid7
from tenants.errors import ConflictError, NotFoundError


@dataclass(frozen=True)
class SystemRule:
    """A rule as the system keeps it. ``template`` is the key of a template that the system offers."""

    key: UUID
    name: str
    conditions: tuple[Condition, ...] = ()
    template: str = ""
    is_active: bool = True

    @property
    def words(self) -> list[str]:
        """The conditions as sentences; what none means is said too."""
        return [described(one) for one in self.conditions] or ["Every message"]

    def stored(self) -> dict[str, Any]:
        """As JSON among the values of the mailbox."""
        return {
            "key": str(self.key),
            "name": self.name,
            "is_active": self.is_active,
            "conditions": [one.stored() for one in self.conditions],
            "template": self.template,
        }


def template_choices() -> list[tuple[str, str]]:
    """(key, name) of what a rule of the system can answer with."""
    offered = db.session.scalars(system_templates())
    return [(one.key, one.name) for one in offered if "message" in one.used_for]


def rules_of(source: GlobalMailbox) -> list[SystemRule]:
    """The rules of a global mailbox, in order."""
    return [
        SystemRule(
            UUID(one["key"]),
            one["name"],
            conditions_from(one["conditions"]),
            one["template"],
            one["is_active"],
        )
        for one in source.said("rules")
    ]


def rule_of(source: GlobalMailbox, key: UUID) -> SystemRule:
    """A rule of this mailbox; `NotFoundError` if there is none."""
    for rule in rules_of(source):
        if rule.key == key:
            return rule
    raise NotFoundError("This rule does not exist.")


def name_on_record(source: GlobalMailbox, rule: SystemRule) -> str:
    """What the record of acts calls a rule."""
    return f"{rule.name} ({source.label})"


def new_key() -> UUID:
    """The key of a rule that is not there yet."""
    return uuid7()


def keep_rule(source: GlobalMailbox, rule: SystemRule, *, by: Actor) -> None:
    """Change the rule with this key, or put it at the end. `InvalidRuleError` at what is wrong."""
    _demand_valid(rule)
    lock(source)
    rules = rules_of(source)
    former = next((one for one in rules if one.key == rule.key), None)
    if former is None and len(rules) >= MOST_RULES:
        raise ConflictError(f"A mailbox has at most {MOST_RULES} rules. Delete one first.")
    kept = [rule if one.key == rule.key else one for one in rules] + ([rule] if former is None else [])
    _keep(source, kept, "rule.created" if former is None else "rule.changed", former, rule, by)


def delete_rule(source: GlobalMailbox, rule: SystemRule, *, by: Actor) -> None:
    """Take a rule away, here and from whoever follows."""
    lock(source)
    kept = [one for one in rules_of(source) if one.key != rule.key]
    _keep(source, kept, "rule.deleted", rule, None, by)


def move_rule(source: GlobalMailbox, rule: SystemRule, step: int, *, by: Actor) -> None:
    """Up (-1) or down (1) one place; at an end nothing happens."""
    lock(source)
    rules = rules_of(source)
    place = [one.key for one in rules].index(rule.key)
    other = place + step
    if 0 <= other < len(rules):
        rules[place], rules[other] = rules[other], rules[place]
        _keep(source, rules, "rule.moved", None, rule, by)


def order_rules(source: GlobalMailbox, keys: Sequence[UUID], *, by: Actor) -> None:
    """Put the rules in this order."""
    lock(source)
    rules = {rule.key: rule for rule in rules_of(source)}
    ordered = [rules[key] for key in keys]
    if ordered != list(rules.values()):
        _keep(source, ordered, "rule.moved", None, ordered[0], by)


def _keep(
    source: GlobalMailbox,
    rules: Sequence[SystemRule],
    act: str,
    before: SystemRule | None,
    after: SystemRule | None,
    by: Actor,
) -> None:
    say(source, "rules", [rule.stored() for rule in rules], by=by)
    named = after or before
    subject = name_on_record(source, named) if named else source.label
    record_for_system(by, act, subject, _for_the_record(before), _for_the_record(after))


def _for_the_record(rule: SystemRule | None) -> dict[str, Any]:
    if rule is None:
        return {}
    return {
        "name": rule.name,
        "is_active": rule.is_active,
        "conditions": rule.words,
        "response": rule.template,
    }


def _demand_valid(rule: SystemRule) -> None:
    if not rule.name.strip():
        raise InvalidRuleError("Give the rule a name.", field="name")
    if len(rule.name) > LONGEST_NAME:
        raise InvalidRuleError(f"Use at most {LONGEST_NAME} characters.", field="name")
    if rule.template not in dict(template_choices()) or not is_kept(rule.template):
        raise InvalidRuleError("Choose a template of the system.", field="template_id")
    demand_valid_conditions(rule.conditions)
