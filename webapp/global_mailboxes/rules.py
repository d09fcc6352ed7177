"""Auto-response rules that the system says for a global mailbox."""

from dataclasses import replace
from uuid import UUID

from flask import flash, redirect, render_template, request
from flask.typing import ResponseReturnValue

from mailboxes.global_mailboxes import system_rules
from mailboxes.global_mailboxes.system_rules import SystemRule
from mailboxes.global_mailboxes.table import GlobalMailbox
from mailboxes.rules import InvalidRuleError
from tenants.audit import SystemAuditEntry
from tenants.database import db
from tenants.errors import ConflictError
from webapp.configuration.pages import actor
from webapp.global_mailboxes.blueprint import blueprint
from webapp.global_mailboxes.door import commit_and_follow, entered
from webapp.guards import system_admin_required
from webapp.mailboxes.door import Door
from webapp.responses.rule_forms import (
    RuleForm,
    changed_rows,
    condition_row,
    conditions_from,
    prototype,
    put_rule_error,
)
from webapp.versions import held, on_record

FORM = ["GET", "POST"]


@blueprint.route("/<uuid:mailbox_id>/rules/new", methods=FORM)
@system_admin_required
def new_rule(mailbox_id: UUID) -> ResponseReturnValue:
    """A rule that is not there yet."""
    door, source = entered(mailbox_id)
    return _rule_page(door, source, SystemRule(system_rules.new_key(), ""), is_new=True)


@blueprint.route("/<uuid:mailbox_id>/rules/<uuid:rule_id>", methods=FORM)
@system_admin_required
def edit_rule(mailbox_id: UUID, rule_id: UUID) -> ResponseReturnValue:
    """One rule."""
    door, source = entered(mailbox_id)
    return _rule_page(door, source, system_rules.rule_of(held(source), rule_id), is_new=False)


@blueprint.post("/<uuid:mailbox_id>/rules/<uuid:rule_id>/move")
@system_admin_required
def move_rule(mailbox_id: UUID, rule_id: UUID) -> ResponseReturnValue:
    """One place up or down, as the button says."""
    door, source = entered(mailbox_id)
    step = -1 if request.form.get("direction") == "up" else 1
    system_rules.move_rule(source, system_rules.rule_of(source, rule_id), step, by=actor())
    commit_and_follow(source)
    return redirect(_list_url(door, source))


@blueprint.post("/<uuid:mailbox_id>/rules/<uuid:rule_id>/switch")
@system_admin_required
def switch_rule(mailbox_id: UUID, rule_id: UUID) -> ResponseReturnValue:
    """Active or inactive, as the button says."""
    door, source = entered(mailbox_id)
    rule = system_rules.rule_of(source, rule_id)
    is_active = request.form.get("active") == "1"
    system_rules.keep_rule(source, replace(rule, is_active=is_active), by=actor())
    commit_and_follow(source)
    words = "active: it answers what arrives from now on" if is_active else "inactive"
    flash(f"{rule.name} is {words}.", "success")
    return redirect(_list_url(door, source))


@blueprint.route("/<uuid:mailbox_id>/rules/<uuid:rule_id>/delete", methods=FORM)
@system_admin_required
def delete_rule(mailbox_id: UUID, rule_id: UUID) -> ResponseReturnValue:
    """Asks; then the rule is gone, here and where it is followed."""
    door, source = entered(mailbox_id)
    rule = system_rules.rule_of(source, rule_id)
    if request.method == "GET":
        return render_template(
            "responses/delete_rule.html", door=door, mailbox=source, rule=_shown(rule), is_custom=False
        )
    system_rules.delete_rule(source, rule, by=actor())
    commit_and_follow(source)
    flash(f"{rule.name} has been deleted.", "success")
    return redirect(_list_url(door, source))


def _rule_page(door: Door, source: GlobalMailbox, rule: SystemRule, *, is_new: bool) -> ResponseReturnValue:
    form = _form(None if is_new else rule)
    form.who_changed = on_record(SystemAuditEntry, "rule", system_rules.name_on_record(source, rule))
    if form.is_submitted() and not changed_rows(form) and form.validate() and _saved(source, rule, form):
        flash(f"{form.name.data} has been saved.", "success")
        return redirect(_list_url(door, source))
    page = render_template(
        "global_mailboxes/rule.html",
        door=door,
        mailbox=source,
        rule=None if is_new else _shown(rule),
        form=form,
        prototype=prototype(),
    )
    return page, 422 if form.errors else 200


def _saved(source: GlobalMailbox, rule: SystemRule, form: RuleForm) -> bool:
    typed = replace(
        rule,
        name=" ".join((form.name.data or "").split()),
        conditions=conditions_from(form),
        template=form.template_id.data or "",
        is_active=form.is_active.data != "off",
    )
    try:
        system_rules.keep_rule(source, typed, by=actor())
    except InvalidRuleError as error:
        db.session.rollback()
        put_rule_error(form, error)
        return False
    except ConflictError as error:
        db.session.rollback()
        form.form_errors.append(error.message)
        return False
    commit_and_follow(source)
    return True


def _form(rule: SystemRule | None) -> RuleForm:
    data = None
    if rule is not None:
        data = {
            "is_active": "on" if rule.is_active else "off",
            "name": rule.name,
            "conditions": [condition_row(one) for one in rule.conditions],
            "template_id": rule.template,
        }
    form = RuleForm(data=data)
    form.template_id.choices = system_rules.template_choices()
    return form


def _shown(rule: SystemRule) -> dict[str, object]:
    """As the pages of rules name one."""
    return {"id": rule.key, "name": rule.name}


def _list_url(door: Door, source: GlobalMailbox) -> str:
    return door.url("edit", mailbox_id=source.id, _anchor="rules")
