"""A form made from the catalogue, for one group at one level."""

from collections.abc import Sequence
from typing import Any

from flask_wtf import FlaskForm
from wtforms import BooleanField, Field, PasswordField, SelectField, StringField, TextAreaField

from tenants.configuration.catalog import Setting
from tenants.configuration.layers import Effective

INHERITS, LOCKS, REASON = "inherits-", "locks-", "reason-"
SWITCH = (("true", "On"), ("false", "Off"))


def field_name(key: str) -> str:
    """The name of a setting's field; a form's field may not hold dots."""
    return key.replace(".", "-").replace("_", "-")


def configuration_form(
    states: Sequence[Effective], people: list[tuple[str, str]], *, with_locks: bool
) -> FlaskForm:
    """A form with a control, a box that inherits and (at system level) a lock for each setting."""
    fields: dict[str, Field] = {}
    for state in states:
        name = field_name(state.setting.key)
        fields[name] = _control(state, people)
        fields[INHERITS + name] = BooleanField(default=not state.is_overridden)
        if with_locks:
            fields[LOCKS + name] = BooleanField("Lock for organizations", default=state.is_locked)
            fields[REASON + name] = StringField("Reason of the lock", default=state.lock_reason)
    form: FlaskForm = type("ConfigurationForm", (FlaskForm,), fields)()
    return form


def as_text(setting: Setting, value: Any) -> str:
    """A stored value as a control holds it."""
    if setting.is_secret or value is None:
        return ""
    if setting.kind == "switch":
        return "true" if value else "false"
    if setting.kind == "hosts":
        return "\n".join(value)
    if setting.kind == "list":
        return ", ".join(value)
    return str(value)


def in_words(setting: Setting, value: Any, people: dict[str, str]) -> str:
    """A value as a sentence shows it."""
    if setting.is_secret:
        return "set" if value else "not set"
    if setting.kind == "switch":
        return "On" if value else "Off"
    if setting.kind == "member":
        return people.get(str(value), "nobody") if value else "nobody"
    text = dict(setting.choices).get(str(value)) or as_text(setting, value).replace("\n", ", ")
    if not text:
        return "empty"
    shown = text if len(text) <= 60 else text[:57] + "…"
    return f"{shown} {setting.unit}".strip() if text != "all" else text


def _control(state: Effective, people: list[tuple[str, str]]) -> Field:
    setting = state.setting
    text = as_text(setting, state.own if state.is_overridden else state.value)
    given: dict[str, Any] = {"default": text, "description": setting.help}
    if setting.kind == "switch":
        return SelectField(setting.label, choices=list(SWITCH), validate_choice=False, **given)
    if setting.kind == "choice":
        return SelectField(setting.label, choices=list(setting.choices), validate_choice=False, **given)
    if setting.kind == "member":
        choices = [("", "Nobody"), *people]
        return SelectField(setting.label, choices=choices, validate_choice=False, **given)
    if setting.is_secret:
        return PasswordField(setting.label, render_kw={"autocomplete": "new-password"}, **given)
    if setting.kind in {"long_text", "hosts"}:
        return TextAreaField(setting.label, render_kw={"rows": 4}, **given)
    mode = {"inputmode": "numeric"} if setting.kind == "number" else {}
    return StringField(setting.label, render_kw=mode, **given)
