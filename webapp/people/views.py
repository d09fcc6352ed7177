"""People of an organization: invited, given roles, disabled."""

from uuid import UUID

from flask import Blueprint, current_app, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from tenants import audit, people
from tenants.database import db
from tenants.errors import AppError
from tenants.invitations import invite, open_invitations
from tenants.organizations import Membership
from tenants.permissions import roles, roles_of
from tenants.users import User
from webapp.configuration.pages import actor
from webapp.configuration.sidebar import organization_tree
from webapp.guards import permission_required
from webapp.people.forms import InviteForm, MemberForm

blueprint = Blueprint("people", __name__, url_prefix="/configuration/people")


@blueprint.get("/")
@permission_required("user.manage")
def index() -> ResponseReturnValue:
    """Everybody in the organization, and who is invited."""
    members = db.session.scalars(
        select(Membership).join(User, User.id == Membership.user_id).order_by(User.name, User.address)
    ).all()
    return render_template(
        "people/index.html",
        tree=organization_tree(),
        members=[(member, db.session.scalars(roles_of(member)).all()) for member in members],
        invitations=db.session.scalars(open_invitations()).all(),
    )


@blueprint.route("/invite", methods=["GET", "POST"])
@permission_required("user.manage")
def new() -> ResponseReturnValue:
    """Make an invitation; its link is shown once, to be handed over."""
    form = InviteForm()
    form.roles.choices = _role_choices()
    link = ""
    if form.validate_on_submit():
        try:
            chosen = people.grantable([UUID(id) for id in form.roles.data or []], g.permissions)
        except (AppError, ValueError) as error:
            form.roles.errors = [str(error)]
        else:
            address = (form.address.data or "").strip().lower()
            token = invite(address, [role.id for role in chosen], invited_by=actor().name)
            audit.record(actor(), "member.invited", address, {}, {"roles": [role.name for role in chosen]})
            db.session.commit()
            base = current_app.config["POSTROOM"].base_url
            link = base + url_for("invitations.accept", organization_id=g.organization.id, token=token)
    page = render_template("people/invite.html", tree=organization_tree(), form=form, link=link)
    return page, 422 if form.errors else 200


@blueprint.route("/<uuid:member_id>", methods=["GET", "POST"])
@permission_required("user.manage")
def edit(member_id: UUID) -> ResponseReturnValue:
    """The roles of a member."""
    member = people.member_of_organization(member_id)
    form = MemberForm(roles=[str(role.id) for role in db.session.scalars(roles_of(member))])
    form.roles.choices = _role_choices()
    if form.validate_on_submit():
        try:
            chosen = [UUID(id) for id in form.roles.data or []]
            people.change_roles(member, chosen, by=g.permissions, actor=actor())
        except (AppError, ValueError) as error:
            db.session.rollback()
            form.roles.errors = [str(error)]
        else:
            db.session.commit()
            flash(f"The roles of {member.name} have been saved.", "success")
            return redirect(url_for("people.index"))
    page = render_template("people/edit.html", tree=organization_tree(), form=form, member=member)
    return page, 422 if form.errors else 200


@blueprint.post("/<uuid:member_id>/enable")
@permission_required("user.manage")
def enable(member_id: UUID) -> ResponseReturnValue:
    """Disable a member here, or enable them again."""
    member = people.member_of_organization(member_id)
    people.enable(member, request.form.get("enabled") == "1", by=g.permissions, actor=actor())
    db.session.commit()
    flash(f"{member.name} is {'enabled' if member.is_enabled else 'disabled'} here.", "success")
    return redirect(url_for("people.index"))


def _role_choices() -> list[tuple[str, str]]:
    return [(str(role.id), role.name) for role in db.session.scalars(roles())]
