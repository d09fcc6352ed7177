"""The audit log of the installation: what system administrators and the terminal did."""

from flask import Blueprint
from flask.typing import ResponseReturnValue

from tenants.audit import SystemAuditEntry, record_for_system
from webapp.configuration.sidebar import system_tree
from webapp.guards import system_admin_required
from webapp.people.audit_pages import log_file, log_page

blueprint = Blueprint("system_audit", __name__, url_prefix="/system/audit-log")


@blueprint.get("/")
@system_admin_required
def index() -> ResponseReturnValue:
    """Who changed what in the installation."""
    return log_page(SystemAuditEntry, "system_audit", system_tree())


@blueprint.post("/export")
@system_admin_required
def export() -> ResponseReturnValue:
    """The filtered record as CSV."""
    return log_file(SystemAuditEntry, record_for_system, of="system")
