"""The configuration of the current organization."""

from typing import Any

from flask import Blueprint, current_app, g, redirect, request, url_for
from flask.typing import ResponseReturnValue

from tenants.configuration.catalog import ORGANIZATION
from webapp.configuration.pages import group_page
from webapp.configuration.scopes import Scope
from webapp.guards import member_required, permission_required

blueprint = Blueprint("organization", __name__, url_prefix="/configuration")

# Pages beside the settings: label, endpoint, permission.
PAGES: tuple[tuple[str, str, str], ...] = (
    ("System mailboxes", "mailboxes.index", "mailbox.manage"),
    ("E-mail templates", "templates.index", "template.manage"),
    ("Lead sources", "lead_sources.index", "lead_source.manage"),
    ("Sales channels", "channels.index", "channel.manage"),
    ("People", "people.index", "user.manage"),
    ("Roles", "roles.index", "user.manage"),
    ("Audit log", "audit.index", "audit.view"),
)


@blueprint.get("/")
@member_required
def index() -> ResponseReturnValue:
    """The first page of the configuration that this member may open."""
    if "organization.configure" in g.permissions:
        return redirect(url_for("organization.group", key="email"))
    links = page_links()
    return redirect(links[0]["url"] if links else url_for("mail.index"))


@blueprint.route("/settings/<key>", methods=["GET", "POST"])
@permission_required("organization.configure")
def group(key: str) -> ResponseReturnValue:
    """One group of settings."""
    return group_page(_scope(), key)


def page_links() -> list[dict[str, Any]]:
    """Links to the pages beside the settings that this member may open."""
    return [
        {"label": label, "url": url_for(endpoint), "is_current": request.endpoint == endpoint}
        for label, endpoint, permission in PAGES
        if permission in g.permissions and endpoint in current_app.view_functions
    ]


def _scope() -> Scope:
    scopes = [{"label": g.organization.name, "url": url_for("organization.index"), "is_current": True}]
    if g.user.is_system_admin:
        scopes.insert(0, {"label": "System", "url": url_for("system.group", key="email"), "icon": "server"})
    return Scope(
        level=ORGANIZATION,
        label=g.organization.name,
        group_url=lambda key: url_for("organization.group", key=key),
        scopes=scopes,
        more=[{"label": "People and mail", "items": page_links(), "is_open": True}],
        breadcrumbs=[("Configuration", url_for("organization.index")), ("General Setup", None)],
    )
