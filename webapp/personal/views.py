"""*My configuration*: what a person sets for themselves, in every organization."""

from flask import Blueprint, g, redirect, url_for
from flask.typing import ResponseReturnValue

from tenants.configuration.catalog import USER
from webapp.configuration.pages import group_page
from webapp.configuration.scopes import Scope
from webapp.guards import member_required

blueprint = Blueprint("personal", __name__, url_prefix="/my-configuration")


@blueprint.get("/")
@member_required
def index() -> ResponseReturnValue:
    """The first group."""
    return redirect(url_for("personal.group", key="email"))


@blueprint.route("/<key>", methods=["GET", "POST"])
@member_required
def group(key: str) -> ResponseReturnValue:
    """One group of what people may set for themselves."""
    scope = Scope(
        level=USER,
        label=g.user.name or g.user.address,
        group_url=lambda name: url_for("personal.group", key=name),
        user=g.user,
        breadcrumbs=[("My configuration", url_for("personal.index"))],
    )
    return group_page(scope, key)
