"""Lists of people: they offer the first, who is chosen, and those whose name is typed beside the list.

The words are sent as ``find_NAME`` of the list's ``NAME``: by script at once, without it by a button that
sends the form, which is not saved then (`is_searching`).
"""

from uuid import UUID

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from mailboxes.crm.history import member_names
from tenants.organizations import members_offered
from webapp.guards import member_required

blueprint = Blueprint("choosing", __name__)

LONGEST_SEARCH = 200


@blueprint.get("/people/choices")
@member_required
def choices() -> ResponseReturnValue:
    """The options of a list, after something was typed to find one."""
    return options_page()


def options_page() -> str:
    """The options of a list (``field``) alone; the words for nobody (``empty``, ``nobody``) come first."""
    name = request.args.get("field", "")
    chosen = request.args.get(name, "")
    empty = [("", request.args.get("empty", "—"))]
    if request.args.get("nobody"):
        empty.append((request.args["nobody"], "Nobody"))
    found = members_offered(searched(name), chosen)
    return render_template("components/_options.html", choices=[*empty, *found], chosen=chosen)


def searched(name: str) -> str:
    """What was typed beside a list of people to find one."""
    return str(request.values.get(f"find_{name}", "")).replace("\x00", "").strip()[:LONGEST_SEARCH]


def is_searching() -> bool:
    """Whether the form was sent to find people, not to be saved."""
    return "find_people" in request.form


def member_choices(name: str, *, keep: UUID | None = None) -> list[tuple[str, str]]:
    """Whom a list offers, without what stands for nobody; ``keep`` is offered though they left."""
    found = members_offered(searched(name), request.values.get(name, ""), str(keep or ""))
    if keep is not None and str(keep) not in dict(found):
        found += [(str(id), f"{called} (left)") for id, called in member_names([keep]).items()]
    return found
