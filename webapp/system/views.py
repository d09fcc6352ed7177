"""The installation's configuration, and each organization's as a system administrator sees it."""

from typing import Any
from uuid import UUID

from flask import Blueprint, current_app, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from mailboxes.oidc.checking import check
from tenants.configuration.catalog import ORGANIZATION, SYSTEM
from webapp.auth.leading import redirect_uri
from webapp.configuration.following_pages import organizations_page
from webapp.configuration.opening import open_organization
from webapp.configuration.pages import group_page
from webapp.configuration.routes import add_routes
from webapp.configuration.scopes import Scope
from webapp.configuration.sidebar import opened_pages, system_pages, system_tree
from webapp.guards import system_admin_required
from webapp.mailboxes.door import opened_door, system_door
from webapp.mailboxes.grid import grid_of

blueprint = Blueprint("system", __name__, url_prefix="/system")
OPENED = "/organizations/<uuid:organization_id>/configuration"


@blueprint.get("/")
@system_admin_required
def index() -> ResponseReturnValue:
    """The organizations, else the configuration."""
    known = "organizations.index" in current_app.view_functions
    return redirect(url_for("organizations.index") if known else url_for("system.group", key="email"))


@blueprint.route("/configuration/<key>", methods=["GET", "POST"])
@system_admin_required
def group(key: str) -> ResponseReturnValue:
    """One group of the installation's settings; the global mailboxes end the Email Configuration page."""
    return group_page(_scope(), key, **_global_mailboxes(key), **_identity_provider(key))


@blueprint.post("/configuration/identity/check")
@system_admin_required
def check_identity_provider() -> ResponseReturnValue:
    """Whether the identity provider, as it is saved, can be used: each step apart."""
    steps = check(redirect_uri())
    return render_template(
        "configuration/identity_check.html", scope=_scope(), tree=system_tree(), steps=steps
    )


@blueprint.get("/configuration/<setting>/organizations")
@system_admin_required
def organizations(setting: str) -> ResponseReturnValue:
    """Who follows a setting, and who overrides it."""
    return organizations_page(_scope(), setting)


@blueprint.route(f"{OPENED}/<key>", methods=["GET", "POST"])
@system_admin_required
def organization_group(organization_id: UUID, key: str) -> ResponseReturnValue:
    """One group of an organization's settings, with its mailboxes; its messages are its members' alone."""
    scope = _opened_scope(organization_id)
    return group_page(scope, key, **_mailboxes_of(organization_id, scope.label, key))


def _global_mailboxes(key: str) -> dict[str, Any]:
    if key != "email" or request.method != "GET":
        return {}
    door = system_door()
    return {"door": door, "grid": grid_of(door, {})}


def _identity_provider(key: str) -> dict[str, Any]:
    if key != "identity":
        return {}
    return {"redirect_uri": redirect_uri(), "check_url": _scope().url("check_identity_provider")}


def _mailboxes_of(organization_id: UUID, name: str, key: str) -> dict[str, Any]:
    if key != "email" or request.method != "GET":
        return {}
    door = opened_door(organization_id, name)
    return {"door": door, "grid": grid_of(door, {})}


def _scope() -> Scope:
    return Scope(
        level=SYSTEM,
        label="System",
        url=lambda endpoint, **values: url_for(f"system.{endpoint}", **values),
        scopes=_scopes(),
        more=system_pages(),
        breadcrumbs=[("System", url_for("system.index")), ("Configuration", _system_url("email"))],
    )


def _opened_scope(organization_id: UUID) -> Scope:
    organization = open_organization(organization_id)
    first = url_for("system.organization_group", organization_id=organization_id, key="email")
    return Scope(
        level=ORGANIZATION,
        label=organization.name,
        url=lambda endpoint, **values: url_for(
            f"system.organization_{endpoint}", organization_id=organization_id, **values
        ),
        organization_name=organization.name,
        scopes=[*_scopes(is_current=False), {"label": organization.name, "url": first, "is_current": True}],
        more=opened_pages(organization_id),
        breadcrumbs=[
            ("System", url_for("system.index")),
            ("User Management", None),
            ("Organizations", url_for("organizations.index")),
            (organization.name, None),
            ("Configuration", first),
        ],
        system_url=_system_url,
    )


def _scopes(*, is_current: bool = True) -> list[dict[str, Any]]:
    scopes = [{"label": "System", "url": _system_url("email"), "icon": "server", "is_current": is_current}]
    if is_current and g.get("organizations"):
        scopes.append({"label": g.organizations[0].name, "url": url_for("organization.index")})
    return scopes


def _system_url(key: str) -> str:
    return url_for("system.group", key=key)


add_routes(blueprint, system_admin_required, _scope, under="/configuration")
add_routes(blueprint, system_admin_required, _opened_scope, under=OPENED, prefix="organization_")
