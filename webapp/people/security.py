"""A person's own password, second factor and sessions."""

from urllib.parse import urlsplit

import segno
from flask import (
    Blueprint,
    Response,
    current_app,
    flash,
    g,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)
from flask.typing import ResponseReturnValue

from mailboxes import oidc
from mailboxes.people_letters import send_identity_unlinked, send_password_changed
from tenants.application import settings_of
from tenants.audit import record_for_system
from tenants.database import db, enter_installation, now
from tenants.errors import AppError, InvalidError, NotFoundError
from tenants.users import (
    demand_good_password,
    password_links,
    recovery_codes,
    second_factor,
    sessions_of,
    sign_in,
    sign_out_elsewhere,
)
from tenants.users import sign_out as end_session
from tenants.users.identities import identities_of, identity_of, unlink
from webapp.auth import cookie
from webapp.auth.entering import tell_of_a_used_code
from webapp.auth.forms import CodeForm
from webapp.auth.leading import lead_on
from webapp.configuration.pages import actor
from webapp.guards import enter_chosen_organization, signed_in_required
from webapp.people.devices import device_in_words
from webapp.people.forms import PasswordForm, ProofForm
from webapp.people.proving import JUST_NOW, demand_password, is_proven
from webapp.records import uuid_or_none
from workers import queues

blueprint = Blueprint("security", __name__, url_prefix="/security")

RECOVERY, IDENTITY = "recovery-", "identity-"  # begin the names of forms with the same fields on one page


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
            demand_password(form.current.data or "")
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
            codes = recovery_codes.make(g.user)
            record_for_system(actor(), "user.second_factor_set", g.user.address)
            db.session.commit()
            flash("From now on you are asked for a code when you sign in.", "success")
            return _codes_page(codes)
    enter_chosen_organization(g.user)
    page = render_template("people/second_factor.html", form=form, uri=uri, picture=_picture_of(uri))
    return page, 422 if form.code.errors else 200


@blueprint.post("/recovery-codes")
@signed_in_required
def make_recovery_codes() -> ResponseReturnValue:
    """Ten new recovery codes, for whoever knows the password; those before work no more."""
    form = ProofForm(prefix=RECOVERY)
    if not is_proven(form):
        return _page(PasswordForm(formdata=None), recovery_form=form), 422
    codes = recovery_codes.make(g.user)
    record_for_system(actor(), "user.recovery_codes_made", g.user.address)
    db.session.commit()
    return _codes_page(codes)


@blueprint.post("/recovery-codes/file")
@signed_in_required
def recovery_codes_file() -> ResponseReturnValue:
    """The codes that the page shows, as a file: they are known to nobody else, so the page sends them."""
    codes = request.form.getlist("codes")[: recovery_codes.CODES]
    if not recovery_codes.are_unused(g.user, codes):
        raise NotFoundError("These recovery codes do not work any more. Make new ones.")
    heading = f"Recovery codes of {g.user.address} for {settings_of(current_app).base_url}"
    text = "\n".join((heading, "", *codes, ""))
    headers = {"Content-Disposition": "attachment; filename=postroom-recovery-codes.txt"}
    return Response(text, mimetype="text/plain", headers=headers)


@blueprint.post("/identities")
@signed_in_required
def link_identity() -> ResponseReturnValue:
    """Off to the identity provider, to link the account that the person has there."""
    form, here = ProofForm(prefix=IDENTITY), url_for("security.index")
    if not is_proven(form):
        return _page(PasswordForm(formdata=None), identity_form=form), 422
    return lead_on(here, here, for_user_id=g.user.id)


@blueprint.post("/identities/remove")
@signed_in_required
def unlink_identity() -> ResponseReturnValue:
    """An account at the provider signs in as this person no longer, also where it has."""
    form = ProofForm(prefix=IDENTITY)
    if not g.user.password_hash:
        form.current.errors = ["It is your only way in. Choose a password first, by “Forgot your password?”."]
        return _page(PasswordForm(formdata=None), identity_form=form), 422
    if not is_proven(form):
        return _page(PasswordForm(formdata=None), identity_form=form), 422
    db.session.commit()
    enter_installation("an account at the identity provider belongs to no organization")
    identity = identity_of(g.user, uuid_or_none(request.form.get("identity")))
    unlink(identity)
    sign_out_elsewhere(g.user, cookie.token_of(request))
    send_identity_unlinked(g.user, urlsplit(identity.issuer).hostname or "")
    record_for_system(actor(), "user.identity_removed", g.user.address, {"as": identity.address}, {})
    db.session.commit()
    queues.ring_notices()
    flash("That account no longer signs in as you. Other devices were signed out.", "success")
    return redirect(url_for("security.index"))


@blueprint.post("/second-factor/remove")
@signed_in_required
def remove() -> ResponseReturnValue:
    """Take the second factor away, proven by a code of the app or, of who has lost it, a recovery code."""
    form = CodeForm()
    if not form.validate_on_submit():
        return _page(PasswordForm(formdata=None), form), 422
    code = form.code.data or ""
    is_of_app = code.replace(" ", "").isdigit()
    accept = second_factor.accept_code if is_of_app else recovery_codes.accept
    try:
        accept(g.user, code, place=request.remote_addr or "")
    except AppError as error:
        db.session.commit()  # the failed attempt counts
        form.code.errors = [error.message]
        return _page(PasswordForm(formdata=None), form), int(error.status)
    enter_installation("a second factor, and the word that a code was used, belong to no organization")
    second_factor.forget(g.user)
    if not is_of_app:
        tell_of_a_used_code(g.user)
    record_for_system(actor(), "user.second_factor_removed", g.user.address)
    db.session.commit()
    queues.ring_notices()
    flash("You are no longer asked for a code.", "success")
    return redirect(url_for("security.index"))


def _prove() -> ResponseReturnValue:
    """Ask for the password once more; after it the session is as young as one that began just now.

    Who has none signs in anew.
    """
    if not g.user.password_hash:
        flash("Sign in again, so that nobody else sets up their app for you.", "warning")
        return redirect(url_for("auth.sign_in", next=url_for("security.set_up")))
    form = ProofForm()
    if form.validate_on_submit():
        try:
            demand_password(form.current.data or "")
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


def _codes_page(codes: list[str]) -> str:
    """The codes, in the answer that made them and nowhere else."""
    enter_chosen_organization(g.user)
    return render_template("people/recovery_codes.html", codes=codes)


def _page(
    form: PasswordForm,
    code_form: CodeForm | None = None,
    recovery_form: ProofForm | None = None,
    identity_form: ProofForm | None = None,
) -> str:
    enter_chosen_organization(g.user)  # the frame shows where they work
    return render_template(
        "people/security.html",
        form=form,
        code_form=code_form or CodeForm(formdata=None),
        recovery_form=recovery_form or ProofForm(formdata=None, prefix=RECOVERY),
        identity_form=identity_form or ProofForm(formdata=None, prefix=IDENTITY),
        codes_left=recovery_codes.left(g.user),
        provider=oidc.identity_provider(),
        identities=db.session.scalars(identities_of(g.user)).all(),
        has_second_factor=second_factor.has_second_factor(g.user),
        sessions=[(device_in_words(one.device), one) for one in db.session.scalars(sessions_of(g.user))],
    )
