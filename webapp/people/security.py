"""A person's own password, second factor and sessions."""

from datetime import timedelta

import segno
from flask import Blueprint, flash, g, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from mailboxes.people_letters import send_password_changed
from tenants.audit import record_for_system
from tenants.database import db, enter_installation, now
from tenants.errors import AppError, InvalidError
from tenants.users import (
    WrongPasswordError,
    authenticate,
    demand_good_password,
    password_links,
    second_factor,
    sessions_of,
    sign_in,
    sign_out_elsewhere,
)
from tenants.users import sign_out as end_session
from webapp.auth import cookie
from webapp.auth.forms import CodeForm
from webapp.configuration.pages import actor
from webapp.guards import enter_chosen_organization, signed_in_required
from webapp.people.devices import device_in_words
from webapp.people.forms import PasswordForm, ProofForm
from workers import queues

blueprint = Blueprint("security", __name__, url_prefix="/security")

JUST_NOW = timedelta(minutes=15)  # so long after the password was typed it is not asked for again


@blueprint.get("/")
@signed_in_required
def index() -> ResponseReturnValue:
    """What protects this person's account."""
    return _page(PasswordForm())


@blueprint.post("/password")
@signed_in_required
def password() -> ResponseReturnValue:
    """Change the password; every other session ends."""
    form = PasswordForm()
    if form.validate_on_submit():
        try:
            refused = form.current
            _demand_password(form.current.data or "")
            refused = form.password
            demand_good_password(g.user.address, g.user.name, form.password.data or "")
        except AppError as error:
            db.session.commit()  # the failed attempt counts
            refused.errors = [error.message]
        else:
            db.session.commit()
            _choose(form.password.data or "")
            return _signed_in_anew("Your password has been changed. Other devices were signed out.")
    return _page(form), 422


@blueprint.post("/sign-out-everywhere")
@signed_in_required
def end_sessions() -> ResponseReturnValue:
    """End every session but this one."""
    sign_out_elsewhere(g.user, cookie.token_of(request))
    db.session.commit()
    flash("You were signed out everywhere else.", "success")
    return redirect(url_for("security.index"))


@blueprint.route("/second-factor", methods=["GET", "POST"])
@signed_in_required
def set_up() -> ResponseReturnValue:
    """Set up an authenticator app: the secret is made by the first step, and counts after the second.

    Only for whoever typed the password a moment ago: whoever finds an open page has no app of theirs asked.
    The secret is shown once, in the answer to the first step: another session may have begun and know one.
    """
    if g.session_began_at < now() - JUST_NOW:
        return _prove()
    form, uri = CodeForm(), ""
    if request.method == "POST" and request.form.get("step") == "begin":
        uri = second_factor.begin(g.user)
        db.session.commit()
    elif form.validate_on_submit():
        try:
            second_factor.confirm(g.user, form.code.data or "")
        except InvalidError as error:
            db.session.rollback()
            form.code.errors = [error.message]
        else:
            record_for_system(actor(), "user.second_factor_set", g.user.address)
            db.session.commit()
            flash("From now on you are asked for a code when you sign in.", "success")
            return redirect(url_for("security.index"))
    enter_chosen_organization(g.user)
    page = render_template("people/second_factor.html", form=form, uri=uri, picture=_picture_of(uri))
    return page, 422 if form.code.errors else 200


@blueprint.post("/second-factor/remove")
@signed_in_required
def remove() -> ResponseReturnValue:
    """Take the second factor away, proven by a code of it."""
    form = CodeForm()
    if not form.validate_on_submit():
        return _page(PasswordForm(formdata=None), form), 422
    try:
        second_factor.accept_code(g.user, form.code.data or "", place=request.remote_addr or "")
    except AppError as error:
        db.session.commit()  # the failed attempt counts
        form.code.errors = [error.message]
        return _page(PasswordForm(formdata=None), form), int(error.status)
    second_factor.forget(g.user)
    record_for_system(actor(), "user.second_factor_removed", g.user.address)
    db.session.commit()
    flash("You are no longer asked for a code.", "success")
    return redirect(url_for("security.index"))


def _prove() -> ResponseReturnValue:
    """Ask for the password once more; after it the session is as young as one that began just now."""
    form = ProofForm()
    if form.validate_on_submit():
        try:
            _demand_password(form.current.data or "")
        except AppError as error:
            db.session.commit()  # the failed attempt counts
            form.current.errors = [error.message]
        else:
            end_session(cookie.token_of(request))
            return _signed_in_anew("Go on: you have a quarter of an hour.", "security.set_up")
    enter_chosen_organization(g.user)
    return render_template("people/second_factor.html", form=form, is_proof=True), 422 if form.errors else 200


def _picture_of(uri: str) -> str:
    """What the camera of a phone reads."""
    return segno.make(uri, micro=False).svg_inline(scale=4, light="white") if uri else ""


def _demand_password(password: str) -> None:
    """Who is signed in stands here as a known browser does: nobody else's guesses count against them."""
    session = cookie.token_of(request)
    try:
        authenticate(g.user.address, password, place=request.remote_addr or "", browser=session)
    except WrongPasswordError:
        raise InvalidError("That is not your password.") from None


def _choose(password: str) -> None:
    """The new password, with word of it by mail: whoever sits here may be somebody else."""
    enter_installation("a password, and the word that it was changed, belong to no organization")
    password_links.choose(g.user, password)
    send_password_changed(g.user)
    record_for_system(actor(), "user.password_chosen", g.user.address)


def _signed_in_anew(sentence: str, endpoint: str = "security.index") -> ResponseReturnValue:
    token = sign_in(g.user, request.remote_addr or "", request.headers.get("User-Agent", ""))
    db.session.commit()
    queues.ring_notices()
    flash(sentence, "success")
    response = make_response(redirect(url_for(endpoint)))
    cookie.remember(response, token)
    cookie.make_known(request, response, g.user)
    return response


def _page(form: PasswordForm, code_form: CodeForm | None = None) -> str:
    enter_chosen_organization(g.user)  # the frame shows where they work
    return render_template(
        "people/security.html",
        form=form,
        code_form=code_form or CodeForm(formdata=None),
        has_second_factor=second_factor.has_second_factor(g.user),
        sessions=[(device_in_words(one.device), one) for one in db.session.scalars(sessions_of(g.user))],
    )
