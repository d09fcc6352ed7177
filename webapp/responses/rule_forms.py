"""The form of an auto-response rule, and the values it stands for."""

from typing import Any, cast
from uuid import UUID

from flask import request
from wtforms import BooleanField, FieldList, Form, FormField, RadioField, SelectField, StringField
from wtforms.validators import InputRequired, Length

from mailboxes.conditions import FIELDS, HEADER, MOST_CONDITIONS, OPERATORS, WITHOUT_VALUE, Condition
from mailboxes.rules import LONGEST_NAME, InvalidRuleError, RuleValues
from mailboxes.templates import Template, TemplateValues
from webapp.records import storable
from webapp.responses.texts import KIND_CHOICES, put_error, text_data, text_fields, texts_from
from webapp.versions import OverwritingForm

CUSTOM = ""
LONGEST_SEARCH = 200
MOST_ROWS = 2 * MOST_CONDITIONS  # more than a rule has, so that a few too many are shown and not lost
STATES = [("on", "Active"), ("off", "Inactive")]
_HEADER_CHOICE = HEADER.rstrip(":")
_FIELDS = [(name.rstrip(":"), label) for name, label in FIELDS.items()]


class ConditionForm(Form):
    """One condition: a part of the message, an operator, a value."""

    field = SelectField("Field", choices=_FIELDS, default="subject", validate_choice=False)
    header = StringField(
        "Name of the header",
        filters=[storable],
        render_kw={"placeholder": "X-Priority", "autocomplete": "off"},
    )
    operator = SelectField("Operator", choices=list(OPERATORS.items()), validate_choice=False)
    value = StringField("Value", filters=[storable], render_kw={"autocomplete": "off"})


class RuleForm(OverwritingForm):
    """A rule; the texts of its own response are added by `rule_form`, language by language."""

    is_active = RadioField("Status", choices=STATES, default="on", validate_choice=False)
    name = StringField(
        "Name",
        [InputRequired("Give the rule a name."), Length(max=LONGEST_NAME)],
        filters=[storable],
        render_kw={"autocomplete": "off"},
    )
    conditions = FieldList(FormField(ConditionForm), max_entries=MOST_ROWS)
    template_id = SelectField("Response template", validate_choice=False)
    kind = RadioField("Type", choices=KIND_CHOICES, default="plain", validate_choice=False)
    saves = BooleanField(
        "Save response as email template", description="Then other rules and people can use it too."
    )
    try_words = StringField(
        "Only messages with these words",
        [Length(max=LONGEST_SEARCH, message=f"Use at most {LONGEST_SEARCH} characters.")],
        filters=[storable],
        render_kw={"autocomplete": "off"},
    )
    save_as = StringField("Name of the template", filters=[storable], render_kw={"autocomplete": "off"})


def rule_form(values: RuleValues | None, languages: list[str], offered: list[Template]) -> RuleForm:
    """The form, filled with what is stored; ``offered``: the templates that can be chosen."""
    form_class = cast("type[RuleForm]", type("FullRuleForm", (RuleForm,), text_fields(languages)))
    form = form_class(data=_data(values)) if values is not None else form_class()
    form.template_id.choices = [(CUSTOM, "Custom"), *((str(one.id), one.name) for one in offered)]
    return form


def prototype() -> ConditionForm:
    """The row that a script copies for a new condition."""
    return ConditionForm(prefix="conditions-__index__-")


def changed_rows(form: RuleForm) -> bool:
    """Whether the person added or removed a condition (without scripts); the rows follow."""
    rows = [entry.form.data for entry in form.conditions]
    removed = request.form.get("remove_condition", "")
    if "add_condition" in request.form:
        rows.append({})
    elif removed in map(str, range(len(rows))):
        del rows[int(removed)]
    else:
        return False
    while form.conditions.entries:
        form.conditions.pop_entry()
    form.conditions.last_index = -1
    for row in rows[:MOST_ROWS]:
        form.conditions.append_entry(row)
    return True


def rule_values(form: RuleForm, languages: list[str]) -> RuleValues:
    """What was typed."""
    chosen = _chosen_template(form)
    response = None
    if chosen is None:
        response = TemplateValues(kind=form.kind.data or "", texts=texts_from(form, languages))
    return RuleValues(
        name=form.name.data or "",
        conditions=conditions_from(form),
        template_id=chosen,
        response=response,
        save_as=(form.save_as.data or "") if response is not None and form.saves.data else "",
        is_active=form.is_active.data != "off",
    )


def conditions_from(form: RuleForm) -> tuple[Condition, ...]:
    """The rows, as conditions; a comparison that takes no value forgets the one that was typed before."""
    return tuple(_condition(entry.form) for entry in form.conditions)


def lacks_template_name(form: RuleForm) -> bool:
    """Whether the response shall become a template but has no name; the field says so."""
    missing = bool(form.saves.data) and not (form.save_as.data or "").strip() and not form.template_id.data
    if missing:
        put_error(form, "save_as", "Give the template a name.")
    return missing


def put_rule_error(form: RuleForm, error: InvalidRuleError) -> None:
    """Show what is wrong at its field, or at the row and part of the conditions."""
    for row in error.rows:
        if row.row < len(form.conditions.entries):
            _put_row_error(form.conditions[row.row].form, row.part, row.sentence)
        else:
            form.form_errors.append(row.sentence)
    form.conditions.errors = [entry.form.errors for entry in form.conditions] if error.rows else []
    if not error.rows:
        put_error(form, error.field or "", error.message)


def _put_row_error(form: ConditionForm, part: str, sentence: str) -> None:
    is_of_header = part == "field" and form.field.data == _HEADER_CHOICE
    field = form["header" if is_of_header else part]
    field.errors = [*field.errors, sentence]


def _condition(form: ConditionForm) -> Condition:
    field = form.field.data or ""
    if field == _HEADER_CHOICE:
        field = f"{HEADER}{(form.header.data or '').strip().rstrip(':')}"
    operator = form.operator.data or ""
    return Condition(field, operator, "" if operator in WITHOUT_VALUE else form.value.data or "")


def _chosen_template(form: RuleForm) -> UUID | None:
    """The template chosen from those offered; None for a response of the rule's own."""
    known = {str(choice[0]) for choice in form.template_id.iter_choices()}
    typed = form.template_id.data or CUSTOM
    return UUID(typed) if typed and typed in known else None


def _data(values: RuleValues) -> dict[str, Any]:
    data: dict[str, Any] = {
        "is_active": "on" if values.is_active else "off",
        "name": values.name,
        "conditions": [condition_row(condition) for condition in values.conditions],
        "template_id": str(values.template_id) if values.template_id else CUSTOM,
    }
    if values.response is not None:
        data |= {"kind": values.response.kind} | text_data(values.response)
    return data


def condition_row(condition: Condition) -> dict[str, str]:
    """A condition as a row of the form holds it."""
    is_header = condition.field.startswith(HEADER)
    return {
        "field": _HEADER_CHOICE if is_header else condition.field,
        "header": condition.field.removeprefix(HEADER) if is_header else "",
        "operator": condition.operator,
        "value": condition.value,
    }
