"""Users of the installation from a file: shown row by row first, then exactly those are made."""

from flask import Response, g
from flask.typing import ResponseReturnValue

from mailboxes.notices import can_send
from mailboxes.people_letters import password_link, send_welcomes
from tenants.audit import record_for_system
from tenants.database import db, enter_installation
from tenants.installation.user_import import COLUMNS, TEMPLATE, UserRow, judge_users, make_users, read_users
from tenants.people.import_files import TAKEN, Verdict
from tenants.people.outcomes import Outcome
from tenants.users import password_links
from webapp.configuration.pages import actor
from webapp.guards import system_admin_required
from webapp.installation.users import blueprint
from webapp.levels import system_level
from webapp.people import files
from workers import queues

MADE_MEANWHILE = "Somebody made this user in the same moment."


KIND = files.Kind(
    level=system_level("users"),
    place="Users",
    title="Add users from a file",
    help="The first row names the columns: address, and if you like name and administrator (yes or no).",
    column=("Name", "name"),
    columns=COLUMNS,
    act="Add",
    done="Added",
    people=("user", "users"),
    next=("To the users", "users.index"),
)


@blueprint.route("/import", methods=["GET", "POST"])
@system_admin_required
def import_file() -> ResponseReturnValue:
    """What would become of each row of a file. Nothing is saved."""
    letters = "Each gets an email with a link to choose a password."
    by_hand = "The system sends no mail: you are shown a link for each, to hand over."
    return files.rows_page(
        KIND,
        judge=lambda content: judge_users(read_users(content)),
        kept=lambda row: [row.line, row.address, row.name, row.administrator],
        whose=_whose(),
        note=f"{letters if can_send() else by_hand} They join an organization by its invitation.",
    )


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
    return files.done_page(KIND, outcomes, links)


def _refusal(verdict: Verdict[UserRow], made: dict[str, str]) -> str:
    if verdict.kind != TAKEN:
        return verdict.words
    return "" if verdict.row.address in made else MADE_MEANWHILE


def _whose() -> str:
    return f"of users {g.user.id}"
