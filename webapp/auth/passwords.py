"""A forgotten password: asked for, and chosen anew with the link that came by mail."""

from flask import Blueprint, flash, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from mailboxes.notices import can_send
from mailboxes.people_letters import send_password_changed
from tenants import audit
from tenants.database import db, enter_installation
from tenants.errors import AppError, NotFoundError
from tenants.users import password_links
from webapp.auth import cookie
from webapp.auth.forms import ForgottenForm, NewPasswordForm
from webapp.guards import public
from workers import queues

blueprint = Blueprint("passwords", __name__)


@blueprint.route("/forgot-password", methods=["GET", "POST"])
@public
def forgotten() -> ResponseReturnValue:
    """Ask for a link. The answer is the same, and as quick, whoever the address belongs to."""
    form = ForgottenForm()
    is_asked = False
    if can_send() and form.validate_on_submit():
        try:
            password_links.ask(form.address.data or "", request.remote_addr or "")
        except AppError as error:
            db.session.rollback()
            form.form_errors.append(error.message)
        else:
            db.session.commit()
            queues.ring_notices()
            is_asked = True
    page = render_template("auth/forgotten.html", form=form, is_asked=is_asked, can_send=can_send())
    return page, 422 if form.errors else 200


@blueprint.route("/new-password/<token>", methods=["GET", "POST"])
@public
def choose(token: str) -> ResponseReturnValue:
    """Choose a password with a link. Every session ends, and the link with them."""
    if request.method == "POST":
        enter_installation("a password, and the word that it was changed, belong to no organization")
    user = password_links.owner_of(token)
    form = NewPasswordForm()
    if form.validate_on_submit():
        try:
            user = password_links.use(token, form.password.data or "", request.remote_addr or "")
        except NotFoundError:
            raise
        except AppError as error:
            db.session.rollback()
            form.password.errors = [error.message]
        else:
            send_password_changed(user)
            person = audit.Actor(user.name or user.address, user.id, request.remote_addr or "")
            audit.record_for_system(person, "user.password_chosen", user.address)
            db.session.commit()
            queues.ring_notices()
            flash("Your password has been changed. Sign in with it now.", "success")
            response = make_response(redirect(url_for("auth.sign_in")))
            cookie.make_known(request, response, user)
            return response
    page = render_template("auth/new_password.html", form=form, address=user.address)
    return page, 422 if form.errors else 200
