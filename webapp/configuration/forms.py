"""A form made from the catalogue, for the settings of a page at one level."""

from collections.abc import Callable, Sequence
from typing import Any

from flask_wtf import FlaskForm
from wtforms import (
    BooleanField,
    Field,
    HiddenField,
    PasswordField,
    SelectField,
    SelectMultipleField,
    StringField,
    TextAreaField,
)
from wtforms.widgets import CheckboxInput, ListWidget

from tenants.configuration.catalog import CATALOG, Setting
from tenants.configuration.layers import Effective
from webapp.configuration.scopes import field_name
from webapp.configuration.wording import as_text
from webapp.versions import VersionedForm

INHERITS, LOCKS, REASON = "inherits-", "locks-", "reason-"
SWITCH = (("true", "On"), ("false", "Off"))
People = list[tuple[str, str]]


def configuration_form(
    states: Sequence[Effective], people: People | None, *, with_locks: bool, version: str
) -> VersionedForm:
    """A form with a control, a box that inherits and (at system level) a lock for each setting.

    ``people`` may be chosen as members; none where there are too many for a list: then they are typed.
    """
    fields: dict[str, Field] = {"version": HiddenField(default=version)}
    for state in states:
        name, label = field_name(state.setting.key), state.setting.label
        fields[name] = _control(state, people)
        fields[INHERITS + name] = BooleanField(default=not state.is_overridden)
        if with_locks:
            fields[LOCKS + name] = BooleanField(f"Lock “{label}” for organizations", default=state.is_locked)
            fields[REASON + name] = StringField(f"Reason of the lock of “{label}”", default=state.lock_reason)
    form: VersionedForm = type("ConfigurationForm", (VersionedForm,), fields)()
    return form


def typed_text(form: FlaskForm, setting: Setting) -> str:
    """What was typed or chosen, as the setting reads it."""
    data = form[field_name(setting.key)].data
    return "\n".join(data) if isinstance(data, list) else data or ""


def _control(state: Effective, people: People | None) -> Field:
    setting = state.setting
    if setting.kind == "member" and people is None:
        return StringField(setting.label, description=f"{setting.help} Type the address of a member.")
    given: dict[str, Any] = {
        "default": as_text(setting, state.own if state.is_overridden else state.value),
        "description": _help(setting),
    }
    return _CONTROLS.get(setting.kind, _line)(setting, given, people or [])


def _help(setting: Setting) -> str:
    return f"{setting.help} {setting.range}.".strip() if setting.range else setting.help


def _line(setting: Setting, given: dict[str, Any], _: People) -> Field:
    return StringField(setting.label, **given)


def _number(setting: Setting, given: dict[str, Any], _: People) -> Field:
    return StringField(setting.label, render_kw={"inputmode": "numeric"}, **given)


def _time_zone(setting: Setting, given: dict[str, Any], _: People) -> Field:
    return StringField(setting.label, render_kw={"list": "time-zones", "autocomplete": "off"}, **given)


def _lines(setting: Setting, given: dict[str, Any], _: People) -> Field:
    return TextAreaField(setting.label, render_kw={"rows": 4}, **given)


def _secret(setting: Setting, given: dict[str, Any], _: People) -> Field:
    return PasswordField(setting.label, render_kw={"autocomplete": "new-password"}, **given)


def _switch(setting: Setting, given: dict[str, Any], _: People) -> Field:
    return SelectField(setting.label, choices=list(SWITCH), validate_choice=False, **given)


def _choice(setting: Setting, given: dict[str, Any], _: People) -> Field:
    return SelectField(setting.label, choices=list(setting.choices), validate_choice=False, **given)


def _member(setting: Setting, given: dict[str, Any], people: People) -> Field:
    return SelectField(setting.label, choices=[("", "Nobody"), *people], validate_choice=False, **given)


def _list(setting: Setting, given: dict[str, Any], _: People) -> Field:
    return SelectMultipleField(
        setting.label,
        choices=list(setting.choices),
        validate_choice=False,
        option_widget=CheckboxInput(),
        widget=ListWidget(prefix_label=False),
        **{**given, "default": given["default"].split("\n")},
    )


_CONTROLS: dict[str, Callable[[Setting, dict[str, Any], People], Field]] = {
    "switch": _switch,
    "choice": _choice,
    "member": _member,
    "list": _list,
    "secret": _secret,
    "long_text": _lines,
    "hosts": _lines,
    "number": _number,
    "time_zone": _time_zone,
}
# What any page of settings may hold, for `webapp.typed_before`.
EverySetting = type(
    "EverySetting",
    (VersionedForm,),
    {
        field_name(one.key): _CONTROLS.get(one.kind, _line)(one, {"default": ""}, [])
        for one in CATALOG.values()
    },
)
