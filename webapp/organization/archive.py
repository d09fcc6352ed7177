"""The archive of an organization: everything of it in one file, for whoever manages all of its mailboxes."""

from flask import Blueprint, Response, g, render_template
from flask.typing import ResponseReturnValue

from mailboxes.archive import archived, last_archived
from mailboxes.counting import what_there_is
from tenants import audit
from tenants.database import now
from tenants.errors import ForbiddenError
from webapp.configuration.pages import actor
from webapp.configuration.sidebar import organization_tree
from webapp.guards import permission_required
from webapp.streaming import streamed

blueprint = Blueprint("archive", __name__, url_prefix="/configuration/archive")

# What is in it, nobody takes who may not see it: who manages mailboxes may open any of them to themselves.
NEEDED = frozenset(
    {"mailbox.manage", "organization.configure", "lead.view", "case.view", "contact.view", "audit.view"}
)


@blueprint.get("/")
@permission_required("data.export")
def index() -> ResponseReturnValue:
    """What would be in it, in numbers, and who took the last one."""
    return render_template(
        "organization/archive.html",
        sidebar=organization_tree(),
        numbers=what_there_is(),
        last=last_archived(),
        may_take=g.permissions >= NEEDED,
    )


@blueprint.post("/")
@permission_required("data.export")
def download() -> Response:
    """The file, sent while it is written, with nobody else's drafts; who took it is on record."""
    if not g.permissions >= NEEDED:
        raise ForbiddenError("It holds everything of the organization. Ask an administrator for it.")
    return streamed(
        archived(g.member),
        f"{g.organization.slug}-{now():%Y-%m-%d}.zip",
        "application/zip",
        noted=lambda: audit.record(actor(), audit.ARCHIVED, g.organization.name),
    )
