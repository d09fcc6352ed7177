"""The audit log of the installation: what system administrators and the terminal did."""

from flask import Blueprint
from flask.typing import ResponseReturnValue

from tenants.audit import SystemAuditEntry
from webapp.guards import system_admin_required
from webapp.levels import system_level
from webapp.people.audit_pages import log_file, log_page

blueprint = Blueprint("system_audit", __name__, url_prefix="/system/audit-log")
LEVEL = system_level("system_audit")


@blueprint.get("/")
@system_admin_required
def index() -> ResponseReturnValue:
    """Who changed what in the installation."""
    return log_page(LEVEL, SystemAuditEntry)


@blueprint.post("/export")
@system_admin_required
def export() -> ResponseReturnValue:
    """The filtered record as CSV."""
    return log_file(LEVEL, SystemAuditEntry)
