"""Roles of an organization: the matrix of what they permit, and each role."""

from collections.abc import Iterable
from uuid import UUID

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from mailboxes.access import mailboxes_of_role
from tenants import people
from tenants.audit import AuditEntry
from tenants.database import db
from tenants.errors import AppError, ConflictError, ForbiddenError, InvalidError
from tenants.organizations import lock_organization
from tenants.people import roles as domain
from tenants.permissions import PERMISSIONS, Role, roles
from webapp.configuration.pages import actor
from webapp.configuration.sidebar import organization_tree
from webapp.guards import permission_required
from webapp.people.forms import RoleForm
from webapp.records import uuid_or_none
from webapp.versions import held, on_record

blueprint = Blueprint("roles", __name__, url_prefix="/configuration/roles")

NAMED = 20  # people on a role's page
Cells = dict[UUID, set[str]]


@blueprint.route("/", methods=["GET", "POST"])
@permission_required("user.manage")
def index() -> ResponseReturnValue:
    """The matrix. Only boxes that this person changed are saved, whatever others did meanwhile."""
    error = ""
    if request.method == "POST":
        try:
            _save_matrix()
        except (ForbiddenError, ConflictError, InvalidError) as refusal:
            db.session.rollback()
            error = refusal.message
        else:
            db.session.commit()
            flash("The permissions have been saved.", "success")
            return redirect(url_for("roles.index"))
    found = db.session.scalars(roles()).all()
    page = render_template(
        "people/roles.html",
        tree=organization_tree(),
        roles=found,
        permissions=PERMISSIONS,
        counts=domain.holder_counts(),
        ticked=_cells(request.form.getlist("grant")) if error else {one.id: one.permissions for one in found},
        error=error,
    )
    return page, 422 if error else 200


@blueprint.route("/new", methods=["GET", "POST"])
@permission_required("user.manage")
def new() -> ResponseReturnValue:
    """A role of the organization's own."""
    return _page(None)


@blueprint.route("/<uuid:role_id>", methods=["GET", "POST"])
@permission_required("user.manage")
def edit(role_id: UUID) -> ResponseReturnValue:
    """One role with the people who hold it; the system's are shown only."""
    if request.method == "POST":
        lock_organization()  # before the role, as whoever saves the matrix
    return _page(held(people.role_of_organization(role_id)))


@blueprint.post("/<uuid:role_id>/clone")
@permission_required("user.manage")
def clone(role_id: UUID) -> ResponseReturnValue:
    """The same role under another name, to be changed."""
    by = people.granting(g.member)
    made = domain.clone_role(people.role_of_organization(role_id), by=by, actor=actor())
    db.session.commit()
    flash(f"{made.name} permits the same. Give it a name of its own.", "success")
    return redirect(url_for("roles.edit", role_id=made.id))


@blueprint.route("/<uuid:role_id>/delete", methods=["GET", "POST"])
@permission_required("user.manage")
def delete(role_id: UUID) -> ResponseReturnValue:
    """Delete a role, after saying who loses what."""
    role = people.role_of_organization(role_id)
    if request.method == "POST":
        by = people.granting(g.member)
        domain.delete_role(role, by=by, actor=actor(), from_holders=True)
        db.session.commit()
        flash(f"The role {role.name} has been deleted.", "success")
        return redirect(url_for("roles.index"))
    return render_template(
        "people/delete_role.html",
        tree=organization_tree(),
        role=role,
        losses=domain.losses(role),
        mailboxes=db.session.scalars(mailboxes_of_role(role.id)).all(),
    )


def _page(role: Role | None) -> ResponseReturnValue:
    form = RoleForm(name=role.name, permissions=role.permissions) if role is not None else RoleForm()
    form.permissions.choices = list(PERMISSIONS.items())
    if role is not None:
        form.who_changed = on_record(AuditEntry, "role", role.name)
    if form.validate_on_submit():
        try:
            saved = _saved(role, form)
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
    losses = domain.losses(role) if role is not None else []
    page = render_template(
        "people/role.html",
        tree=organization_tree(),
        form=form,
        role=role,
        refused=dict.fromkeys(
            PERMISSIONS.keys() - g.permissions, "You do not have this permission yourself."
        ),
        holders=[loss.member for loss in losses[:NAMED]],
        holder_count=len(losses),
    )
    return page, 422 if form.errors else 200


def _saved(role: Role | None, form: RoleForm) -> Role:
    """Boxes that this person may not tick send nothing, and stay as they were."""
    by = people.granting(g.member)
    kept = set(role.permissions) - by if role is not None else set()
    chosen = {*(form.permissions.data or []), *kept}
    return domain.save_role(role, form.name.data or "", chosen, by=by, actor=actor())


def _save_matrix() -> None:
    by = people.granting(g.member)
    before, after = _cells(request.form.getlist("had")), _cells(request.form.getlist("grant"))
    domain.change_permissions(_without(after, before), _without(before, after), by=by, actor=actor())


def _without(some: Cells, others: Cells) -> Cells:
    left = {id: cells - others.get(id, set()) for id, cells in some.items()}
    return {id: cells for id, cells in left.items() if cells}


def _cells(texts: Iterable[str]) -> Cells:
    """Boxes of the matrix, ``ROLE:PERMISSION``, by role; what makes no sense is left out."""
    found: Cells = {}
    for text in texts:
        id, _, permission = text.partition(":")
        role_id = uuid_or_none(id)
        if role_id is not None and permission in PERMISSIONS:
            found.setdefault(role_id, set()).add(permission)
    return found
