"""Signing in and out, and choosing an organization."""

from flask import Blueprint, g, make_response, redirect, render_template, request, url_for
from flask import session as of_pages
from flask.typing import ResponseReturnValue

from mailboxes import oidc
from tenants.database import db, enter_installation
from tenants.errors import AppError, NotFoundError
from tenants.organizations import organizations_of
from tenants.users import User, authenticate, recovery_codes, session_of
from tenants.users import sign_in as open_session
from tenants.users import sign_out as end_session
from tenants.users.second_factor import accept_code
from webapp.auth import cookie
from webapp.auth.entering import entered, lifetime, place, safe, tell_of_a_used_code
from webapp.auth.forms import CodeForm, RecoveryForm, SignInForm
from webapp.guards import public, signed_in_required
from workers import queues

blueprint = Blueprint("auth", __name__)


@blueprint.route("/sign-in", methods=["GET", "POST"])
@public
def sign_in() -> ResponseReturnValue:
    """The door."""
    form = SignInForm(next=request.args.get("next", ""))
    if not form.validate_on_submit():
        return _sign_in_page(form), 422 if form.errors else 200
    try:
        user = _authenticated(form.address.data or "", form.password.data or "")
    except AppError as error:
        db.session.commit()  # the failed attempt counts
        form.form_errors.append(error.message)
        return _sign_in_page(form), int(error.status)
    response = entered(user, form.next.data)
    cookie.make_known(request, response, user)
    return response


@blueprint.route("/sign-in/code", methods=["GET", "POST"])
@public
def code() -> ResponseReturnValue:
    """The second factor: asked for after the password, before the session counts."""
    session = session_of(cookie.token_of(request))
    if session is None or not session.needs_code:
        return redirect(url_for("auth.sign_in"))
    user = db.session.get_one(User, session.user_id)
    form = CodeForm()
    if form.validate_on_submit():
        try:
            accept_code(user, form.code.data or "", place=place())
        except AppError as error:
            db.session.commit()  # the failed attempt counts
            form.code.errors = [error.message]
        else:
            return _past_the_second_factor(user, session.device)
    return render_template("auth/code.html", form=form), 422 if form.errors else 200


@blueprint.route("/sign-in/recovery-code", methods=["GET", "POST"])
@public
def recovery_code() -> ResponseReturnValue:
    """Instead of a code of the app, for who has lost it; of its use the person is told by mail."""
    if request.method == "POST":
        enter_installation("the word that a recovery code was used belongs to no organization")
    session = session_of(cookie.token_of(request))
    if session is None or not session.needs_code:
        return redirect(url_for("auth.sign_in"))
    user = db.session.get_one(User, session.user_id)
    form = RecoveryForm()
    if form.validate_on_submit():
        try:
            recovery_codes.accept(user, form.code.data or "", place=place())
        except AppError as error:
            db.session.commit()  # the failed attempt counts
            form.code.errors = [error.message]
        else:
            tell_of_a_used_code(user)
            answer = _past_the_second_factor(user, session.device)
            queues.ring_notices()
            return answer
    return render_template("auth/recovery_code.html", form=form), 422 if form.errors else 200


@blueprint.post("/sign-out")
@signed_in_required
def sign_out() -> ResponseReturnValue:
    """End this session. What was left open in other tabs is sent in nobody else's name."""
    end_session(cookie.token_of(request))
    db.session.commit()
    of_pages.clear()
    response = make_response(redirect(url_for("auth.sign_in")))
    cookie.forget(response)
    return response


@blueprint.post("/choose-organization")
@signed_in_required
def choose_organization() -> ResponseReturnValue:
    """Work in another organization from now on; the form names it, and what was not found in this one."""
    chosen = request.form.get("organization", "")
    mine = {str(organization.id): organization.id for organization in organizations_of(g.user)}
    if chosen not in mine:
        raise NotFoundError
    g.user.current_organization_id = mine[chosen]
    db.session.commit()
    return redirect(safe(request.form.get("open")))


def _sign_in_page(form: SignInForm) -> str:
    return render_template("auth/sign_in.html", form=form, provider=oidc.identity_provider())


def _authenticated(address: str, password: str) -> User:
    browser = cookie.known_browser(request, address)
    user = authenticate(address, password, place=place(), browser=browser)
    oidc.demand_password_permitted(user.address, user)
    return user


def _past_the_second_factor(user: User, device: str) -> ResponseReturnValue:
    """Another session than the one that waited for it, and the page that was asked for."""
    end_session(cookie.token_of(request))
    token = open_session(user, place=place(), device=device, lifetime=lifetime())
    db.session.commit()
    response = make_response(redirect(safe(request.args.get("next"))))
    cookie.remember(response, token)
    return response
