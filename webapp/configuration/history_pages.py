"""The history of one setting at one level, and the two ways back: undo and reset."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template, request
from flask.typing import ResponseReturnValue

from tenants.configuration import history, layers
from tenants.configuration.catalog import Setting, settings_at
from tenants.configuration.overrides import Change
from tenants.database import db
from tenants.errors import AppError
from webapp.configuration.pages import actor, group_of, tree_of
from webapp.configuration.people import People, people_for
from webapp.configuration.saving import demand_secrets_anew, record, state_of
from webapp.configuration.scopes import Scope
from webapp.configuration.wording import in_words, state_in_words
from webapp.records import id_argument

PAGE = 50


@dataclass(frozen=True)
class Line:
    """A change in words; ``undo_words`` say what undoing it sets, empty where that is so or cannot be."""

    change: Change
    before: str
    after: str
    undo_words: str


def history_page(scope: Scope, key: str) -> ResponseReturnValue:
    """Who changed a setting here, when, from what to what; newest first."""
    setting = scope.setting_of(key)
    everything = layers.effective_all(settings_at(scope.level), scope.level, user=scope.user)
    state = next(one for one in everything if one.setting.key == key)
    changes = _changes(scope, setting)
    said = [one for change in changes for one in (change.before, change.after)]
    people = people_for([state], (one.get("value") for one in said))
    now = state_of(state, scope)
    return render_template(
        "configuration/history.html",
        scope=scope,
        setting=setting,
        group=group_of(scope, setting.group),
        groups=tree_of(scope, everything, setting.group),
        state=state,
        words=in_words(setting, state.value, people.names),
        lines=[_line(now, setting, change, people) for change in changes[:PAGE]],
        older=changes[PAGE - 1].id if len(changes) > PAGE else None,
        before=request.args.get("before"),
    )


def undo(scope: Scope, key: str, change_id: UUID) -> ResponseReturnValue:
    """Have it again as it was before a change."""
    setting = scope.setting_of(key)
    _change(
        scope, setting, lambda: history.undo(key, change_id, scope.level, by=actor().name, user=scope.user)
    )
    return redirect(scope.url("history", setting=key))


def reset(scope: Scope, key: str) -> ResponseReturnValue:
    """Let a value go; the level above applies again."""
    setting = scope.setting_of(key)
    _change(scope, setting, lambda: layers.inherit(key, scope.level, by=actor().name, user=scope.user))
    return redirect(scope.place_of(setting))


def _change(scope: Scope, setting: Setting, command: Callable[[], None]) -> None:
    """Do it, record it, commit it and say so; or say why not."""
    old = layers.effective(setting.key, scope.level, user=scope.user)
    try:
        command()
        new = layers.effective(setting.key, scope.level, user=scope.user)
        changes = {setting.key: (state_of(old, scope), state_of(new, scope))}
        demand_secrets_anew(scope, changes)
    except AppError as error:
        db.session.rollback()
        flash(error.message, "error")
        return
    record(scope, changes if changes[setting.key][0] != changes[setting.key][1] else {}, actor())
    db.session.commit()
    people = people_for([new])
    flash(f"{setting.label}: {in_words(setting, new.value, people.names)} applies now.", "success")


def _changes(scope: Scope, setting: Setting) -> list[Change]:
    """A page of changes and one more; older than ``before`` where that is given."""
    query = history.changes_of(setting.key, scope.level, user=scope.user).limit(PAGE + 1)
    before = id_argument("before")
    if before is not None:
        query = history.before(query, before, scope.level)
    return list(db.session.scalars(query))


def _line(now: dict[str, Any], setting: Setting, change: Change, people: People) -> Line:
    may = change.before != now and history.may_be_restored(setting.key, change.before)
    before = state_in_words(setting, change.before, people.names)
    after = state_in_words(setting, change.after, people.names)
    return Line(change, before, after, before if may else "")
