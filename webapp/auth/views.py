"""Signing in and out, and choosing an organization."""

from urllib.parse import urlsplit

from flask import Blueprint, g, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from tenants.database import db
from tenants.errors import AppError, NotFoundError
from tenants.organizations import organizations_of
from tenants.users import authenticate
from tenants.users import sign_in as open_session
from tenants.users import sign_out as end_session
from webapp.auth import cookie
from webapp.auth.forms import SignInForm
from webapp.guards import public, signed_in_required

blueprint = Blueprint("auth", __name__)


@blueprint.route("/sign-in", methods=["GET", "POST"])
@public
def sign_in() -> ResponseReturnValue:
    """The door."""
    form = SignInForm(next=request.args.get("next", ""))
    if not form.validate_on_submit():
        return render_template("auth/sign_in.html", form=form), 200 if request.method == "GET" else 422
    try:
        user = authenticate(form.address.data or "", form.password.data or "", place=_place())
    except AppError as error:
        db.session.commit()  # the failed attempt counts
        form.form_errors.append(error.message)
        return render_template("auth/sign_in.html", form=form), int(error.status)
    if cookie.token_of(request):
        end_session(cookie.token_of(request))
    token = open_session(user, place=_place(), device=request.headers.get("User-Agent", ""))
    db.session.commit()
    response = make_response(redirect(_safe(form.next.data)))
    cookie.remember(response, token)
    return response


@blueprint.post("/sign-out")
@signed_in_required
def sign_out() -> ResponseReturnValue:
    """End this session."""
    end_session(cookie.token_of(request))
    db.session.commit()
    response = make_response(redirect(url_for("auth.sign_in")))
    cookie.forget(response)
    return response


@blueprint.post("/choose-organization")
@signed_in_required
def choose_organization() -> ResponseReturnValue:
    """Work in another organization from now on; the form names it."""
    chosen = request.form.get("organization", "")
    mine = {str(organization.id): organization.id for organization in organizations_of(g.user)}
    if chosen not in mine:
        raise NotFoundError
    g.user.current_organization_id = mine[chosen]
    db.session.commit()
    return redirect(url_for("home.index"))


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
