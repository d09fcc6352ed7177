"""Users of the installation."""

from uuid import UUID

from flask import Blueprint, flash, g, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from tenants import second_factor
from tenants.audit import record_for_system
from tenants.database import db
from tenants.errors import ConflictError, NotFoundError
from tenants.users import User, sign_out_everywhere
from webapp.configuration.pages import actor
from webapp.configuration.sidebar import system_tree
from webapp.guards import system_admin_required
from webapp.people.forms import UserForm

blueprint = Blueprint("users", __name__, url_prefix="/system/users")
MANY = 500


@blueprint.get("/")
@system_admin_required
def index() -> ResponseReturnValue:
    """Everybody who may sign in, by name."""
    found = db.session.scalars(select(User).order_by(User.name, User.address).limit(MANY)).all()
    return render_template("installation/users.html", tree=system_tree(), users=found)


@blueprint.route("/<uuid:user_id>", methods=["GET", "POST"])
@system_admin_required
def edit(user_id: UUID) -> ResponseReturnValue:
    """Disable a user, or make them a system administrator."""
    user = _user(user_id)
    form = UserForm(obj=user)
    if form.validate_on_submit():
        if user.id == g.user.id and not (form.is_enabled.data and form.is_system_admin.data):
            raise ConflictError("You cannot lock yourself out. Ask another system administrator.")
        before = {"is_enabled": user.is_enabled, "is_system_admin": user.is_system_admin}
        user.is_enabled = bool(form.is_enabled.data)
        user.is_system_admin = bool(form.is_system_admin.data)
        if before != {"is_enabled": user.is_enabled, "is_system_admin": user.is_system_admin}:
            sign_out_everywhere(user)
        after = {"is_enabled": user.is_enabled, "is_system_admin": user.is_system_admin}
        record_for_system(actor(), "user.changed", user.address, before, after)
        db.session.commit()
        flash(f"{user.name or user.address} has been saved.", "success")
        return redirect(url_for("users.index"))
    return render_template("installation/user.html", tree=system_tree(), form=form, user=user)


@blueprint.post("/<uuid:user_id>/sign-out")
@system_admin_required
def sign_out(user_id: UUID) -> ResponseReturnValue:
    """End all sessions of a user, and forget a lost second factor."""
    user = _user(user_id)
    sign_out_everywhere(user)
    second_factor.forget(user)
    record_for_system(actor(), "user.signed_out_everywhere", user.address)
    db.session.commit()
    flash(f"{user.name or user.address} was signed out everywhere; the second factor is gone.", "success")
    return redirect(url_for("users.edit", user_id=user.id))


def _user(id: UUID) -> User:
    user = db.session.get(User, id)
    if user is None:
        raise NotFoundError
    return user
