"""The organizations that follow the system's value of a setting, and those that override it."""

from uuid import UUID

from flask import render_template, request
from flask.typing import ResponseReturnValue

from tenants.configuration import following, layers
from tenants.configuration.catalog import ORGANIZATION, Setting, settings_at
from tenants.configuration.following import PAGE, Stance
from tenants.errors import NotFoundError
from webapp.configuration.pages import group_of, tree_of
from webapp.configuration.scopes import Scope
from webapp.configuration.wording import in_words
from webapp.records import id_argument


def organizations_page(scope: Scope, key: str) -> ResponseReturnValue:
    """One side of a setting, by name, a page at a time; the other is counted. All follow what is locked."""
    setting = scope.setting_of(key)
    if ORGANIZATION not in setting.levels:
        raise NotFoundError
    is_overriding = request.args.get("side") == "override"
    is_locked = layers.effective(key, scope.level).is_locked
    side = True if is_overriding else None if is_locked else False
    found = following.stances(setting, overriding=side, after=_after(), limit=PAGE + 1)
    override = following.override_counts([key]).get(key, 0)
    return render_template(
        "configuration/organizations.html",
        scope=scope,
        setting=setting,
        group=group_of(scope, setting.group),
        groups=tree_of(scope, _states(scope), setting.group),
        is_overriding=is_overriding,
        is_locked=is_locked,
        override=override,
        follow=following.organization_count() - (0 if is_locked else override),
        rows=[(stance, _words(stance, setting)) for stance in found[:PAGE]],
        last=found[PAGE - 1] if len(found) > PAGE else None,
        is_first=_after() is None,
    )


def _states(scope: Scope) -> list[layers.Effective]:
    return layers.effective_all(settings_at(scope.level), scope.level)


def _words(stance: Stance, setting: Setting) -> str:
    return in_words(setting, stance.value, {}) if stance.is_overriding else ""


def _after() -> tuple[str, UUID] | None:
    id, name = id_argument("id"), request.args.get("name", "")
    return None if id is None or "\x00" in name else (name, id)
