"""Take over what a form of settings says, each at its field, or say at the field why not."""

from collections.abc import Mapping
from typing import Any

from flask_wtf import FlaskForm
from wtforms import Field

from tenants import audit
from tenants.configuration import layers
from tenants.configuration.catalog import CATALOG, Setting
from tenants.configuration.layers import Effective
from tenants.configuration.values import InvalidValueError
from tenants.errors import AppError, ForbiddenError, InvalidError
from webapp.configuration.forms import INHERITS, LOCKS, REASON, typed_text
from webapp.configuration.scopes import Scope, field_name

Changes = dict[str, tuple[dict[str, Any], dict[str, Any]]]  # by key: what stood at the level, what stands


def save(scope: Scope, states: list[Effective], form: FlaskForm, by: audit.Actor) -> Changes:
    """Save what differs. Errors are put at the fields; then the caller rolls back."""
    touched = [state for state in states if _save_one(scope, state, form, by.name)]
    settings = tuple(state.setting for state in touched)
    after = layers.effective_all(settings, scope.level, user=scope.user) if settings else []
    changes = {
        old.setting.key: (state_of(old, scope), state_of(new, scope))
        for old, new in zip(touched, after, strict=True)
    }
    try:
        demand_secrets_anew(scope, changes)
    except InvalidError as error:
        _put_error(form, error)
    return changes


def demand_secrets_anew(scope: Scope, changes: Changes) -> None:
    """A password goes only where it was meant to go; `InvalidError` at the password's key."""
    if scope.user is None:
        values = {key for key, (old, new) in changes.items() if _value(old) != _value(new)}
        secrets = {key for key in changes if CATALOG[key].is_secret}
        layers.demand_secrets_anew(values | secrets, scope.level)


def locked_meanwhile(scope: Scope, states: list[Effective], form: FlaskForm) -> list[Effective]:
    """What was typed and does not count: the system has locked it while the page was open."""
    if scope.is_system:
        return []
    return [state for state in states if state.is_locked and _was_typed(state, form)]


def record(scope: Scope, changes: Changes, by: audit.Actor) -> None:
    """Put changes into the record of the organization, or the installation; people's own into none."""
    if not changes or scope.user is not None:
        return
    before = {name: value for key, (old, _) in changes.items() for name, value in _recorded(key, old)}
    after = {name: value for key, (_, new) in changes.items() for name, value in _recorded(key, new)}
    write = audit.record_for_system if scope.is_system else audit.record
    write(by, "configuration.changed", ", ".join(changes), before, after)


def state_of(state: Effective, scope: Scope) -> dict[str, Any]:
    """What stands at the level of a scope, as the history says it."""
    own = {"value": state.own} if state.is_overridden else {}
    return own | ({"lock": state.lock_reason} if scope.is_system and state.is_locked else {})


def _was_typed(state: Effective, form: FlaskForm) -> bool:
    """A field that is locked is not there to be typed into."""
    name, typed = field_name(state.setting.key), typed_text(form, state.setting)
    if not form[name].raw_data or form[INHERITS + name].data:
        return False
    return bool(typed) if state.setting.is_secret else not _says(state.setting, typed, state.value)


def _save_one(scope: Scope, state: Effective, form: FlaskForm, by: str) -> bool:
    if state.is_locked and not scope.is_system:
        return False
    try:
        is_lock_changed = scope.is_system and _save_lock(state, form, by)
        return _save_value(scope, state, form, by) or is_lock_changed
    except (InvalidError, ForbiddenError) as error:
        _add_error(form[field_name(state.setting.key)], error)
        return False


def _save_value(scope: Scope, state: Effective, form: FlaskForm, by: str) -> bool:
    setting, typed = state.setting, typed_text(form, state.setting)
    if form[INHERITS + field_name(setting.key)].data:
        return _let_go(scope, state, typed, by)
    if setting.is_secret and not typed:
        if not state.is_overridden:
            raise InvalidError(f"Type the password, or tick “{scope.inherit_words}”.")
        return False
    if state.is_overridden and not setting.is_secret and _says(setting, typed, state.own):
        return False
    layers.override(setting.key, typed, scope.level, by=by, user=scope.user)
    return True


def _let_go(scope: Scope, state: Effective, typed: str, by: str) -> bool:
    """Inherit. Without scripts a value can be typed beside a box that is still ticked: ask, lose nothing."""
    setting = state.setting
    if state.is_overridden:
        layers.inherit(setting.key, scope.level, by=by, user=scope.user)
        return True
    if typed if setting.is_secret else not _says(setting, typed, state.value):
        raise InvalidError(f"To set this value, untick “{scope.inherit_words}”.")
    return False


def _says(setting: Setting, typed: str, value: Any) -> bool:
    """Whether what was typed means this value; the order of a list that is ticked means nothing."""
    try:
        read = setting.read(typed)
    except InvalidValueError:
        return False
    return sorted(read) == sorted(value) if setting.kind == "list" else bool(read == value)


def _save_lock(state: Effective, form: FlaskForm, by: str) -> bool:
    name, key = field_name(state.setting.key), state.setting.key
    wanted, reason = bool(form[LOCKS + name].data), (form[REASON + name].data or "").strip()
    if wanted == state.is_locked and (not wanted or reason == state.lock_reason):
        return False
    if wanted and not reason:
        _add_error(
            form[REASON + name], InvalidError("Say why this is locked: organizations read the reason.")
        )
        return False
    if wanted:
        layers.lock(key, reason, by=by)
    else:
        layers.unlock(key, by=by)
    return True


def _put_error(form: FlaskForm, error: InvalidError) -> None:
    name = field_name(error.field or "")
    if name in form:
        _add_error(form[name], error)
    else:  # a quick search that shows the server without the password
        form.form_errors.append(error.message)


def _add_error(field: Field, error: AppError) -> None:
    field.errors = [*field.errors, error.message]


def _value(state: Mapping[str, Any]) -> tuple[bool, Any]:
    return "value" in state, state.get("value")


def _recorded(key: str, state: Mapping[str, Any]) -> list[tuple[str, Any]]:
    value = state.get("value")
    shown = ("(set)" if value else None) if CATALOG[key].is_secret else value
    lock = [(f"{key} lock", state["lock"])] if "lock" in state else []
    return [(key, shown), *lock]
