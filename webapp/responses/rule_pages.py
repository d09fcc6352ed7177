"""What both doors to a mailbox do with its auto-response rules."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from flask import flash, g, redirect, render_template, request
from flask.typing import ResponseReturnValue

from mailboxes import rules, templates
from mailboxes.access import is_granted
from mailboxes.loops import Course
from mailboxes.responses import rehearse_loops
from mailboxes.rules import AutoResponseRule, InvalidRuleError
from mailboxes.setup.rule_list import HITS_DAYS, rule_rows
from mailboxes.system_mailboxes import Mailbox
from mailboxes.templates import InvalidTemplateError, Template
from tenants.audit import AuditEntry
from tenants.database import db
from tenants.errors import ConflictError, ForbiddenError
from tenants.organizations import membership_of
from webapp.configuration.pages import actor
from webapp.mailboxes.door import Door
from webapp.responses.rule_forms import (
    RuleForm,
    changed_rows,
    conditions_from,
    lacks_template_name,
    prototype,
    put_rule_error,
    rule_form,
    rule_values,
)
from webapp.responses.texts import (
    filter_notes,
    languages_of,
    put_template_error,
    text_parts,
    variable_groups,
)
from webapp.responses.trials import DAYS, Trials, trials_of
from webapp.versions import held, on_record


def rules_section(mailbox: Mailbox) -> dict[str, Any]:
    """What the mailbox page lists as its rules."""
    return {"rule_rows": rule_rows(mailbox), "hits_days": HITS_DAYS}


def new_rule_page(door: Door, mailbox: Mailbox) -> ResponseReturnValue:
    """A rule that is not there yet."""
    return _rule_page(door, mailbox, None)


def edit_rule_page(door: Door, mailbox: Mailbox, rule_id: UUID) -> ResponseReturnValue:
    """One rule."""
    return _rule_page(door, mailbox, held(rules.own_rule_of(mailbox, rule_id)))


def move_rule(door: Door, mailbox: Mailbox, rule_id: UUID) -> ResponseReturnValue:
    """One place up or down, as the button says."""
    rule = rules.own_rule_of(mailbox, rule_id)
    move = rules.move_rule_up if request.form.get("direction") == "up" else rules.move_rule_down
    move(rule, by=actor())
    db.session.commit()
    return redirect(_list_url(door, mailbox))


def switch_rule(door: Door, mailbox: Mailbox, rule_id: UUID) -> ResponseReturnValue:
    """Active or inactive, as the button says."""
    rule = rules.own_rule_of(mailbox, rule_id)
    is_active = request.form.get("active") == "1"
    rules.activate(rule, is_active=is_active, by=actor())
    db.session.commit()
    flash(
        f"{rule.name} is {'active: it answers what arrives from now on' if is_active else 'inactive'}.",
        "success",
    )
    return redirect(_list_url(door, mailbox))


def delete_rule(door: Door, mailbox: Mailbox, rule_id: UUID) -> ResponseReturnValue:
    """Asks; then the rule is gone, with the response that was its own."""
    rule = rules.own_rule_of(mailbox, rule_id)
    if request.method == "GET":
        is_custom = templates.template_of(rule.template_id).is_custom
        return render_template(
            "responses/delete_rule.html", door=door, mailbox=mailbox, rule=rule, is_custom=is_custom
        )
    name = rule.name
    rules.delete_rule(rule, by=actor())
    db.session.commit()
    flash(f"{name} has been deleted.", "success")
    return redirect(_list_url(door, mailbox))


def _rule_page(door: Door, mailbox: Mailbox, rule: AutoResponseRule | None) -> ResponseReturnValue:
    stored = rules.values_of(rule) if rule is not None else None
    languages = languages_of(stored.response if stored is not None else None)
    form = rule_form(stored, languages, _offered(rule))
    if rule is not None:
        form.who_changed = on_record(AuditEntry, "rule", rules.name_on_record(rule))
    if not form.is_submitted() or changed_rows(form):
        return _page(door, mailbox, rule, form, languages)
    if request.form.get("try") == "loops":
        return _page(door, mailbox, rule, form, languages, courses=rehearse_loops())
    if "try" in request.form:
        return _page(door, mailbox, rule, form, languages, _tried(mailbox, rule, form))
    if form.saves.data and not door.may_make_templates:
        raise ForbiddenError("You may not make email templates for everybody. The rule was not saved.")
    if form.validate() and not lacks_template_name(form) and _saved(mailbox, rule, form, languages):
        flash(f"{form.name.data} has been saved.", "success")
        return redirect(_list_url(door, mailbox))
    return _page(door, mailbox, rule, form, languages)


def _saved(mailbox: Mailbox, rule: AutoResponseRule | None, form: RuleForm, languages: list[str]) -> bool:
    values = rule_values(form, languages)
    try:
        if rule is None:
            rules.add_rule(mailbox, values, by=actor())
        else:
            rules.change_rule(rule, values, by=actor())
    except InvalidRuleError as error:
        db.session.rollback()
        put_rule_error(form, error)
        return False
    except InvalidTemplateError as error:
        db.session.rollback()
        put_template_error(form, error, languages)
        return False
    except ConflictError as error:
        db.session.rollback()
        form.form_errors.append(error.message)
        return False
    db.session.commit()
    return True


def _page(
    door: Door,
    mailbox: Mailbox,
    rule: AutoResponseRule | None,
    form: RuleForm,
    languages: list[str],
    trials: Trials | None = None,
    courses: Sequence[Course] = (),
) -> ResponseReturnValue:
    page = render_template(
        "responses/rule.html",
        door=door,
        mailbox=mailbox,
        rule=rule,
        form=form,
        prototype=prototype(),
        parts=text_parts(form, languages),
        variables=variable_groups(),
        filters=filter_notes(),
        trials=trials,
        courses=courses,
        may_name_templates=door.may_make_templates,
        trial_days=DAYS,
    )
    return page, 422 if form.errors else 200


def _tried(mailbox: Mailbox, rule: AutoResponseRule | None, form: RuleForm) -> Trials | None:
    """What the rule as typed would do; None where that cannot be shown.

    It shows messages: who sets a mailbox up, be it for the system, does not read it by that.
    """
    member = membership_of(g.user)
    if member is None or not is_granted(member, mailbox):
        form.form_errors.append("Trying a rule shows messages, and you have no access to this mailbox.")
        return None
    if not form.try_words.validate(form):
        return None
    conditions = conditions_from(form)
    try:
        rules.demand_valid_conditions(conditions)
    except InvalidRuleError as error:
        put_rule_error(form, error)
        return None
    days = DAYS if request.form["try"] == "days" else 0
    earlier = list(db.session.scalars(rules.active_rules_before(mailbox, rule)))
    name, words = form.name.data or "This rule", (form.try_words.data or "").strip()
    return trials_of(mailbox, name, conditions, earlier, days, words)


def _offered(rule: AutoResponseRule | None) -> list[Template]:
    """Templates for messages, and the one that is chosen already, whatever it is for."""
    offered = list(db.session.scalars(templates.templates("message")))
    if rule is not None and rule.template_id not in {template.id for template in offered}:
        chosen = templates.template_of(rule.template_id)
        offered += [] if chosen.is_custom else [chosen]
    return offered


def _list_url(door: Door, mailbox: Mailbox) -> str:
    return door.url("edit", mailbox_id=mailbox.id, _anchor="rules")
