"""Which mailboxes apply in an organization, from where, with which values that count."""

from uuid import UUID

from flask import Blueprint, g, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy import func, select

from mailboxes.crm.paging import page
from mailboxes.system_mailboxes import Mailbox
from tenants.organizations import Organization
from webapp.configuration.opening import open_organization
from webapp.global_mailboxes.words import Names, origins_of
from webapp.guards import permission_required, system_admin_required
from webapp.mailboxes.door import Door, opened_door, organization_door
from webapp.records import clean_text

blueprint = Blueprint("applying", __name__)

SIZE = 20


@blueprint.get("/configuration/mailboxes/applying")
@permission_required("mailbox.manage")
def index() -> ResponseReturnValue:
    """For the administrators of an organization: what applies in their own."""
    return _page(organization_door(), g.organization)


@blueprint.get("/system/organizations/<uuid:organization_id>/mailboxes/applying")
@system_admin_required
def of_organization(organization_id: UUID) -> ResponseReturnValue:
    """For system administrators: what applies in any organization. Configuration only, no message."""
    organization = open_organization(organization_id)
    return _page(opened_door(organization.id, organization.name), organization)


def _page(door: Door, organization: Organization) -> ResponseReturnValue:
    words = clean_text(request.args.get("q"))
    query = select(Mailbox)
    if words:
        query = query.where(
            Mailbox.label.icontains(words, autoescape=True)
            | Mailbox.address.icontains(words, autoescape=True)
        )
    listed = page(
        query,
        func.lower(Mailbox.label),
        Mailbox.id,
        is_descending=False,
        cursor=request.args.get("page", ""),
        size=SIZE,
    )
    names = Names(listed.rows)
    return render_template(
        "global_mailboxes/applying.html",
        organization=organization,
        mailboxes=[(mailbox, origins_of(mailbox, organization, names)) for mailbox in listed.rows],
        page=listed,
        words=words,
        door=door,
    )
