"""Auto-response rules: when the sender of a message is answered, and with what."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Index, Select, UniqueConstraint, and_, false, func, not_, or_, select
from sqlalchemy.orm import Mapped, mapped_column

from mailboxes import templates
from mailboxes.conditions import Condition, RowError, check_conditions, conditions_from, described
from mailboxes.system_mailboxes import Mailbox
from mailboxes.templates import Template, TemplateValues
from tenants import audit
from tenants.audit import Actor
from tenants.database import Base, OrganizationScoped, db, now, scoped_key
from tenants.database.portions import asked_once
from tenants.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError

LONGEST_NAME = 100
MOST_RULES = 200


class AutoResponseRule(OrganizationScoped, Base):
    """A rule of a mailbox. ``conditions`` are {field, operator, value}, all joined by AND.

    A condition on a header has the field ``header:NAME``. No condition means every message.
    """

    __tablename__ = "auto_response_rules"
    __table_args__ = (
        scoped_key("mailbox_id", "mailboxes", ondelete="CASCADE"),
        scoped_key("template_id", "templates"),
        Index("ix_auto_response_rules_mailbox", "organization_id", "mailbox_id", "position"),
        UniqueConstraint("organization_id", "mailbox_id", "system_key"),
    )

    mailbox_id: Mapped[UUID]
    position: Mapped[int]
    name: Mapped[str]
    is_active: Mapped[bool] = mapped_column(default=True)
    conditions: Mapped[list[dict[str, Any]]] = mapped_column(default=list)
    template_id: Mapped[UUID]
    # Copied from the rules of a global mailbox: it follows that one, and is changed there only.
    system_key: Mapped[UUID | None] = mapped_column(default=None)
    active_since: Mapped[datetime] = mapped_column(default=now)
    created_at: Mapped[datetime] = mapped_column(default=now)


@dataclass(frozen=True)
class RuleValues:
    """What a form sends: a template that is chosen, or a response of the rule's own (*Custom*).

    ``save_as``: a name under which the response becomes a template for everybody.
    """

    name: str
    conditions: tuple[Condition, ...] = ()
    template_id: UUID | None = None
    response: TemplateValues | None = None
    save_as: str = ""
    is_active: bool = True


@dataclass(frozen=True, slots=True)
class RuleUse:
    """A rule that answers with a template, and the mailbox it belongs to."""

    rule: AutoResponseRule
    mailbox: Mailbox


class InvalidRuleError(InvalidError):
    """A rule that cannot be saved; ``rows`` says what is wrong in which row of the conditions."""

    def __init__(self, message: str, *, field: str, rows: Sequence[RowError] = ()) -> None:
        super().__init__(message, field=field)
        self.rows = tuple(rows)


def rules_of(mailbox: Mailbox) -> Select[AutoResponseRule]:
    """The rules that apply in a mailbox, in order: its own, or the system's copies, or none."""
    return {"own": own_rules_of, "system": system_rules_of, "off": _no_rules_of}[mailbox.rules_from](mailbox)


def applies_in_its_mailbox() -> ColumnElement[bool]:
    """Whether a rule is one of `rules_of` its mailbox, in a query of both."""
    is_own = AutoResponseRule.system_key.is_(None)
    return or_(and_(Mailbox.rules_from == "own", is_own), and_(Mailbox.rules_from == "system", not_(is_own)))


def own_rules_of(mailbox: Mailbox) -> Select[AutoResponseRule]:
    """The organization's own, in order; a global mailbox keeps them while the system's apply."""
    return _rules_of(mailbox).where(AutoResponseRule.system_key.is_(None))


def active_rules_before(mailbox: Mailbox, rule: AutoResponseRule | None) -> Select[AutoResponseRule]:
    """Those of the organization's own that are asked before this one, or before a new one, in order."""
    active = own_rules_of(mailbox).where(AutoResponseRule.is_active)
    return active if rule is None else active.where(AutoResponseRule.position < rule.position)


def system_rules_of(mailbox: Mailbox) -> Select[AutoResponseRule]:
    """Copies of what the system says for a global mailbox, in order."""
    return _rules_of(mailbox).where(AutoResponseRule.system_key.is_not(None))


@asked_once
def rule_of(mailbox: Mailbox, id: UUID) -> AutoResponseRule:
    """A rule of this mailbox; `NotFoundError` if there is none."""
    rule = db.session.scalar(rules_of(mailbox).where(AutoResponseRule.id == id))
    if rule is None:
        raise NotFoundError("This rule does not exist.")
    return rule


