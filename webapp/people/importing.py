"""People from a file: shown row by row first, then exactly that is done."""

from flask import Response, g, render_template, request
from flask.typing import ResponseReturnValue

from mailboxes.people_letters import send_invitations
from tenants import audit, people
from tenants.database import db
from tenants.errors import InvalidError
from tenants.invitations import invite_many
from tenants.member_import import INVITE, TEMPLATE, ImportRow, Verdict, judge, read_rows
from tenants.outcomes import Outcome
from webapp.configuration.pages import actor
from webapp.configuration.sidebar import organization_tree
from webapp.guards import permission_required
from webapp.people import files
from webapp.people.blueprint import blueprint
from workers import queues


@blueprint.route("/import", methods=["GET", "POST"])
@permission_required("user.manage")
def import_file() -> ResponseReturnValue:
    """What would become of each row of a file. Nothing is saved."""
    verdicts: list[Verdict] = []
    error = ""
    if request.method == "POST":
        try:
            verdicts = judge(read_rows(files.uploaded()), g.permissions)
        except InvalidError as refusal:
            error = refusal.message
    rows = [verdict.row for verdict in verdicts if verdict.kind == INVITE]
    page = render_template(
        "people/import.html",
        tree=organization_tree(),
        verdicts=verdicts,
        count=len(rows),
        shown=files.sealed([[row.line, row.address, list(row.roles)] for row in rows], str(g.member.id)),
        error=error,
    )
    return page, 422 if error else 200


@blueprint.get("/import/template.csv")
@permission_required("user.manage")
def import_template() -> Response:
    """A file to begin with."""
    return files.template_file("people", TEMPLATE)


@blueprint.post("/import/invite")
@permission_required("user.manage")
def import_shown() -> ResponseReturnValue:
    """Invite exactly those who were shown; who joined meanwhile is told, not invited.

    In as many statements as for one: all of them are invited, or nobody is.
    """
    by = people.granting(g.member)
    rows = [ImportRow(line, address, tuple(names)) for line, address, names in files.opened(str(g.member.id))]
    verdicts = judge(rows, by)
    invited = [verdict for verdict in verdicts if verdict.kind == INVITE]
    made = invite_many({one.row.address: list(one.role_ids) for one in invited}, by=actor())
    for one in invited:
        audit.record(actor(), "member.invited", one.row.address, {}, {"roles": list(one.row.roles)})
    links = send_invitations(g.organization, made)
    outcomes = [Outcome(one.row.address, "" if one.kind == INVITE else one.words) for one in verdicts]
    db.session.commit()
    queues.ring_notices(g.organization.id)
    return render_template("people/imported.html", tree=organization_tree(), outcomes=outcomes, links=links)
