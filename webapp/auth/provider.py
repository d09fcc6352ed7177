"""Signing in at the identity provider: off to it, and back with its answer; a password once links the two."""

from uuid import UUID

import structlog
from flask import Blueprint, flash, g, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from mailboxes import oidc
from mailboxes.oidc import Admitted, ProviderRequest, Question, RefusedSignInError
from mailboxes.people_letters import send_identity_linked
from tenants import audit
from tenants.database import db, enter_installation
from tenants.errors import AppError
from tenants.users import User
from webapp.auth import cookie
from webapp.auth.entering import entered, place, safe
from webapp.auth.forms import LinkForm
from webapp.auth.leading import BROWSER, TARGET, lead_on, redirect_uri, told
from webapp.guards import public
from workers import queues

blueprint = Blueprint("provider", __name__, url_prefix="/sign-in/provider")

ENTERING = "an account at the identity provider, and the word that it was linked, belong to no organization"

log = structlog.get_logger()


@blueprint.post("/")
@public
def begin() -> ResponseReturnValue:
    """Off to the provider."""
    target = safe(request.form.get("next"))
    return lead_on(target, url_for("auth.sign_in", next=target))


@blueprint.get("/answer")
@public
def answer() -> ResponseReturnValue:
    """Back from there. Its address holds a code, so that every answer leads to another one."""
    enter_installation(ENTERING)
    target = safe(session.get(TARGET))
    question = Question(session.get(BROWSER, ""), redirect_uri())
    try:
        asked, claims = oidc.finish(request.args.to_dict(), question)
        provider = oidc.opened_provider()
        _demand_the_same_person(asked)
        admitted = oidc.admit(provider, asked, claims, place())
    except AppError as error:
        db.session.rollback()
        log.info("not signed in by the provider", error=type(error).__name__)
        flash(told(error), "error")
        return redirect(target if g.user is not None else url_for("auth.sign_in", next=target))
    if admitted.waits:
        db.session.commit()
        return redirect(url_for("provider.confirm", request_id=asked.id))
    db.session.delete(asked)
    if asked.for_user_id is not None:
        return _linked(admitted, provider.label, target)
    return _signed_in(admitted, provider.label, target)


@blueprint.route("/<uuid:request_id>", methods=["GET", "POST"])
@public
def confirm(request_id: UUID) -> ResponseReturnValue:
    """Somebody who is here comes from there for the first time: their password links the two, once."""
    if request.method == "POST":
        enter_installation(ENTERING)
    try:
        asked = oidc.waiting(request_id, session.get(BROWSER, ""))
        provider = oidc.opened_provider()
    except AppError as error:
        flash(told(error), "error")
        return redirect(url_for("auth.sign_in"))
    user, form = db.session.get_one(User, asked.user_id), LinkForm()
    if form.validate_on_submit():
        try:
            known = cookie.known_browser(request, user.address)
            oidc.link_with_password(asked, form.password.data or "", place(), known)
        except AppError as error:
            db.session.commit()  # the failed attempt counts
            form.password.errors = [error.message]
        else:
            return _signed_in(Admitted(user, is_linked=True), provider.label, session.get(TARGET))
    page = render_template("auth/link.html", form=form, label=provider.label, address=user.address)
    return page, 422 if form.errors else 200


def _demand_the_same_person(asked: ProviderRequest) -> None:
    """Who links an account comes back as the person who left."""
    if asked.for_user_id is not None and (g.user is None or g.user.id != asked.for_user_id):
        raise RefusedSignInError("Somebody else has signed in here meanwhile. Nothing was linked.")


def _linked(admitted: Admitted, label: str, target: str) -> ResponseReturnValue:
    if admitted.is_linked:
        send_identity_linked(admitted.user, label)
    db.session.commit()
    queues.ring_notices()
    flash(f"You can sign in with {label} from now on.", "success")
    return redirect(target)


def _signed_in(admitted: Admitted, label: str, target: str | None) -> ResponseReturnValue:
    user = admitted.user
    if admitted.is_linked:
        send_identity_linked(user, label)
        flash(f"You can sign in with {label} from now on.", "success")
    person = audit.Actor(user.name or user.address, user.id, place())
    audit.record_for_system(person, "user.signed_in_through_provider", user.address, {}, {"provider": label})
    response = entered(user, target)
    queues.ring_notices()
    return response
