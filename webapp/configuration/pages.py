"""Show and save one group of settings, what a quick search finds, or all that is overridden."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from flask import flash, g, redirect, render_template, request
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm

from tenants import audit
from tenants.configuration import following, layers
from tenants.configuration.catalog import GROUPS, ORGANIZATION, SECTIONS, Group, settings_at
from tenants.configuration.layers import Effective
from tenants.configuration.values import time_zones
from tenants.database import db
from tenants.database.searching import search_words
from tenants.errors import NotFoundError
from webapp.configuration.effects import Effect, effects_of
from webapp.configuration.forms import INHERITS, LOCKS, REASON, configuration_form
from webapp.configuration.people import People, people_for
from webapp.configuration.saving import Changes, locked_meanwhile, record, save
from webapp.configuration.scopes import Scope, anchor_of, field_name
from webapp.configuration.wording import in_words
from webapp.versions import version_of

EVERYWHERE = "all"  # ?in=all: not only the settings of this group


@dataclass(frozen=True)
class Row:
    """One setting as the page shows it; ``follow`` and ``override`` count organizations at system level."""

    state: Effective
    anchor: str
    field: Any
    inherits: Any
    lock: Any
    reason: Any
    words: str
    source: str
    history_url: str
    follow: int | None = None
    override: int | None = None


@dataclass(frozen=True)
class Part:
    """A section of the page with its rows; ``url`` leads to it where this is not its own page."""

    key: str
    label: str
    help: str
    url: str
    rows: list[Row]


@dataclass
class View:
    """Which settings a request is about, and why these."""

    group: Group
    states: list[Effective]
    everything: list[Effective]
    words: str = ""
    is_only_overridden: bool = False
    is_everywhere: bool = False
    people: People = field(default_factory=People)

    @property
    def is_whole_group(self) -> bool:
        """Whether the page shows its group and nothing else."""
        return not self.is_everywhere and not self.is_only_overridden

    @property
    def title(self) -> str:
        """What the page is called."""
        if self.words:
            return f"Settings matching “{self.words}”"
        if not self.is_everywhere:
            return self.group.label
        return "Overridden settings" if self.is_only_overridden else "All settings"


def group_page(scope: Scope, key: str, **more: Any) -> ResponseReturnValue:
    """The page of one group: GET shows it, POST saves it and says what changed.

    With ``preview`` it says what saving would change, and saves nothing.
    """
    view = _view(scope, key)
    stored = _stored(scope, view.states)
    form = configuration_form(
        view.states, view.people.choices, with_locks=scope.is_system, version=version_of(stored)
    )
    form.who_changed = partial(_who_set, view.states)
    effects: list[Effect] | None = None
    if form.validate_on_submit() and not form.is_stale(stored):
        changes = save(scope, view.states, form, actor())
        if "preview" in request.form:
            effects = [] if form.errors else effects_of(scope, view.states, changes, view.people)
        elif not form.errors:
            record(scope, changes, actor())
            db.session.commit()
            _tell(changes, locked_meanwhile(scope, view.states, form))
            return redirect(request.full_path.rstrip("?"))
        db.session.rollback()
    is_part = bool(request.headers.get("HX-Request"))  # only what saving would change is taken from it
    return _page(scope, view, form, effects, more), 422 if form.errors and not is_part else 200


def actor() -> audit.Actor:
    """The person of this request, for the record; and by which token, where a program acts for them."""
    name = g.member.acting_name if "token" in g else g.user.name or g.user.address
    return audit.Actor(name, g.user.id, request.remote_addr or "")


def tree_of(scope: Scope, states: Iterable[Effective], current: str = "") -> list[dict[str, Any]]:
    """The groups with how many settings are overridden in each, then the pages beside them."""
    overridden: dict[str, int] = {}
    for state in states:
        key = state.setting.group
        overridden[key] = overridden.get(key, 0) + state.is_overridden
    tree: list[dict[str, Any]] = []
    for group in groups_at(scope):
        heading = group.path[-1]
        if not tree or tree[-1]["label"] != heading:
            tree.append({"label": heading, "entries": [], "is_open": True})
        tree[-1]["entries"].append(_entry(scope, group, overridden.get(group.key, 0), current))
    return [*tree, *scope.more]


def groups_at(scope: Scope) -> list[Group]:
    """The groups that have settings at this level."""
    used = {setting.group for setting in settings_at(scope.level)}
    return [group for group in GROUPS if group.key in used]


def group_of(scope: Scope, key: str) -> Group:
    """A group that has settings at this level; `NotFoundError` if there is none."""
    for group in groups_at(scope):
        if group.key == key:
            return group
    raise NotFoundError


def _who_set(states: list[Effective], since: datetime) -> tuple[str, datetime] | None:
    """Who said one of these otherwise last, since then. Who lets it be inherited again leaves no name."""
    said = [(one.set_by, one.set_at) for one in states if one.own is not None and one.set_at is not None]
    last = max(said, key=lambda one: one[1], default=None)
    return last if last is not None and last[1] >= since and last[0] else None


def _view(scope: Scope, key: str) -> View:
    group = group_of(scope, key)
    everything = layers.effective_all(settings_at(scope.level), scope.level, user=scope.user)
    words = request.args.get("q", "").strip()
    view = View(
        group,
        [state for state in everything if state.setting.group == key],
        everything,
        words=words,
        is_only_overridden=request.args.get("only") == "overridden",
        is_everywhere=bool(words) or request.args.get("in") == EVERYWHERE,
    )
    if view.is_everywhere:
        view.states = everything
    view.people = people_for(view.states)
    if words:
        view.states = [state for state in view.states if _has(words, state, view.people)]
    if view.is_only_overridden:
        view.states = [state for state in view.states if state.is_overridden]
    return view


def _has(words: str, state: Effective, people: People) -> bool:
    """Whether key, place, label, help or value of a setting have all the words."""
    setting = state.setting
    group = next(group for group in GROUPS if group.key == setting.group)
    value = in_words(setting, state.value, people.names)
    section = SECTIONS[setting.section].label
    text = " ".join((setting.key, group.label, section, setting.label, setting.help, value)).casefold()
    return all(word in text for word in search_words(words.casefold()))


def _stored(scope: Scope, states: list[Effective]) -> list[Any]:
    """What the form is filled from. What the system locks meanwhile, organizations are told apart."""
    return [(state.own, (state.is_locked, state.lock_reason) if scope.is_system else ()) for state in states]


def _page(
    scope: Scope, view: View, form: FlaskForm, effects: list[Effect] | None, more: dict[str, Any]
) -> str:
    return render_template(
        "configuration/page.html",
        scope=scope,
        view=view,
        group=view.group,
        groups=tree_of(scope, view.everything, view.group.key if view.is_whole_group else ""),
        overridden_count=sum(state.is_overridden for state in view.everything),
        pages=_pages(scope, view.words),
        form=form,
        parts=_parts(scope, view, form),
        effects=effects,
        time_zones=time_zones() if "general-time-zone" in form else (),
        **more,
    )


def _parts(scope: Scope, view: View, form: FlaskForm) -> list[Part]:
    counts = _counts(scope, view.states)
    labels = {group.key: group.label for group in GROUPS}
    parts: list[Part] = []
    for state in view.states:
        section = SECTIONS[state.setting.section]
        if not parts or parts[-1].key != section.key:
            label = f"{labels[section.group]} › {section.label}" if view.is_everywhere else section.label
            url = scope.group_url(section.group, _anchor=section.key) if view.is_everywhere else ""
            parts.append(Part(section.key, label, section.help, url, []))
        parts[-1].rows.append(_row(scope, state, form, view.people, counts))
    return parts


def _row(
    scope: Scope, state: Effective, form: FlaskForm, people: People, counts: tuple[int, dict[str, int]] | None
) -> Row:
    setting, name = state.setting, field_name(state.setting.key)
    control = form[name]
    if setting.kind == "member" and not people.is_whole and not form.is_submitted():
        control.data = people.addresses.get(str(state.value), "")
    total, overriding = counts or (0, {})
    is_counted = counts is not None and ORGANIZATION in setting.levels
    override = overriding.get(setting.key, 0)
    return Row(
        state=state,
        anchor=anchor_of(setting.key),
        field=control,
        inherits=form[INHERITS + name],
        lock=form[LOCKS + name] if is_counted else None,
        reason=form[REASON + name] if is_counted else None,
        words=in_words(setting, state.value, people.names),
        source=scope.organization_name if state.level == ORGANIZATION else state.origin,
        history_url=scope.url("history", setting=setting.key),
        follow=total - override if is_counted else None,
        override=override if is_counted else None,
    )


def _counts(scope: Scope, states: list[Effective]) -> tuple[int, dict[str, int]] | None:
    if not scope.is_system:
        return None
    keys = [state.setting.key for state in states]
    return following.organization_count(), following.override_counts(keys)


def _pages(scope: Scope, words: str) -> list[dict[str, Any]]:
    """Pages beside the settings whose names have the words."""
    wanted = search_words(words.casefold())
    entries = [entry for heading in scope.more for entry in heading["entries"]]
    return [
        entry for entry in entries if wanted and all(word in entry["label"].casefold() for word in wanted)
    ]


def _entry(scope: Scope, group: Group, count: int, current: str) -> dict[str, Any]:
    used = dict.fromkeys(one.section for one in settings_at(scope.level) if one.group == group.key)
    return {
        "label": group.label,
        "url": scope.group_url(group.key),
        "is_current": group.key == current,
        "count": count,
        "sections": [
            (SECTIONS[key].label, scope.group_url(group.key, _anchor=key))
            for key in used
            if group.key == current and len(used) > 1
        ],
    }


def _tell(changes: Changes, locked: list[Effective]) -> None:
    for state in locked:
        words = f"{state.setting.label} was not changed: the system has locked it. {state.lock_reason}"
        flash(words.strip(), "warning")
    if changes or not locked:
        flash(_said(changes), "success")


def _said(changes: Changes) -> str:
    if not changes:
        return "Nothing had changed."
    return "Saved. 1 setting changed." if len(changes) == 1 else f"Saved. {len(changes)} settings changed."
