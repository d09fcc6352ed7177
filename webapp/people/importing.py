"""People from a file: shown row by row first, then exactly that is done."""

import json

from flask import current_app, g, render_template, request
from flask.typing import ResponseReturnValue
from itsdangerous import BadData, URLSafeTimedSerializer

from mailboxes.people_letters import send_invitation
from tenants import audit, people
from tenants.database import db
from tenants.errors import ConflictError, InvalidError
from tenants.invitations import invite
from tenants.member_import import INVITE, ImportRow, Verdict, judge, read_rows
from tenants.outcomes import for_each
from webapp.configuration.pages import actor
from webapp.configuration.sidebar import organization_tree
from webapp.guards import permission_required
from webapp.people.blueprint import blueprint
from workers import queues

SHOWN_FOR_SECONDS = 3600


@blueprint.route("/import", methods=["GET", "POST"])
@permission_required("user.manage")
def import_file() -> ResponseReturnValue:
    """What would become of each row of a file. Nothing is saved."""
    verdicts: list[Verdict] = []
    error = ""
    if request.method == "POST":
        try:
            upload = request.files.get("file")
            verdicts = judge(read_rows(upload.read() if upload is not None else b""), g.permissions)
        except InvalidError as refusal:
            error = refusal.message
    rows = [verdict.row for verdict in verdicts if verdict.kind == INVITE]
    page = render_template(
        "people/import.html",
        tree=organization_tree(),
        verdicts=verdicts,
        count=len(rows),
        shown=_sealed(rows) if rows else "",
        error=error,
    )
    return page, 422 if error else 200


@blueprint.post("/import/invite")
@permission_required("user.manage")
def import_shown() -> ResponseReturnValue:
    """Invite exactly those who were shown; who joined meanwhile is told, not invited."""
    by = people.granting(g.member)
    verdicts = judge(_opened(request.form.get("shown", "")), by)
    links: dict[str, str] = {}

    def act(verdict: Verdict) -> None:
        if verdict.kind != INVITE:
            raise ConflictError(verdict.words)
        address = verdict.row.address
        invitation, token = invite(address, list(verdict.role_ids), by=actor())
        audit.record(actor(), "member.invited", address, {}, {"roles": list(verdict.row.roles)})
        links[address] = send_invitation(g.organization, invitation, token)

    outcomes = for_each(verdicts, act, lambda verdict: verdict.row.address)
    db.session.commit()
    queues.ring_notices(g.organization.id)
    return render_template("people/imported.html", tree=organization_tree(), outcomes=outcomes, links=links)


def _serializer() -> URLSafeTimedSerializer:
    """Bound to this person in this organization: what one was shown, nobody else can send."""
    return URLSafeTimedSerializer(current_app.secret_key or "", salt=f"import {g.member.id}")


def _sealed(rows: list[ImportRow]) -> str:
    return _serializer().dumps(json.dumps([[row.line, row.address, list(row.roles)] for row in rows]))


def _opened(text: str) -> list[ImportRow]:
    try:
        rows = json.loads(_serializer().loads(text, max_age=SHOWN_FOR_SECONDS))
    except BadData:
        raise ConflictError("What was shown is too old. Choose the file again.") from None
    return [ImportRow(line, address, tuple(names)) for line, address, names in rows]
