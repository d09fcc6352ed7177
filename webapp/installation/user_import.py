"""Users of the installation from a file: shown row by row first, then exactly those are made."""

from flask import Response, g, render_template, request
from flask.typing import ResponseReturnValue

from mailboxes.notices import can_send
from mailboxes.people_letters import password_link, send_welcomes
from tenants import password_links
from tenants.audit import record_for_system
from tenants.database import db, enter_installation
from tenants.errors import InvalidError
from tenants.outcomes import Outcome
from tenants.user_import import MAKE, TEMPLATE, UserRow, UserVerdict, judge_users, make_users, read_users
from webapp.configuration.pages import actor
from webapp.configuration.sidebar import system_tree
from webapp.guards import system_admin_required
from webapp.installation.users import blueprint
from webapp.people import files
from workers import queues

MADE_MEANWHILE = "Somebody made this user in the same moment."


@blueprint.route("/import", methods=["GET", "POST"])
@system_admin_required
def import_file() -> ResponseReturnValue:
    """What would become of each row of a file. Nothing is saved."""
    verdicts: list[UserVerdict] = []
    error = ""
    if request.method == "POST":
        try:
            verdicts = judge_users(read_users(files.uploaded()))
        except InvalidError as refusal:
            error = refusal.message
    rows = [verdict.row for verdict in verdicts if verdict.kind == MAKE]
    page = render_template(
        "installation/import_users.html",
        tree=system_tree(),
        verdicts=verdicts,
        count=len(rows),
        shown=files.sealed([[row.line, row.address, row.name, row.administrator] for row in rows], _whose()),
        error=error,
        can_send=can_send(),
    )
    return page, 422 if error else 200


@blueprint.get("/import/template.csv")
@system_admin_required
def import_template() -> Response:
    """A file to begin with."""
    return files.template_file("users", TEMPLATE)


@blueprint.post("/import/make")
@system_admin_required
def import_shown() -> ResponseReturnValue:
    """Make exactly those who were shown, all together; who is a user meanwhile stays as they are."""
    enter_installation("letters to new users belong to no organization")
    verdicts = judge_users([UserRow(*row) for row in files.opened(_whose())])
    opened = password_links.make_first(make_users(verdicts, actor=actor()))
    is_by_hand = not can_send()
    if not is_by_hand:
        send_welcomes(opened)
    for one in opened:
        record_for_system(actor(), "user.password_link_made", one.user.address, {}, {"shown": is_by_hand})
    links = {one.user.address: password_link(one.token) if is_by_hand else "" for one in opened}
    outcomes = [Outcome(one.row.address, _refusal(one, links)) for one in verdicts]
    db.session.commit()
    queues.ring_notices()
    return render_template(
        "installation/imported_users.html", tree=system_tree(), outcomes=outcomes, links=links
    )


def _refusal(verdict: UserVerdict, made: dict[str, str]) -> str:
    if verdict.kind != MAKE:
        return verdict.words
    return "" if verdict.row.address in made else MADE_MEANWHILE


def _whose() -> str:
    return f"of users {g.user.id}"
