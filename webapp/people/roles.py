"""Roles of an organization."""

from uuid import UUID

from flask import Blueprint, flash, g, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from tenants import people
from tenants.database import db
from tenants.errors import AppError, InvalidError
from tenants.permissions import PERMISSIONS, Role, roles
from webapp.configuration.pages import actor
from webapp.configuration.sidebar import organization_tree
from webapp.guards import permission_required
from webapp.people.forms import RoleForm

blueprint = Blueprint("roles", __name__, url_prefix="/configuration/roles")


@blueprint.get("/")
@permission_required("user.manage")
def index() -> ResponseReturnValue:
    """Every role with what it permits."""
    return render_template(
        "people/roles.html",
        tree=organization_tree(),
        roles=db.session.scalars(roles()).all(),
        permissions=PERMISSIONS,
    )


@blueprint.route("/new", methods=["GET", "POST"])
@permission_required("user.manage")
def new() -> ResponseReturnValue:
    """A role of the organization's own."""
    return _page(None)


@blueprint.route("/<uuid:role_id>", methods=["GET", "POST"])
@permission_required("user.manage")
def edit(role_id: UUID) -> ResponseReturnValue:
    """Change a role; the system's are shown only."""
    return _page(people.role_of_organization(role_id))


@blueprint.post("/<uuid:role_id>/delete")
@permission_required("user.manage")
def delete(role_id: UUID) -> ResponseReturnValue:
    """Delete a role that nobody holds."""
    people.delete_role(people.role_of_organization(role_id), by=g.permissions, actor=actor())
    db.session.commit()
    flash("The role has been deleted.", "success")
    return redirect(url_for("roles.index"))


def _page(role: Role | None) -> ResponseReturnValue:
    form = RoleForm(name=role.name, permissions=role.permissions) if role is not None else RoleForm()
    form.permissions.choices = list(PERMISSIONS.items())
    if form.validate_on_submit():
        name, chosen = form.name.data or "", form.permissions.data or []
        try:
            saved = people.save_role(role, name, chosen, by=g.permissions, actor=actor())
        except InvalidError as error:
            db.session.rollback()
            form[error.field or "name"].errors = [error.message]
        except AppError as error:
            db.session.rollback()
            form.permissions.errors = [error.message]
        else:
            db.session.commit()
            flash(f"The role {saved.name} has been saved.", "success")
            return redirect(url_for("roles.index"))
    page = render_template("people/role.html", tree=organization_tree(), form=form, role=role)
    return page, 422 if form.errors else 200
