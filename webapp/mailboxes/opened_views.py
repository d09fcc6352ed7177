"""The mailboxes of one organization, as a system administrator sets them up: without a message of theirs."""

from typing import Any
from uuid import UUID

from flask import Blueprint, g
from flask.typing import ResponseReturnValue

from mailboxes.system_mailboxes import Mailbox
from tenants.organizations import Organization
from webapp.choosing import options_page
from webapp.configuration.opening import open_organization
from webapp.guards import system_admin_required
from webapp.mailboxes import connecting, consenting, pages
from webapp.mailboxes.door import Door, opened_door
from webapp.mailboxes.routes import add_routes

blueprint = Blueprint(
    "opened_mailboxes", __name__, url_prefix="/system/organizations/<uuid:organization_id>/mailboxes"
)


@blueprint.url_value_preprocessor
def note_the_organization(_: str | None, values: dict[str, Any] | None) -> None:
    """The pages of a mailbox know nothing of organizations: what the address names is kept aside."""
    g.opening = (values or {}).pop("organization_id", None)


@blueprint.get("/")
@system_admin_required
def index() -> ResponseReturnValue:
    """The grid of one organization's mailboxes."""
    return pages.grid_page(_door())


@blueprint.get("/states")
@system_admin_required
def states() -> ResponseReturnValue:
    """The part of it that changes by itself."""
    return pages.states_page(_door())


@blueprint.post("/discover")
@system_admin_required
def discover() -> ResponseReturnValue:
    """Connection settings for an address."""
    return connecting.discover_page(_door())


@blueprint.route("/new", methods=["GET", "POST"])
@system_admin_required
def new() -> ResponseReturnValue:
    """A new mailbox of this organization."""
    return pages.new_page(_door())


@blueprint.post("/new/access")
@system_admin_required
def new_access() -> ResponseReturnValue:
    """Who would see it."""
    return pages.access_page(_door())


@blueprint.get("/people-choices")
@system_admin_required
def people_choices() -> ResponseReturnValue:
    """The options of a list of people of this organization."""
    open_organization(g.opening)
    return options_page()


@blueprint.get("/connected")
@system_admin_required
def connected() -> ResponseReturnValue:
    """Back from the provider of an account."""
    return consenting.connected_page(_door())


def _entered(mailbox_id: UUID) -> tuple[Door, Mailbox]:
    door = _door()
    return door, pages.mailbox_of_organization(mailbox_id)


def _door() -> Door:
    organization: Organization = open_organization(g.opening)
    return opened_door(organization.id, organization.name)


add_routes(blueprint, system_admin_required, _entered, shows_messages=False)
