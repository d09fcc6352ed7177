"""Routing rules: the ordered list by which a global account chooses the organization of a message.

They are the installation's: the session is bound to it, and the role of organizations cannot read them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Select, UniqueConstraint, select, update
from sqlalchemy.orm import Mapped, mapped_column

from mailboxes.accounts import Account
from mailboxes.routing import deciding
from mailboxes.routing.conditions import normalized, problem_of
from mailboxes.routing.served import Served, served_by
from tenants.audit import Actor, record_for_system
from tenants.database import Base, db, now, uuid7
from tenants.errors import ConflictError, InvalidError, NotFoundError
from tenants.organizations import Organization

MOST_RULES = 5_000


class RoutingRule(Base):
    """One rule of an account. Positions count from 1; the first rule that matches decides."""

    __tablename__ = "routing_rules"
    __table_args__ = (
        UniqueConstraint("account_id", "field", "value"),
        CheckConstraint(
            "field IN ('recipient', 'tag', 'recipient_domain', 'sender', 'sender_domain')", name="field"
        ),
        Index("ix_routing_rules_account_id", "account_id", "position"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"))
    position: Mapped[int]
    field: Mapped[str]
    value: Mapped[str]  # in one form, see `conditions.normalized`
    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"))
    created_at: Mapped[datetime] = mapped_column(default=now)

    @property
    def words(self) -> str:
        """The condition as people read it."""
        return as_rule(self).words


@dataclass(frozen=True, slots=True)
class RuleValues:
    """What a form sends."""

    field: str
    value: str
    organization_id: UUID | None


def rules_of(account_id: UUID) -> Select[RoutingRule]:
    """The rules of an account, in order."""
    query = select(RoutingRule).where(RoutingRule.account_id == account_id)
    return query.order_by(RoutingRule.position, RoutingRule.id)


def rule_of(account_id: UUID, id: UUID) -> RoutingRule:
    """A rule of this account; `NotFoundError` if there is none."""
    rule = db.session.scalar(rules_of(account_id).where(RoutingRule.id == id))
    if rule is None:
        raise NotFoundError("This routing rule does not exist.")
    return rule


def as_rule(rule: RoutingRule) -> deciding.Rule:
    """A stored rule as `deciding.route` reads it."""
    return deciding.Rule(rule.field, rule.value, rule.organization_id, rule.id)


def add_rule(account: Account, values: RuleValues, *, by: Actor) -> RoutingRule:
    """A rule at the end of the list. `InvalidError` names the field that is wrong. The caller commits."""
    valid = checked(values, served_by(account.id))
    count = hold_rules(account.id)
    _refuse_double(account.id, valid)
    if count >= MOST_RULES:
        raise ConflictError(f"A mailbox has at most {MOST_RULES} routing rules. Delete one first.")
    rule = RoutingRule(account_id=account.id, position=count + 1)
    _fill(rule, valid)
    db.session.add(rule)
    db.session.flush()
    record_for_system(by, "routing_rule.created", name_on_record(account, rule), {}, _for_the_record(rule))
    return rule


def change_rule(account: Account, rule: RoutingRule, values: RuleValues, *, by: Actor) -> None:
    """What the form says becomes true. `InvalidError` names the field that is wrong."""
    valid = checked(values, served_by(account.id))
    hold_rules(account.id)
    _refuse_double(account.id, valid, rule.id)
    before = _for_the_record(rule)
    _fill(rule, valid)
    db.session.flush()
    after = _for_the_record(rule)
    record_for_system(by, "routing_rule.changed", name_on_record(account, rule), before, after)


def move_rule(account: Account, rule: RoutingRule, position: int, *, by: Actor) -> None:
    """Put a rule at a place of the list, from 1; beyond an end means the end."""
    place = min(max(position, 1), hold_rules(account.id))
    before = rule.position
    if place == before:
        return
    if place < before:
        _shift(account.id, place, before - 1, 1)
    else:
        _shift(account.id, before + 1, place, -1)
    rule.position = place
    db.session.flush()
    record_for_system(
        by, "routing_rule.moved", name_on_record(account, rule), {"position": before}, {"position": place}
    )


def order_rules(account: Account, ids: Sequence[UUID], *, by: Actor) -> None:
    """Put these rules, which may be a page of the list, into this order among the places that they have."""
    hold_rules(account.id)
    found = {
        rule.id: rule for rule in db.session.scalars(rules_of(account.id).where(RoutingRule.id.in_(ids)))
    }
    chosen = [found[id] for id in dict.fromkeys(ids) if id in found]
    before = [rule.words for rule in sorted(chosen, key=lambda rule: rule.position)]
    for rule, place in zip(chosen, sorted(rule.position for rule in chosen), strict=True):
        rule.position = place
    db.session.flush()
    after = [rule.words for rule in chosen]
    if before != after:
        record_for_system(by, "routing_rules.ordered", account.address, {"order": before}, {"order": after})


def replace_rules(account: Account, drafts: Sequence[deciding.Rule], *, by: Actor) -> None:
    """The list becomes this one; rules that have an id keep it, with their hits. The caller commits.

    The drafts are `checked` and each condition is in them once.
    """
    hold_rules(account.id)
    stored = {rule.id: rule for rule in db.session.scalars(rules_of(account.id))}
    before = [_words(rule) for rule in stored.values()]
    for id in stored.keys() - {draft.id for draft in drafts}:
        db.session.delete(stored[id])
    db.session.flush()  # their conditions are free now
    for place, draft in enumerate(drafts, 1):
        rule = stored.get(draft.id) if draft.id is not None else None
        if rule is None:
            rule = RoutingRule(account_id=account.id)
            db.session.add(rule)
        rule.position = place
        _fill(rule, draft)
    db.session.flush()
    after = [_words(rule) for rule in db.session.scalars(rules_of(account.id))]
    if before != after:
        record_for_system(by, "routing_rules.replaced", account.address, {"rules": before}, {"rules": after})


def delete_rule(account: Account, rule: RoutingRule, *, by: Actor) -> None:
    """Remove a rule; those below it move up."""
    count = hold_rules(account.id)
    record_for_system(by, "routing_rule.deleted", name_on_record(account, rule), _for_the_record(rule), {})
    db.session.delete(rule)
    db.session.flush()
    _shift(account.id, rule.position + 1, count, -1)


def checked(values: RuleValues, served: Sequence[Served]) -> deciding.Rule:
    """The rule that these values make, or `InvalidError` at the field that is wrong."""
    if values.field not in deciding.FIELDS:
        raise InvalidError("Choose what to look at.", field="field")
    value = normalized(values.field, values.value)
    if problem := problem_of(values.field, value):
        raise InvalidError(problem, field="value")
    for one in served:
        if one.organization_id == values.organization_id:
            return deciding.Rule(values.field, value, one.organization_id)
    raise InvalidError("Choose an organization that this mailbox serves.", field="organization")


def name_on_record(account: Account, rule: RoutingRule) -> str:
    """What the record of acts calls a rule."""
    return f"{rule.words} ({account.address})"


def hold_rules(account_id: UUID) -> int:
    """Whoever changes the list does so after us; how many rules it has."""
    db.session.flush()
    db.session.execute(select(Account.id).where(Account.id == account_id).with_for_update(key_share=True))
    rules = select(RoutingRule.id).where(RoutingRule.account_id == account_id)
    return len(db.session.scalars(rules.with_for_update()).all())


def _refuse_double(account_id: UUID, rule: deciding.Rule, but: UUID | None = None) -> None:
    query = select(RoutingRule.position).where(
        RoutingRule.account_id == account_id,
        RoutingRule.field == rule.field,
        RoutingRule.value == rule.value,
        RoutingRule.id.is_distinct_from(but),
    )
    if (position := db.session.scalar(query)) is not None:
        raise InvalidError(f"Rule {position} looks for this already. Change that one.", field="value")


def _fill(rule: RoutingRule, values: deciding.Rule) -> None:
    rule.field, rule.value, rule.organization_id = values.field, values.value, values.organization_id


def _shift(account_id: UUID, first: int, last: int, by: int) -> None:
    db.session.execute(
        update(RoutingRule)
        .where(RoutingRule.account_id == account_id, RoutingRule.position.between(first, last))
        .values(position=RoutingRule.position + by)
    )


def _for_the_record(rule: RoutingRule) -> dict[str, Any]:
    return {"condition": rule.words, "organization": _name(rule)}


def _words(rule: RoutingRule) -> str:
    return f"{rule.words} → {_name(rule)}"


def _name(rule: RoutingRule) -> str:
    organization = db.session.get(Organization, rule.organization_id)
    return organization.name if organization else ""
