"""People from a file: shown row by row first, then exactly that is done."""

from collections.abc import Sequence
from dataclasses import replace

from flask import Response, g
from flask.typing import ResponseReturnValue

from mailboxes.people_letters import refused_letters, send_invitations
from tenants import audit, people
from tenants.database import db
from tenants.people.import_files import ERROR, TAKEN, Verdict
from tenants.people.invitations import invite_many
from tenants.people.member_import import COLUMNS, TEMPLATE, ImportRow, judge, read_rows
from tenants.people.outcomes import Outcome
from webapp.configuration.pages import actor
from webapp.guards import permission_required
from webapp.levels import organization_level
from webapp.people import files
from webapp.people.blueprint import blueprint
from workers import queues

KIND = files.Kind(
    level=organization_level("people"),
    place="People",
    title="Invite people from a file",
    help="The first row names the columns: address, and if you like roles: “Member” or “Member; Sales”.",
    column=("Roles", "roles"),
    columns=COLUMNS,
    act="Invite",
    done="Invited",
    people=("person", "people"),
    next=("To the invitations", "people.invitations"),
)


@blueprint.route("/import", methods=["GET", "POST"])
@permission_required("user.manage")
def import_file() -> ResponseReturnValue:
    """What would become of each row of a file. Nothing is saved."""
    return files.rows_page(
        KIND,
        judge=lambda content: _judged(read_rows(content), g.permissions),
        kept=lambda row: [row.line, row.address, list(row.roles)],
        whose=str(g.member.id),
    )


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
    verdicts = _judged(rows, by)
    invited = [verdict for verdict in verdicts if verdict.kind == TAKEN]
    made = invite_many({one.row.address: list(one.row.role_ids) for one in invited}, by=actor())
    for one in invited:
        audit.record(actor(), "member.invited", one.row.address, {}, {"roles": list(one.row.roles)})
    links = send_invitations(g.organization, made)
    outcomes = [Outcome(one.row.address, "" if one.kind == TAKEN else one.words) for one in verdicts]
    db.session.commit()
    queues.ring_notices(g.organization.id)
    return files.done_page(KIND, outcomes, links)


def _judged(rows: Sequence[ImportRow], by: frozenset[str]) -> list[Verdict[ImportRow]]:
    """As `judge` says, and whoever may have no invitation now, or today, waits: the others are invited."""
    verdicts = judge(rows, by)
    refused = refused_letters([one.row.address for one in verdicts if one.kind == TAKEN])
    return [
        replace(one, kind=ERROR, words=refused[one.row.address])
        if one.kind == TAKEN and one.row.address in refused
        else one
        for one in verdicts
    ]
