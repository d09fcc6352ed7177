"""*My configuration*: what a person sets for themselves, in every organization."""

from flask import Blueprint, g, redirect, url_for
from flask.typing import ResponseReturnValue

from tenants.configuration.catalog import USER
from webapp.configuration.pages import group_page
from webapp.configuration.routes import add_routes
from webapp.configuration.scopes import Scope
from webapp.guards import member_required
from webapp.personal.notifications import notifications_link, notifications_page

blueprint = Blueprint("personal", __name__, url_prefix="/my-configuration")


@blueprint.get("/")
@member_required
def index() -> ResponseReturnValue:
    """The first group."""
    return redirect(url_for("personal.group", key="email"))


@blueprint.route("/notifications", methods=["GET", "POST"])
@member_required
def notifications() -> ResponseReturnValue:
    """Which mailboxes of the current organization they hear of."""
    return notifications_page(_scope())


@blueprint.route("/<key>", methods=["GET", "POST"])
@member_required
def group(key: str) -> ResponseReturnValue:
    """One group of what people may set for themselves."""
    return group_page(_scope(), key)


def _scope() -> Scope:
    return Scope(
        level=USER,
        label=g.user.name or g.user.address,
        url=lambda endpoint, **values: url_for(f"personal.{endpoint}", **values),
        organization_name=g.organization.name,
        user=g.user,
        more=[notifications_link()],
        breadcrumbs=[("My configuration", url_for("personal.index"))],
    )


add_routes(blueprint, member_required, _scope)
