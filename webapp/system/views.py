"""The installation's configuration, and each organization's as a system administrator sees it."""

from typing import Any
from uuid import UUID

from flask import Blueprint, current_app, g, redirect, request, url_for
from flask.typing import ResponseReturnValue

from tenants.configuration.catalog import ORGANIZATION, SYSTEM
from tenants.database import db, enter_organization
from tenants.errors import NotFoundError
from tenants.organizations import Organization
from webapp.configuration.pages import group_page
from webapp.configuration.scopes import Scope
from webapp.configuration.sidebar import system_pages
from webapp.guards import system_admin_required
from webapp.mailboxes.door import system_door
from webapp.mailboxes.grid import grid_of

blueprint = Blueprint("system", __name__, url_prefix="/system")


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
    scope = Scope(
        level=SYSTEM,
        label="System",
        group_url=lambda name: url_for("system.group", key=name),
        scopes=_scopes(None),
        more=system_pages(),
        breadcrumbs=[("System", url_for("system.index")), ("Configuration", None), ("General Setup", None)],
    )
    return group_page(scope, key, **_mailboxes(key))


@blueprint.route("/organizations/<uuid:organization_id>/configuration/<key>", methods=["GET", "POST"])
@system_admin_required
def organization_group(organization_id: UUID, key: str) -> ResponseReturnValue:
    """One group of an organization's settings."""
    organization = db.session.get(Organization, organization_id)
    if organization is None:
        raise NotFoundError
    enter_organization(organization.id)
    scope = Scope(
        level=ORGANIZATION,
        label=organization.name,
        group_url=lambda name: url_for(
            "system.organization_group", organization_id=organization_id, key=name
        ),
        scopes=_scopes(organization),
        more=system_pages(),
        breadcrumbs=[("System", url_for("system.index")), (organization.name, None), ("Configuration", None)],
    )
    return group_page(scope, key)


def _mailboxes(key: str) -> dict[str, Any]:
    if key != "email" or request.method != "GET":
        return {}
    door = system_door()
    return {"door": door, "grid": grid_of(door, {})}


def _scopes(organization: Organization | None) -> list[dict[str, Any]]:
    system = url_for("system.group", key="email")
    scopes = [{"label": "System", "url": system, "icon": "server", "is_current": organization is None}]
    if organization is not None:
        here = url_for("system.organization_group", organization_id=organization.id, key="email")
        scopes.append({"label": organization.name, "url": here, "is_current": True})
    elif g.get("organizations"):
        scopes.append({"label": g.organizations[0].name, "url": url_for("organization.index")})
    return scopes
