"""The audit log of an organization."""

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from tenants.audit import entries
from tenants.database import db
from webapp.configuration.sidebar import organization_tree
from webapp.guards import permission_required

blueprint = Blueprint("audit", __name__, url_prefix="/configuration/audit-log")
MANY = 200


@blueprint.get("/")
@permission_required("audit.view")
def index() -> ResponseReturnValue:
    """Who changed what, newest first."""
    found = db.session.scalars(entries().limit(MANY)).all()
    return render_template("people/audit.html", tree=organization_tree(), entries=found)
