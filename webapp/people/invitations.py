"""The link of an invitation."""

from uuid import UUID

from flask import Blueprint, flash, g, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from mailboxes import oidc
from tenants import audit
from tenants.database import db, enter_organization
from tenants.errors import AppError, NotFoundError, TooManyAttemptsError
from tenants.organizations import Organization
from tenants.people.invitations import OVER, Invitation, invitation_of
from tenants.people.invitations import accept as join
from tenants.users import normal_form, sign_in
from tenants.users.attempts import Limits, count_attempt, joining_limits, refuse_throttled
from webapp.auth import cookie
from webapp.auth.leading import lead_on
from webapp.guards import public
from webapp.people.forms import AcceptForm, JoinForm

blueprint = Blueprint("invitations", __name__, url_prefix="/invitations")


@blueprint.route("/<uuid:organization_id>/<token>", methods=["GET", "POST"])
@public
def accept(organization_id: UUID, token: str) -> ResponseReturnValue:
    """Join an organization. Whoever holds the link, and nobody else, gets further.

    The page is the same whether the address is known to the installation: who holds the link may be who
    made it, where the system sends no mail. Whoever is known signs in first, by themselves.
    """
    organization, invitation = _opened(organization_id, token)
    if g.user is not None and g.user.address != invitation.address:
        page = render_template(
            "people/accept_other.html", organization=organization, address=invitation.address
        )
        return page, 404 if request.method == "POST" else 200
    form = AcceptForm() if g.user is not None else JoinForm()
    if form.validate_on_submit():
        try:
            if g.user is None:
                refuse_throttled(_limits(invitation))
                oidc.demand_password_permitted(invitation.address)
            return _joined(organization, token, form)
        except NotFoundError:
            raise
        except TooManyAttemptsError as error:
            form.form_errors.append(error.message)
        except AppError as error:
            _count(_limits(invitation), organization)
            form.form_errors.append(error.message)
            invitation = invitation_of(token)
    page = render_template(
        "people/accept.html",
        form=form,
        organization=organization,
        invitation=invitation,
        provider=_provider_for(invitation),
    )
    return page, 422 if form.is_submitted() else 200


@blueprint.post("/<uuid:organization_id>/<token>/provider")
@public
def begin_at_provider(organization_id: UUID, token: str) -> ResponseReturnValue:
    """Off to the identity provider: whom it says the invitation names may be new here, and joins then."""
    _, invitation = _opened(organization_id, token)
    here = url_for("invitations.accept", organization_id=organization_id, token=token)
    return lead_on(here, here, invited_address=normal_form(invitation.address))


def _opened(organization_id: UUID, token: str) -> tuple[Organization, Invitation]:
    """The invitation of a link, with the session bound to its organization."""
    organization = db.session.get(Organization, organization_id)
    if organization is None or not organization.is_enabled:
        raise NotFoundError(OVER)  # as of any other link: nobody learns which organizations there are
    enter_organization(organization.id)
    return organization, invitation_of(token)


def _provider_for(invitation: Invitation) -> oidc.IdentityProvider | None:
    """The identity provider, for who is not signed in and may come from there."""
    provider = oidc.identity_provider() if g.user is None else None
    return provider if provider is not None and provider.vouches_for(invitation.address) else None


def _limits(invitation: Invitation) -> Limits:
    return joining_limits(invitation.address, request.remote_addr or "")


def _count(limits: Limits, organization: Organization) -> None:
    """An attempt that failed: whoever makes many, to find out who is known, is stopped."""
    db.session.rollback()
    count_attempt(limits)
    db.session.commit()
    enter_organization(organization.id)


def _joined(organization: Organization, token: str, form: AcceptForm | JoinForm) -> ResponseReturnValue:
    is_new = g.user is None
    name = form.name.data or "" if isinstance(form, JoinForm) else ""
    password = form.password.data or "" if isinstance(form, JoinForm) else ""
    user = join(token, g.user, name=name, password=password)
    person = audit.Actor(user.name or user.address, user.id, request.remote_addr or "")
    audit.record(person, "member.joined", user.address)
    session = (
        sign_in(user, request.remote_addr or "", request.headers.get("User-Agent", "")) if is_new else ""
    )
    db.session.commit()
    flash(f"Welcome to {organization.name}.", "success")
    response = make_response(redirect(url_for("home.index")))
    if session:
        cookie.leave_others_pages(user)
        cookie.remember(response, session)
        cookie.make_known(request, response, user)
    return response
