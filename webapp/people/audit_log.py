"""The audit log of an organization. There is no way to change it."""

from flask import Blueprint
from flask.typing import ResponseReturnValue

from tenants.audit import AuditEntry
from webapp.guards import permission_required
from webapp.levels import organization_level
from webapp.people.audit_pages import log_file, log_page

blueprint = Blueprint("audit", __name__, url_prefix="/configuration/audit-log")
LEVEL = organization_level("audit")


@blueprint.get("/")
@permission_required("audit.view")
def index() -> ResponseReturnValue:
    """Who changed what in the organization."""
    return log_page(LEVEL, AuditEntry)


@blueprint.post("/export")
@permission_required("audit.view")
def export() -> ResponseReturnValue:
    """The filtered record as CSV."""
    return log_file(LEVEL, AuditEntry)
