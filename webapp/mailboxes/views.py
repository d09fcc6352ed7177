"""The mailboxes of an organization, for its administrators."""

from uuid import UUID

from flask import Blueprint, flash, g, redirect, url_for
from flask.typing import ResponseReturnValue

from mailboxes import setup
from tenants.database import db
from webapp.configuration.sidebar import organization_tree
from webapp.guards import permission_required
from webapp.mailboxes import pages
from webapp.mailboxes.pages import Door, mailbox_of_organization

blueprint = Blueprint("mailboxes", __name__, url_prefix="/configuration/mailboxes")


@blueprint.get("/")
@permission_required("mailbox.manage")
def index() -> ResponseReturnValue:
    """The grid, which is the health page too."""
    return pages.grid_page(_door(), setup.overviews())


@blueprint.route("/new", methods=["GET", "POST"])
@permission_required("mailbox.manage")
def new() -> ResponseReturnValue:
    """A new mailbox."""
    return pages.new_page(_door())


@blueprint.route("/<uuid:mailbox_id>", methods=["GET", "POST"])
@permission_required("mailbox.manage")
def edit(mailbox_id: UUID) -> ResponseReturnValue:
    """One mailbox."""
    return pages.edit_page(_door(), mailbox_of_organization(mailbox_id))


@blueprint.route("/<uuid:mailbox_id>/delete", methods=["GET", "POST"])
@permission_required("mailbox.manage")
def delete(mailbox_id: UUID) -> ResponseReturnValue:
    """Delete one mailbox, after its effects were named."""
    return pages.delete_page(_door(), mailbox_of_organization(mailbox_id))


@blueprint.post("/<uuid:mailbox_id>/pause")
@permission_required("mailbox.manage")
def pause(mailbox_id: UUID) -> ResponseReturnValue:
    """Pause a mailbox, or go on."""
    return pages.pause_or_resume(_door(), mailbox_of_organization(mailbox_id))


@blueprint.post("/<uuid:mailbox_id>/sync")
@permission_required("mailbox.manage")
def sync(mailbox_id: UUID) -> ResponseReturnValue:
    """Fetch at the next tick of the schedule, whatever the back-off says."""
    mailbox = mailbox_of_organization(mailbox_id)
    setup.sync_soon(mailbox)
    db.session.commit()
    flash(f"{mailbox.label} will be fetched within seconds.", "success")
    return redirect(url_for("mailboxes.index"))


def _door() -> Door:
    return Door(
        url=lambda endpoint, **values: url_for(f"mailboxes.{endpoint}", **values),
        sidebar=organization_tree(),
        breadcrumbs=[
            ("Configuration", url_for("organization.index")),
            ("System mailboxes", url_for("mailboxes.index")),
        ],
        title=f"System mailboxes of {g.organization.name}",
    )
