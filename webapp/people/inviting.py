"""Invitations of an organization: made, sent again, withdrawn."""

from uuid import UUID

from flask import flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from mailboxes.crm.paging import page
from mailboxes.notices import call_off, latest_notices
from mailboxes.people_letters import send_invitation
from tenants import audit, people
from tenants.database import db
from tenants.errors import AppError
from tenants.people.invitations import (
    Invitation,
    invite,
    open_invitation,
    open_invitations,
    renew,
    withdraw,
)
from tenants.permissions import Role, roles
from tenants.users import checked_address
from webapp import records
from webapp.configuration.pages import actor
from webapp.configuration.sidebar import organization_tree
from webapp.guards import permission_required
from webapp.people import choices
from webapp.people.blueprint import blueprint
from webapp.people.forms import InviteForm
from webapp.people.members import tabs
from workers import queues


@blueprint.get("/invitations")
@permission_required("user.manage")
def invitations() -> ResponseReturnValue:
    """Who is invited, and whether the letter left."""
    found = page(
        open_invitations().order_by(None),
        Invitation.made_at,
        Invitation.id,
        is_descending=True,
        cursor=request.args.get("page", ""),
    )
    by_id = {role.id: role for role in db.session.scalars(roles())}
    return render_template(
        "people/invitations.html",
        tree=organization_tree(),
        tabs=tabs("people.invitations"),
        invitations=found.rows,
        held={one.id: choices.names(_present(one, by_id)) for one in found.rows},
        letters=latest_notices([one.id for one in found.rows]),
        pager=records.pages("people.invitations", found),
    )


@blueprint.route("/invite", methods=["GET", "POST"])
@permission_required("user.manage")
def new() -> ResponseReturnValue:
    """Invite a person by mail; where the system sends none, the link is shown once, to be handed over."""
    form = InviteForm()
    form.roles.choices = choices.role_pairs()
    if form.validate_on_submit():
        try:
            invitation, link = _invited(form)
        except AppError as error:
            db.session.rollback()
            field = form.address if getattr(error, "field", None) == "address" else form.roles
            field.errors = [error.message]
        else:
            return _delivered(invitation, link)
    shown = render_template(
        "people/invite.html",
        tree=organization_tree(),
        form=form,
        notes=choices.notes(),
        refused=choices.refused(),
    )
    return shown, 422 if form.errors else 200


@blueprint.post("/invitations/<uuid:invitation_id>/send-again")
@permission_required("user.manage")
def send_again(invitation_id: UUID) -> ResponseReturnValue:
    """Another letter with another link; the link before opens nothing any more."""
    by = people.granting(g.member)
    invitation = open_invitation(invitation_id)
    present = {role.id for role in db.session.scalars(roles())}
    people.grantable([id for id in invitation.role_ids if id in present], by)
    links: list[str] = []
    if not records.attempted(lambda: links.append(_renewed(invitation))):
        return redirect(url_for("people.invitations"))
    return _delivered(invitation, links[0])


@blueprint.post("/invitations/<uuid:invitation_id>/withdraw")
@permission_required("user.manage")
def take_back(invitation_id: UUID) -> ResponseReturnValue:
    """Withdraw an invitation: its link opens nothing, and a letter that waits is not sent."""
    invitation = open_invitation(invitation_id)
    withdraw(invitation)
    call_off(invitation.id)
    audit.record(actor(), "member.invitation_withdrawn", invitation.address)
    db.session.commit()
    flash(f"The invitation of {invitation.address} is withdrawn.", "success")
    return redirect(url_for("people.invitations"))


def _invited(form: InviteForm) -> tuple[Invitation, str]:
    address = checked_address(form.address.data or "")
    wanted = [id for id in map(records.uuid_or_none, form.roles.data or []) if id is not None]
    chosen = people.grantable(wanted, people.granting(g.member))
    invitation, token = invite(address, [role.id for role in chosen], by=actor())
    audit.record(actor(), "member.invited", address, {}, {"roles": [role.name for role in chosen]})
    return invitation, send_invitation(g.organization, invitation, token)


def _renewed(invitation: Invitation) -> str:
    token = renew(invitation, by=actor())
    audit.record(actor(), "member.invited_again", invitation.address)
    return send_invitation(g.organization, invitation, token)


def _delivered(invitation: Invitation, link: str) -> ResponseReturnValue:
    """The letter is on its way, or the link is shown where the system sends none."""
    db.session.commit()
    queues.ring_notices(g.organization.id)
    if link:
        return render_template(
            "people/invitation_link.html", tree=organization_tree(), link=link, address=invitation.address
        )
    flash(f"The invitation of {invitation.address} is on its way.", "success")
    return redirect(url_for("people.invitations"))


def _present(invitation: Invitation, by_id: dict[UUID, Role]) -> list[Role]:
    return [by_id[id] for id in invitation.role_ids if id in by_id]
