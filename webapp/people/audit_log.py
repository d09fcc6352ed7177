"""The audit log of an organization. There is no way to change it."""

from flask import Blueprint
from flask.typing import ResponseReturnValue

from tenants.audit import AuditEntry, record
from webapp.configuration.sidebar import organization_tree
from webapp.guards import permission_required
from webapp.people.audit_pages import log_file, log_page

blueprint = Blueprint("audit", __name__, url_prefix="/configuration/audit-log")


@blueprint.get("/")
@permission_required("audit.view")
def index() -> ResponseReturnValue:
    """Who changed what in the organization."""
    return log_page(AuditEntry, "audit", organization_tree())


@blueprint.post("/export")
@permission_required("audit.view")
def export() -> ResponseReturnValue:
    """The filtered record as CSV."""
    return log_file(AuditEntry, record)
