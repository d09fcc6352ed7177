"""Global mailboxes: accounts of the installation, each delivering to its home organization."""

from uuid import UUID

from flask import Blueprint, g, render_template, request
from flask.typing import ResponseReturnValue

from mailboxes.setup import global_saving
from mailboxes.system_mailboxes import Mailbox
from tenants.configuration.layers import value_of
from tenants.database import db, enter_organization
from tenants.errors import NotFoundError
from tenants.organizations import Organization, all_organizations
from webapp.guards import system_admin_required
from webapp.mailboxes import connecting, pages
from webapp.mailboxes.door import Door, system_door
from webapp.mailboxes.routes import add_routes
from webapp.records import id_argument

blueprint = Blueprint("system_mailboxes", __name__, url_prefix="/system/mailboxes")


@blueprint.get("/")
@system_admin_required
def index() -> ResponseReturnValue:
    """The grid of all organizations' global mailboxes."""
    return pages.grid_page(system_door())


@blueprint.get("/states")
@system_admin_required
def states() -> ResponseReturnValue:
    """The part of it that changes by itself."""
    return pages.states_page(system_door())


@blueprint.route("/new", methods=["GET", "POST"])
@system_admin_required
def new() -> ResponseReturnValue:
    """A new global mailbox: first its home organization is chosen, then the page is the usual one."""
    door = system_door()
    organizations = list(db.session.scalars(all_organizations()))
    if request.args.get("home") is None:
        return render_template("mailboxes/home.html", door=door, organizations=organizations)
    _enter(id_argument("home"), organizations)
    return pages.new_page(door)


@blueprint.post("/discover")
@system_admin_required
def discover() -> ResponseReturnValue:
    """Connection settings for an address."""
    return connecting.discover_page(system_door())


def _entered(mailbox_id: UUID) -> tuple[Door, Mailbox]:
    door = system_door()
    _enter(global_saving.home_of(mailbox_id), list(db.session.scalars(all_organizations())))
    return door, pages.mailbox_of_organization(mailbox_id)


def _enter(id: UUID | None, organizations: list[Organization]) -> None:
    """Bind the session to the home organization: its roles, people and clock are those of the page."""
    for organization in organizations:
        if organization.id == id:
            enter_organization(organization.id)
            g.home, g.zone = organization, value_of("general.time_zone")
            return
    raise NotFoundError("This organization does not exist.")


add_routes(blueprint, system_admin_required, _entered)
