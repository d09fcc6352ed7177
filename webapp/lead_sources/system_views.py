"""The lead sources that the system offers to every organization."""

from typing import Any

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from mailboxes.crm import system_sources as domain
from mailboxes.offering import count_of_those_behind, withdraw_lead_source
from mailboxes.offering.followers import Following, lead_source_following, withdrawal_of_lead_source
from tenants.database import db
from webapp.guards import system_admin_required
from webapp.lead_sources import pages
from webapp.lead_sources.forms import NameForm
from webapp.levels import offering_level
from webapp.versions import held

blueprint = Blueprint("system_lead_sources", __name__, url_prefix="/system/lead-sources")
LEVEL = offering_level("system_lead_sources")


@blueprint.route("/", methods=["GET", "POST"])
@system_admin_required
def index() -> ResponseReturnValue:
    """The list with who follows each, and a form for one more."""
    return pages.list_page(LEVEL, domain.add_system_source, "is offered now", _listed)


@blueprint.post("/order")
@system_admin_required
def order() -> ResponseReturnValue:
    """The whole order, as it was dragged."""
    return pages.put_in_order(LEVEL, domain.order_system_sources, request.form.getlist("order"))


@blueprint.route("/<key>/edit", methods=["GET", "POST"])
@system_admin_required
def edit(key: str) -> ResponseReturnValue:
    """Call a source something else, wherever it follows the system."""
    source = held(domain.system_source_of(key))
    form = NameForm(obj=source)
    return pages.edit_page(
        LEVEL,
        source,
        form,
        lambda: domain.rename_system_source(source, form.name.data or ""),
        lambda: {"following": lead_source_following().get(key, Following())},
    )


@blueprint.post("/<key>/move")
@system_admin_required
def move(key: str) -> ResponseReturnValue:
    """Up or down in the order in which sources are offered."""
    return pages.move(LEVEL, domain.system_source_of(key), domain.move_system_source)


@blueprint.post("/<key>/hide")
@system_admin_required
def hide(key: str) -> ResponseReturnValue:
    """Offer a source for new leads no more, or again."""
    words = "is hidden now, where it follows the system"
    return pages.hide(LEVEL, domain.system_source_of(key), domain.hide_system_source, words)


@blueprint.post("/<key>/default")
@system_admin_required
def make_default(key: str) -> ResponseReturnValue:
    """What leads get in organizations that chose no other."""
    source = domain.system_source_of(key)
    return pages.done_if(
        LEVEL,
        lambda: domain.make_default_system_source(source),
        "lead_source.default",
        source,
        "is the default source now, where none was chosen",
    )


@blueprint.route("/<key>/withdraw", methods=["GET", "POST"])
@system_admin_required
def withdraw(key: str) -> ResponseReturnValue:
    """Offer a source no more; says before where it stays."""
    source = domain.system_source_of(key)
    if request.method == "POST":
        return pages.done_if(
            LEVEL, lambda: withdraw_lead_source(source), "lead_source.removed", source, "is offered no more"
        )
    return render_template(
        "installation/withdraw.html",
        level=LEVEL,
        heading="Lead sources",
        name=source.name,
        withdrawal=withdrawal_of_lead_source(key),
        use_words="New leads of these get it:",
        place=("mailbox", "mailboxes"),
    )


def _listed() -> dict[str, Any]:
    return {
        "sources": db.session.scalars(domain.system_sources()).all(),
        "following": lead_source_following(),
        "nobody": Following(),
        "behind": count_of_those_behind(),
    }