def own_rule_of(mailbox: Mailbox, id: UUID) -> AutoResponseRule:
    """A rule that the organization may change; `NotFoundError` if there is none."""
    rule = db.session.scalar(own_rules_of(mailbox).where(AutoResponseRule.id == id))
    if rule is None:
        raise NotFoundError("This rule does not exist.")
    return rule


def values_of(rule: AutoResponseRule) -> RuleValues:
    """A rule as a form shows it."""
    template = templates.template_of(rule.template_id)
    response = templates.values_of(template) if template.is_custom else None
    return RuleValues(
        name=rule.name,
        conditions=conditions_from(rule.conditions),
        template_id=None if template.is_custom else template.id,
        response=response,
        is_active=rule.is_active,
    )


def name_on_record(rule: AutoResponseRule, mailbox: Mailbox | None = None) -> str:
    """What the record of acts calls a rule."""
    return f"{rule.name} ({(mailbox or _mailbox_of(rule)).label})"


def in_words(rule: AutoResponseRule) -> list[str]:
    """The conditions as sentences for a list; what none means is said too."""
    return [described(one) for one in conditions_from(rule.conditions)] or ["Every message"]


def add_rule(mailbox: Mailbox, values: RuleValues, *, by: Actor) -> AutoResponseRule:
    """A rule at the end of the list. `InvalidRuleError` or `InvalidTemplateError` says what is wrong."""
    _demand_valid(values)
    count = len(db.session.scalars(own_rules_of(mailbox)).all())
    if count >= MOST_RULES:
        raise ConflictError(f"A mailbox has at most {MOST_RULES} rules. Delete one first.")
    rule = AutoResponseRule(
        mailbox_id=mailbox.id,
        position=count + 1,
        name=values.name.strip(),
        is_active=values.is_active,
        conditions=[one.stored() for one in values.conditions],
        template_id=_response(values, None, by).id,
    )
    db.session.add(rule)
    db.session.flush()
    audit.record(by, "rule.created", name_on_record(rule, mailbox), {}, _for_the_record(rule))
    return rule


def change_rule(rule: AutoResponseRule, values: RuleValues, *, by: Actor) -> None:
    """What the form says becomes true. A response of the rule's own goes when another is chosen."""
    _demand_not_systems(rule)
    _demand_valid(values)
    before = _for_the_record(rule)
    former = templates.template_of(rule.template_id)
    chosen = _response(values, former, by)
    rule.template_id = chosen.id
    rule.name = values.name.strip()
    rule.conditions = [one.stored() for one in values.conditions]
    _set_active(rule, is_active=values.is_active)
    db.session.flush()
    if former.is_custom and former.id != chosen.id:
        db.session.delete(former)
        db.session.flush()
    audit.record(by, "rule.changed", name_on_record(rule), before, _for_the_record(rule))


def move_rule(rule: AutoResponseRule, position: int, *, by: Actor) -> None:
    """Put a rule at a place of the list, from 1; beyond an end means the end."""
    _demand_not_systems(rule)
    mailbox = _mailbox_of(rule)
    ordered = list(db.session.scalars(own_rules_of(mailbox).with_for_update()))
    before = ordered.index(rule) + 1
    ordered.remove(rule)
    ordered.insert(min(max(position, 1) - 1, len(ordered)), rule)
    for place, one in enumerate(ordered, start=1):
        one.position = place
    db.session.flush()
    if rule.position != before:
        audit.record(
            by, "rule.moved", name_on_record(rule, mailbox), {"position": before}, {"position": rule.position}
        )


def move_rule_up(rule: AutoResponseRule, *, by: Actor) -> None:
    """Before the rule above it."""
    move_rule(rule, rule.position - 1, by=by)


def move_rule_down(rule: AutoResponseRule, *, by: Actor) -> None:
    """Behind the rule below it."""
    move_rule(rule, rule.position + 1, by=by)


def delete_rule(rule: AutoResponseRule, *, by: Actor) -> None:
    """Remove a rule, and the response that was its own."""
    _demand_not_systems(rule)
    mailbox, before = _mailbox_of(rule), _for_the_record(rule)
    template = templates.template_of(rule.template_id)
    audit.record(by, "rule.deleted", name_on_record(rule, mailbox), before, {})
    db.session.delete(rule)
    db.session.flush()
    if template.is_custom:
        db.session.delete(template)
    for place, one in enumerate(db.session.scalars(own_rules_of(mailbox)), start=1):
        one.position = place
    db.session.flush()


