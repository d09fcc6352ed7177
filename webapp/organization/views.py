"""The configuration of the current organization."""

from typing import Any

from flask import Blueprint, g, redirect, request, url_for
from flask.typing import ResponseReturnValue

from tenants.configuration.catalog import ORGANIZATION
from webapp.configuration.pages import group_page
from webapp.configuration.routes import add_routes
from webapp.configuration.scopes import Scope
from webapp.configuration.sidebar import organization_pages
from webapp.guards import member_required, permission_required
from webapp.mailboxes.door import organization_door
from webapp.mailboxes.grid import grid_of

blueprint = Blueprint("organization", __name__, url_prefix="/configuration")


@blueprint.get("/")
@member_required
def index() -> ResponseReturnValue:
    """The first page of the configuration that this member may open."""
    if "organization.configure" in g.permissions:
        return redirect(url_for("organization.group", key="email"))
    groups = organization_pages()
    return redirect(groups[0]["entries"][0]["url"] if groups else url_for("mail.index"))


@blueprint.route("/settings/<key>", methods=["GET", "POST"])
@permission_required("organization.configure")
def group(key: str) -> ResponseReturnValue:
    """One group of settings; the mailboxes are the last part of the Email Configuration page."""
    return group_page(_scope(), key, **_mailboxes(key))


def _mailboxes(key: str) -> dict[str, Any]:
    if key != "email" or "mailbox.manage" not in g.permissions or request.method != "GET":
        return {}
    door = organization_door()
    return {"door": door, "grid": grid_of(door, {})}


def _scope() -> Scope:
    scopes = [{"label": g.organization.name, "url": url_for("organization.index"), "is_current": True}]
    if g.user.is_system_admin:
        scopes.insert(0, {"label": "System", "url": url_for("system.group", key="email"), "icon": "server"})
    return Scope(
        level=ORGANIZATION,
        label=g.organization.name,
        url=lambda endpoint, **values: url_for(f"organization.{endpoint}", **values),
        organization_name=g.organization.name,
        scopes=scopes,
        more=organization_pages(),
        breadcrumbs=[("Configuration", url_for("organization.index"))],
        system_url=_system_url if g.user.is_system_admin else None,
    )


def _system_url(key: str) -> str:
    return url_for("system.group", key=key)


add_routes(blueprint, permission_required("organization.configure"), _scope, under="/settings")
