"""Show and save one group of settings, or what a quick search finds."""

from dataclasses import dataclass
from typing import Any

from flask import flash, g, redirect, render_template, request
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm
from sqlalchemy import func, select

from tenants import audit
from tenants.configuration import following, layers
from tenants.configuration.catalog import GROUPS, Group, Setting, settings_at
from tenants.configuration.layers import Effective
from tenants.database import INSTALLATION, db
from tenants.errors import ForbiddenError, InvalidError, NotFoundError
from tenants.organizations import Organization, active_members
from webapp.configuration.forms import (
    INHERITS,
    LOCKS,
    REASON,
    as_text,
    configuration_form,
    field_name,
    in_words,
)
from webapp.configuration.scopes import Scope


@dataclass(frozen=True)
class Row:
    """One setting as the page shows it."""

    state: Effective
    field: Any
    inherits: Any
    lock: Any
    reason: Any
    words: str
    affects: str


def group_page(scope: Scope, key: str, **more: Any) -> ResponseReturnValue:
    """The page of one group: GET shows it, POST saves it and says what changed."""
    group = _group(key, scope)
    settings = tuple(setting for setting in settings_at(scope.level) if setting.group == key)
    words = request.args.get("q", "").strip()
    if words:
        settings = _matching(words, scope.level)
    states = layers.effective_all(settings, scope.level, user=scope.user)
    if request.args.get("only") == "overridden":
        states = [state for state in states if state.is_overridden]
    people = _people(scope)
    form = configuration_form(states, people, with_locks=scope.is_system)
    if form.validate_on_submit():
        changed = _save(scope, states, form)
        if not form.errors:
            db.session.commit()
            flash(_said(changed), "success")
            return redirect(request.full_path.rstrip("?"))
        db.session.rollback()
    page = render_template(
        "configuration/page.html",
        scope=scope,
        group=group,
        groups=_tree(scope, key if not words else ""),
        form=form,
        rows=_rows(scope, states, form, dict(people)),
        search=words,
        only_overridden=request.args.get("only") == "overridden",
        **more,
    )
    return page, 422 if form.errors else 200


def actor() -> audit.Actor:
    """The person of this request, for the record."""
    return audit.Actor(g.user.name or g.user.address, g.user.id, request.remote_addr or "")


def _save(scope: Scope, states: list[Effective], form: FlaskForm) -> dict[str, Any]:
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    for state in states:
        key = state.setting.key
        try:
            changes = _save_one(scope, state, form)
        except InvalidError as error:
            form[field_name(key)].errors = [*form[field_name(key)].errors, error.message]
            continue
        except ForbiddenError as error:
            form[field_name(key)].errors = [*form[field_name(key)].errors, error.message]
            continue
        if changes is not None:
            before[key], after[key] = changes
    if after and not form.errors:
        _record(scope, before, after)
    return after


def _save_one(scope: Scope, state: Effective, form: FlaskForm) -> tuple[Any, Any] | None:
    changed = _save_lock(scope, state, form)
    if state.is_locked and not scope.is_system:
        return None
    name, key = field_name(state.setting.key), state.setting.key
    typed = form[name].data or ""
    if form[INHERITS + name].data:
        if not state.is_overridden:
            return changed
        layers.inherit(key, scope.level, by=actor().name, user=scope.user)
        return _plain(state), None
    if state.setting.is_secret and not typed:
        return changed
    if state.is_overridden and typed == as_text(state.setting, state.own):
        return changed
    value = layers.override(key, typed, scope.level, by=actor().name, user=scope.user)
    return _plain(state), value if not state.setting.is_secret else "(set)"


