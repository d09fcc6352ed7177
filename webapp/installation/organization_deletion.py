"""An organization is deleted by a system administrator, after its effects were named and its name typed."""

from uuid import UUID

from flask import Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from mailboxes import interchange
from mailboxes.archive import last_archived
from mailboxes.organization_deletion import Effects, begin_deleting, deletion_effects
from tenants import audit
from tenants.database import db, enter_organization, now
from tenants.errors import InvalidError
from tenants.installation.organizations import organization_of
from tenants.organizations import Organization
from webapp.configuration.pages import actor
from webapp.configuration.sidebar import system_tree
from webapp.guards import system_admin_required
from webapp.installation.organizations import blueprint
from workers import queues

KEEPS = [
    "Everything on mail servers stays as it is",
    "Its people keep their sign-in, and their other organizations",
]


@blueprint.route("/<uuid:organization_id>/delete", methods=["GET", "POST"])
@system_admin_required
def delete(organization_id: UUID) -> ResponseReturnValue:
    """Names what goes, asks for the name, and closes it; a job deletes it."""
    organization = _entered(organization_id)
    error = ""
    if request.method == "POST":
        try:
            begin_deleting(organization, request.form.get("confirmation", ""), by=actor())
        except InvalidError as refused:
            db.session.rollback()
            error = refused.message
        else:
            db.session.commit()
            queues.ring_deletion(organization_id)
            flash(f"{organization.name} is closed and is being deleted.", "success")
            return redirect(url_for("organizations.index"))
    page = render_template(
        "installation/delete_organization.html",
        tree=system_tree(),
        organization=organization,
        effects=_sentences(deletion_effects()),
        keeps=KEEPS,
        last=last_archived(),
        error=error,
    )
    return page, 422 if error else 200


@blueprint.post("/<uuid:organization_id>/configuration-file")
@system_admin_required
def configuration_file(organization_id: UUID) -> Response:
    """What is set up there, without a message and without a secret; on both records."""
    organization = _entered(organization_id)
    audit.record(actor(), "configuration.exported", organization.name)
    audit.record_for_system(actor(), "configuration.exported", organization.name)
    db.session.commit()
    response = Response(interchange.export(organization.slug), mimetype="application/yaml")
    name = f"{organization.slug}-{now():%Y-%m-%d}.yaml"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _entered(organization_id: UUID) -> Organization:
    organization = organization_of(organization_id)
    enter_organization(organization.id)
    return organization


def _sentences(effects: Effects) -> list[str]:
    counts = effects.counts.items()
    going = [f"{what[0].upper()}{what[1:]} that go: {count}" for what, count in counts if count]
    if effects.people_left_alone:
        going.append(f"People of it who belong to no other organization: {effects.people_left_alone}")
    if effects.routing_rules:
        going.append(
            f"Routing rules of global mailboxes that lead there and go with it: {effects.routing_rules}"
        )
    if effects.homes:
        names = ", ".join(effects.homes)
        going.append(f"It is the home of {names}: what no rule routes will wait in Unrouted")
    return going or ["Deletes the organization; there is nothing in it"]
