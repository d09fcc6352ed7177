"""Organizations of the installation: listed, made, renamed, closed."""

from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from mailboxes.counting import count_mailboxes, what_there_is
from mailboxes.crm.paging import Order, page
from mailboxes.offering import create_organization
from mailboxes.people_letters import send_invitation
from tenants import audit
from tenants.database import db, enter_organization
from tenants.installation import organizations as domain
from tenants.organizations import Organization
from tenants.people import ADMINISTERS
from tenants.people.invitations import Invitation, invite, open_invitations
from tenants.permissions import ADMINISTRATOR, members_who_may, offer_system_roles
from tenants.users import SHOWN_NAME, checked_address
from webapp import records
from webapp.configuration.pages import actor
from webapp.configuration.sidebar import system_tree
from webapp.guards import system_admin_required
from webapp.people.forms import AdministratorForm, NewOrganizationForm, OrganizationForm
from webapp.versions import held, on_record
from workers import queues

blueprint = Blueprint("organizations", __name__, url_prefix="/system/organizations")

HEADINGS = (
    ("Name", "name"),
    ("Short name", "slug"),
    ("People", ""),
    ("Mailboxes", ""),
    ("State", ""),
    ("Since", "created"),
)


@blueprint.get("/")
@system_admin_required
def index() -> ResponseReturnValue:
    """Every organization, a page at a time, with its people and mailboxes counted."""
    filter = domain.OrganizationFilter(
        records.clean_text(request.args.get("q")), request.args.get("state", "")
    )
    order = Order.of(request.args.get("sort", ""), domain.ORGANIZATION_SORTS, "name")
    found = page(
        domain.organizations(filter),
        domain.ORGANIZATION_SORTS[order.name],
        Organization.id,
        is_descending=order.is_descending,
        cursor=request.args.get("page", ""),
    )
    ids = [organization.id for organization in found.rows]
    headings = records.columns("organizations.index", order, HEADINGS, numbers={"People", "Mailboxes"})
    return render_template(
        "installation/organizations.html",
        tree=system_tree(),
        organizations=found.rows,
        people=domain.count_people(ids),
        mailboxes=count_mailboxes(ids),
        pager=records.pages("organizations.index", found),
        columns=[*headings, {"label": "Actions", "hidden": True}],
        is_filtered=bool(filter.words or filter.state),
    )


@blueprint.route("/new", methods=["GET", "POST"])
@system_admin_required
def new() -> ResponseReturnValue:
    """A new organization, and an invitation for its first administrator."""
    form = NewOrganizationForm()
    made: list[tuple[Organization, Invitation, str]] = []
    if form.validate_on_submit() and records.accepts(form, lambda: made.append(_created(form))):
        return _delivered(*made[0])
    shown = render_template("installation/new_organization.html", tree=system_tree(), form=form)
    return shown, 422 if form.errors else 200


@blueprint.route("/<uuid:organization_id>", methods=["GET", "POST"])
@system_admin_required
def edit(organization_id: UUID) -> ResponseReturnValue:
    """One organization: its name, its administrators, and what there is in it."""
    organization = held(_entered(organization_id))
    form = OrganizationForm(obj=organization)
    form.who_changed = on_record(audit.SystemAuditEntry, "organization", organization.name)
    if form.validate_on_submit() and records.accepts(
        form, lambda: domain.rename_organization(organization, form.name.data or "", actor=actor())
    ):
        db.session.commit()
        flash(f"{organization.name} has been saved.", "success")
        return redirect(url_for("organizations.edit", organization_id=organization.id))
    return _page(organization, form, AdministratorForm(formdata=None))


@blueprint.post("/<uuid:organization_id>/enable")
@system_admin_required
def enable(organization_id: UUID) -> ResponseReturnValue:
    """Disable an organization with all its people and mailboxes, or enable it again."""
    organization = domain.organization_of(organization_id)
    domain.enable_organization(organization, request.form.get("enabled") == "1", actor=actor())
    db.session.commit()
    flash(f"{organization.name} is {'enabled' if organization.is_enabled else 'disabled'}.", "success")
    return redirect(url_for("organizations.index"))


@blueprint.post("/<uuid:organization_id>/invite")
@system_admin_required
def invite_administrator(organization_id: UUID) -> ResponseReturnValue:
    """Invite another administrator, such as when the only one has left."""
    organization = _entered(organization_id)
    form = AdministratorForm()
    made: list[tuple[Invitation, str]] = []
    if form.validate_on_submit() and records.accepts(
        form, lambda: made.append(_invited(organization, form.address.data or ""))
    ):
        return _delivered(organization, *made[0])
    return _page(organization, OrganizationForm(formdata=None, obj=organization), form)


def _entered(organization_id: UUID) -> Organization:
    organization = domain.organization_of(organization_id)
    enter_organization(organization.id)
    return organization


def _page(
    organization: Organization, form: OrganizationForm, administrator: AdministratorForm
) -> ResponseReturnValue:
    administrators = db.session.scalars(members_who_may(*ADMINISTERS).order_by(SHOWN_NAME).limit(50)).all()
    shown = render_template(
        "installation/organization.html",
        tree=system_tree(),
        organization=organization,
        form=form,
        administrator=administrator,
        administrators=administrators,
        invitations=db.session.scalars(open_invitations().limit(20)).all(),
        effects=_effects_of_disabling(what_there_is()),
    )
    return shown, 422 if form.errors or administrator.errors else 200


def _effects_of_disabling(numbers: dict[str, int]) -> list[str]:
    return [
        f"People who can no longer work here: {numbers['active people']}",
        f"Mailboxes that are no longer fetched and answered: {numbers['mailboxes']}",
        f"Messages still to be sent, which wait: {numbers['messages still to be sent']}",
    ]


def _created(form: NewOrganizationForm) -> tuple[Organization, Invitation, str]:
    checked = checked_address(form.address.data or "")
    organization = create_organization(form.name.data or "", form.slug.data or "", by=actor().name)
    audit.record_for_system(actor(), "organization.created", organization.name)
    return organization, *_invited(organization, checked)


def _invited(organization: Organization, address: str) -> tuple[Invitation, str]:
    role = offer_system_roles()[ADMINISTRATOR]
    invitation, token = invite(checked_address(address), [role.id], by=actor())
    audit.record(actor(), "member.invited", invitation.address, {}, {"roles": [role.name]})
    return invitation, send_invitation(organization, invitation, token)


def _delivered(organization: Organization, invitation: Invitation, link: str) -> ResponseReturnValue:
    db.session.commit()
    queues.ring_notices(organization.id)
    back_url = url_for("organizations.edit", organization_id=organization.id)
    if link:
        return render_template(
            "people/invitation_link.html",
            tree=system_tree(),
            link=link,
            address=invitation.address,
            back_url=back_url,
        )
    flash(f"The invitation of {invitation.address} is on its way.", "success")
    return redirect(back_url)
