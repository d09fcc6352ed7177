"""Organizations of the installation."""

from uuid import UUID

from flask import Blueprint, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import func, select

from mailboxes.offering import create_organization
from mailboxes.system_mailboxes import Mailbox
from tenants import audit
from tenants.database import across_organizations, db, enter_organization
from tenants.errors import InvalidError, NotFoundError
from tenants.invitations import invite
from tenants.organizations import Membership, Organization, all_organizations
from tenants.permissions import ADMINISTRATOR, offer_system_roles
from webapp.configuration.pages import actor
from webapp.configuration.sidebar import system_tree
from webapp.guards import system_admin_required
from webapp.people.forms import OrganizationForm

blueprint = Blueprint("organizations", __name__, url_prefix="/system/organizations")


@blueprint.get("/")
@system_admin_required
def index() -> ResponseReturnValue:
    """Every organization with its people and mailboxes, counted."""
    with across_organizations("a system page counts people and mailboxes") as session:
        people = _counted(session.execute(_count(Membership)).all())
        mailboxes = _counted(session.execute(_count(Mailbox)).all())
    return render_template(
        "installation/organizations.html",
        tree=system_tree(),
        organizations=db.session.scalars(all_organizations()).all(),
        people=people,
        mailboxes=mailboxes,
    )


@blueprint.route("/new", methods=["GET", "POST"])
@system_admin_required
def new() -> ResponseReturnValue:
    """A new organization, and an invitation for its first administrator."""
    form = OrganizationForm()
    link = ""
    if form.validate_on_submit():
        try:
            link = _created(form)
        except InvalidError as error:
            db.session.rollback()
            form[error.field or "name"].errors = [error.message]
    page = render_template("installation/new_organization.html", tree=system_tree(), form=form, link=link)
    return page, 422 if form.errors else 200


@blueprint.post("/<uuid:organization_id>/enable")
@system_admin_required
def enable(organization_id: UUID) -> ResponseReturnValue:
    """Disable an organization with all its people and mailboxes, or enable it again."""
    organization = db.session.get(Organization, organization_id)
    if organization is None:
        raise NotFoundError
    organization.is_enabled = request.form.get("enabled") == "1"
    act = "organization.enabled" if organization.is_enabled else "organization.disabled"
    audit.record_for_system(actor(), act, organization.name)
    db.session.commit()
    flash(f"{organization.name} is {'enabled' if organization.is_enabled else 'disabled'}.", "success")
    return redirect(url_for("organizations.index"))


def _created(form: OrganizationForm) -> str:
    organization = create_organization(form.name.data or "", form.slug.data or "")
    enter_organization(organization.id)
    role = offer_system_roles()[ADMINISTRATOR]
    token = invite(form.administrator.data or "", [role.id], invited_by=actor().name)
    audit.record_for_system(actor(), "organization.created", organization.name)
    db.session.commit()
    path = url_for("invitations.accept", organization_id=organization.id, token=token)
    base: str = current_app.config["POSTROOM"].base_url
    return base + path


def _count(table: type[Membership] | type[Mailbox]):  # type: ignore[no-untyped-def]  # a Select of pairs
    return select(table.organization_id, func.count()).group_by(table.organization_id)


def _counted(rows: object) -> dict[UUID, int]:
    return {row[0]: row[1] for row in rows}  # type: ignore[attr-defined]
