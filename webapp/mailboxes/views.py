"""The mailboxes of an organization, for its administrators."""

from uuid import UUID

from flask import Blueprint
from flask.typing import ResponseReturnValue

from mailboxes.system_mailboxes import Mailbox
from webapp.choosing import options_page
from webapp.guards import permission_required
from webapp.mailboxes import connecting, consenting, pages, proving
from webapp.mailboxes.door import Door, organization_door
from webapp.mailboxes.routes import add_routes

blueprint = Blueprint("mailboxes", __name__, url_prefix="/configuration/mailboxes")


@blueprint.get("/")
@permission_required("mailbox.manage")
def index() -> ResponseReturnValue:
    """The grid, which is the health page too."""
    return pages.grid_page(organization_door())


@blueprint.get("/states")
@permission_required("mailbox.manage")
def states() -> ResponseReturnValue:
    """The part of it that changes by itself."""
    return pages.states_page(organization_door())


@blueprint.route("/new", methods=["GET", "POST"])
@permission_required("mailbox.manage")
def new() -> ResponseReturnValue:
    """A new mailbox."""
    return pages.new_page(organization_door())


@blueprint.post("/discover")
@permission_required("mailbox.manage")
def discover() -> ResponseReturnValue:
    """Connection settings for an address."""
    return connecting.discover_page(organization_door())


@blueprint.post("/new/access")
@permission_required("mailbox.manage")
def new_access() -> ResponseReturnValue:
    """Who would see it."""
    return pages.access_page(organization_door())


@blueprint.get("/people-choices")
@permission_required("mailbox.manage")
def people_choices() -> ResponseReturnValue:
    """The options of a list of people, after something was typed to find one."""
    return options_page()


@blueprint.get("/connected")
@permission_required("mailbox.manage")
def connected() -> ResponseReturnValue:
    """Back from the provider of an account."""
    return consenting.connected_page(organization_door())


@blueprint.route("/confirm-address/<token>", methods=["GET", "POST"])
@permission_required("mailbox.manage")
def confirm_address(token: str) -> ResponseReturnValue:
    """The link that proves an address."""
    return proving.confirm_page(organization_door(), token)


def _entered(mailbox_id: UUID) -> tuple[Door, Mailbox]:
    return organization_door(), pages.mailbox_of_organization(mailbox_id)


add_routes(blueprint, permission_required("mailbox.manage"), _entered)
