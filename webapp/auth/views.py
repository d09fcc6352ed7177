"""Signing in and out, and choosing an organization."""

from datetime import timedelta
from urllib.parse import urlsplit

from flask import Blueprint, g, make_response, redirect, render_template, request, url_for
from flask import session as of_pages
from flask.typing import ResponseReturnValue

from tenants.configuration.layers import value_of
from tenants.database import db
from tenants.errors import AppError, NotFoundError
from tenants.organizations import organizations_of
from tenants.users import User, authenticate, session_of
from tenants.users import sign_in as open_session
from tenants.users import sign_out as end_session
from tenants.users.second_factor import accept_code, has_second_factor
from webapp.auth import cookie
from webapp.auth.forms import CodeForm, SignInForm
from webapp.guards import public, signed_in_required

blueprint = Blueprint("auth", __name__)


@blueprint.route("/sign-in", methods=["GET", "POST"])
@public
def sign_in() -> ResponseReturnValue:
    """The door."""
    form = SignInForm(next=request.args.get("next", ""))
    if not form.validate_on_submit():
        return render_template("auth/sign_in.html", form=form), 422 if form.errors else 200
    try:
        user = _authenticated(form.address.data or "", form.password.data or "")
    except AppError as error:
        db.session.commit()  # the failed attempt counts
        form.form_errors.append(error.message)
        return render_template("auth/sign_in.html", form=form), int(error.status)
    asks_for_code = has_second_factor(user)
    if cookie.token_of(request):
        end_session(cookie.token_of(request))
    token = open_session(
        user,
        place=_place(),
        device=request.headers.get("User-Agent", ""),
        lifetime=_lifetime(),
        needs_code=asks_for_code,
    )
    db.session.commit()
    cookie.leave_others_pages(user)
    goes_to = _safe(form.next.data)
    response = make_response(redirect(url_for("auth.code", next=goes_to) if asks_for_code else goes_to))
    cookie.remember(response, token)
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
            accept_code(user, form.code.data or "", place=_place())
        except AppError as error:
            db.session.commit()  # the failed attempt counts
            form.code.errors = [error.message]
        else:
            end_session(cookie.token_of(request))
            token = open_session(user, place=_place(), device=session.device, lifetime=_lifetime())
            db.session.commit()
            response = make_response(redirect(_safe(request.args.get("next"))))
            cookie.remember(response, token)
            return response
    return render_template("auth/code.html", form=form), 422 if form.errors else 200


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
    return redirect(_safe(request.form.get("open")))


def _authenticated(address: str, password: str) -> User:
    return authenticate(address, password, place=_place(), browser=cookie.known_browser(request, address))


def _lifetime() -> timedelta:
    return timedelta(hours=int(value_of("session.lifetime_hours")))


def _place() -> str:
    return request.remote_addr or ""


def _safe(target: str | None) -> str:
    """Only a path of this site; whatever could leave it goes to the start page."""
    start = url_for("home.index")
    if not target or not target.startswith("/") or target.startswith(("//", "/\\")):
        return start
    parts = urlsplit(target)
    if parts.scheme or parts.netloc or any(ord(character) < 33 or character == "\\" for character in target):
        return start
    return target