def _save_lock(scope: Scope, state: Effective, form: FlaskForm) -> tuple[Any, Any] | None:
    if not scope.is_system:
        return None
    name, key = field_name(state.setting.key), state.setting.key
    wanted, reason = bool(form[LOCKS + name].data), (form[REASON + name].data or "").strip()
    if wanted == state.is_locked and (not wanted or reason == state.lock_reason):
        return None
    if not wanted:
        layers.unlock(key, by=actor().name)
        return "locked", "unlocked"
    if not reason:
        raise InvalidError("Say why this is locked: organizations read the reason.", field=key)
    layers.lock(key, reason, by=actor().name)
    return "unlocked" if not state.is_locked else state.lock_reason, f"locked: {reason}"


def _record(scope: Scope, before: dict[str, Any], after: dict[str, Any]) -> None:
    labels = ", ".join(after)
    if scope.is_organization:
        audit.record(actor(), "configuration.changed", labels, before, after)
    elif scope.is_system:
        audit.record_for_system(actor(), "configuration.changed", labels, before, after)


def _rows(scope: Scope, states: list[Effective], form: FlaskForm, people: dict[str, str]) -> list[Row]:
    counts = following.override_counts([one.setting.key for one in states]) if scope.is_system else {}
    total = db.session.scalar(select(func.count()).select_from(Organization)) or 0
    return [
        Row(
            state=state,
            field=form[field_name(state.setting.key)],
            inherits=form[INHERITS + field_name(state.setting.key)],
            lock=form[LOCKS + field_name(state.setting.key)] if scope.is_system else None,
            reason=form[REASON + field_name(state.setting.key)] if scope.is_system else None,
            words=in_words(state.setting, state.value, people),
            affects=_affects(scope, state.setting, counts.get(state.setting.key, 0), total),
        )
        for state in states
    ]


def _affects(scope: Scope, setting: Setting, overriding: int, total: int) -> str:
    if not scope.is_system or "organization" not in setting.levels:
        return ""
    follow = total - overriding
    return (
        f"{follow} {_of(follow)} this value, {overriding} {'overrides' if overriding == 1 else 'override'} it"
    )


def _of(number: int) -> str:
    return "organization follows" if number == 1 else "organizations follow"


def _plain(state: Effective) -> Any:
    if not state.is_overridden:
        return None
    return "(set)" if state.setting.is_secret else state.own


def _people(scope: Scope) -> list[tuple[str, str]]:
    if not scope.is_organization or db.session.info.get("organization_id") in {None, INSTALLATION}:
        return []
    return [(str(member.id), member.name) for member in db.session.scalars(active_members())]


def _matching(words: str, level: str) -> tuple[Setting, ...]:
    wanted = words.casefold().split()
    return tuple(
        setting
        for setting in settings_at(level)
        if all(word in f"{setting.key} {setting.label} {setting.help}".casefold() for word in wanted)
    )


def _group(key: str, scope: Scope) -> Group:
    for group in _groups(scope):
        if group.key == key:
            return group
    raise NotFoundError


def _groups(scope: Scope) -> list[Group]:
    used = {setting.group for setting in settings_at(scope.level)}
    return [group for group in GROUPS if group.key in used]


def _tree(scope: Scope, current: str) -> list[dict[str, Any]]:
    overridden: dict[str, int] = {}
    for state in layers.effective_all(settings_at(scope.level), scope.level, user=scope.user):
        overridden[state.setting.group] = overridden.get(state.setting.group, 0) + state.is_overridden
    tree: list[dict[str, Any]] = []
    for group in _groups(scope):
        heading = group.path[-1]
        if not tree or tree[-1]["label"] != heading:
            tree.append({"label": heading, "entries": [], "is_open": True})
        tree[-1]["entries"].append(
            {
                "label": group.label,
                "url": scope.group_url(group.key),
                "is_current": group.key == current,
                "count": overridden.get(group.key, 0),
            }
        )
    return [*tree, *scope.more]


def _said(changed: dict[str, Any]) -> str:
    if not changed:
        return "Nothing had changed."
    return "Saved. 1 setting changed." if len(changed) == 1 else f"Saved. {len(changed)} settings changed."