def activate(rule: AutoResponseRule, *, is_active: bool, by: Actor) -> None:
    """Switch a rule on or off. It answers what arrives after it was switched on."""
    _demand_not_systems(rule)
    if rule.is_active == is_active:
        return
    _set_active(rule, is_active=is_active)
    db.session.flush()
    audit.record(by, "rule.activated" if is_active else "rule.deactivated", name_on_record(rule))


def where_used(template: Template) -> list[RuleUse]:
    """The rules that answer with a template, by mailbox."""
    rows = db.session.execute(_uses().where(AutoResponseRule.template_id == template.id))
    return [RuleUse(rule, mailbox) for rule, mailbox in rows]


def uses_by_template(ids: Iterable[UUID]) -> dict[UUID, list[RuleUse]]:
    """The rules that answer with each of these templates, at once."""
    used: dict[UUID, list[RuleUse]] = {}
    for rule, mailbox in db.session.execute(_uses().where(AutoResponseRule.template_id.in_(list(ids)))):
        used.setdefault(rule.template_id, []).append(RuleUse(rule, mailbox))
    return used


def delete_template(template: Template, *, by: Actor) -> None:
    """Delete a template of one's own that nothing uses; `ConflictError` names the rules that do."""
    if template.system_key is not None:
        raise ConflictError("The system offers this template to everybody. Hide it instead.")
    uses = where_used(template)
    if uses:
        named = ", ".join(f"“{use.rule.name}” ({use.mailbox.label})" for use in uses[:5])
        more = f" and {len(uses) - 5} more" if len(uses) > 5 else ""
        raise ConflictError(
            f"Rules answer with this template: {named}{more}. Choose another one there first."
        )
    audit.record(by, "template.deleted", template.name)
    db.session.delete(template)
    db.session.flush()


def demand_valid_conditions(conditions: Sequence[Condition]) -> None:
    """`InvalidRuleError` with what is wrong, row by row."""
    rows = check_conditions(conditions)
    if rows:
        raise InvalidRuleError(rows[0].sentence, field="conditions", rows=rows)


def _rules_of(mailbox: Mailbox) -> Select[AutoResponseRule]:
    return (
        select(AutoResponseRule)
        .where(AutoResponseRule.mailbox_id == mailbox.id)
        .order_by(AutoResponseRule.position, AutoResponseRule.id)
    )


def _no_rules_of(mailbox: Mailbox) -> Select[AutoResponseRule]:
    return _rules_of(mailbox).where(false())


def _uses() -> Select[AutoResponseRule, Mailbox]:
    return (
        select(AutoResponseRule, Mailbox)
        .join(
            Mailbox,
            (Mailbox.organization_id == AutoResponseRule.organization_id)
            & (Mailbox.id == AutoResponseRule.mailbox_id),
        )
        .order_by(func.lower(Mailbox.label), AutoResponseRule.position)
    )


def _response(values: RuleValues, former: Template | None, by: Actor) -> Template:
    """The template a rule answers with: the chosen one, or its own, made or changed."""
    if values.template_id is not None:
        chosen = templates.template_of(values.template_id)
        if chosen.is_custom and (former is None or chosen.id != former.id):
            raise NotFoundError("This template does not exist.")
        return chosen
    if values.response is None:
        raise InvalidRuleError("Choose a template, or write a response.", field="template_id")
    own = former if former is not None and former.is_custom else None
    response = templates.keep_texts(values.response, own)
    if values.save_as.strip():
        templates.name_template(response, values.save_as, by=by, field="save_as")
    return response


def _demand_valid(values: RuleValues) -> None:
    if not values.name.strip():
        raise InvalidRuleError("Give the rule a name.", field="name")
    if len(values.name.strip()) > LONGEST_NAME:
        raise InvalidRuleError(f"Use at most {LONGEST_NAME} characters.", field="name")
    demand_valid_conditions(values.conditions)


def _demand_not_systems(rule: AutoResponseRule) -> None:
    if rule.system_key is not None:
        raise ForbiddenError(
            "This rule is the system's. Replace the system's rules by your own to change them."
        )


def _set_active(rule: AutoResponseRule, *, is_active: bool) -> None:
    if is_active and not rule.is_active:
        rule.active_since = now()
    rule.is_active = is_active


def _mailbox_of(rule: AutoResponseRule) -> Mailbox:
    return db.session.get_one(Mailbox, {"organization_id": rule.organization_id, "id": rule.mailbox_id})


def _for_the_record(rule: AutoResponseRule) -> dict[str, Any]:
    template = templates.template_of(rule.template_id)
    return {
        "name": rule.name,
        "is_active": rule.is_active,
        "conditions": in_words(rule),
        "response": "Custom" if template.is_custom else template.name,
    }
