"""The lead sources that the system offers to every organization."""

from collections.abc import Callable
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from mailboxes.crm import system_sources as domain
from mailboxes.crm.system_sources import Following, SystemLeadSource
from mailboxes.global_mailboxes.uses import own_uses_of_lead_source, uses_of_lead_source
from mailboxes.offering import (
    MOST_IN_A_REQUEST,
    carry_offers,
    count_of_those_behind,
    withdraw_lead_source,
)
from tenants import audit
from tenants.database import db
from tenants.errors import AppError
from webapp import records
from webapp.configuration.pages import actor
from webapp.configuration.sidebar import system_tree
from webapp.guards import system_admin_required
from webapp.organization.lead_sources import LeadSourceForm

blueprint = Blueprint("system_lead_sources", __name__, url_prefix="/system/lead-sources")


@blueprint.route("/", methods=["GET", "POST"])
@system_admin_required
def index() -> ResponseReturnValue:
    """The list with who follows each, and a form for one more."""
    form = LeadSourceForm()
    if form.validate_on_submit() and records.accepts(
        form, lambda: domain.add_system_source(form.name.data or "")
    ):
        return _done("lead_source.added", form.name.data or "", "is offered now")
    page = render_template(
        "installation/lead_sources.html",
        form=form,
        sources=db.session.scalars(domain.system_sources()).all(),
        following=domain.following(),
        nobody=Following(),
        behind=count_of_those_behind(),
        tree=system_tree(),
    )
    return page, 422 if request.method == "POST" else 200


@blueprint.post("/order")
@system_admin_required
def order() -> ResponseReturnValue:
    """The whole order, as it was dragged; answers a script with nothing."""
    domain.order_system_sources(request.form.getlist("order"))
    _keep("lead_source.moved", "All")
    if request.form.get("quietly"):
        return "", 204
    return redirect(url_for("system_lead_sources.index"))


@blueprint.route("/<key>/edit", methods=["GET", "POST"])
@system_admin_required
def edit(key: str) -> ResponseReturnValue:
    """Call a source something else, wherever it follows the system."""
    source = domain.system_source_of(key)
    before = source.name
    form = LeadSourceForm(obj=source)
    if form.validate_on_submit() and records.accepts(
        form, lambda: domain.rename_system_source(source, form.name.data or "")
    ):
        return _done("lead_source.renamed", before, f"is called “{source.name}” now", name=source.name)
    page = render_template(
        "installation/lead_source.html",
        form=form,
        source=source,
        following=domain.following().get(key, Following()),
        tree=system_tree(),
    )
    return page, 422 if form.errors else 200


@blueprint.post("/<key>/move")
@system_admin_required
def move(key: str) -> ResponseReturnValue:
    """Up or down in the order in which sources are offered."""
    source = domain.system_source_of(key)
    up = request.form.get("direction") == "up"
    return _done_if(
        lambda: domain.move_system_source(source, up=up), "lead_source.moved", source, "was moved"
    )


@blueprint.post("/<key>/hide")
@system_admin_required
def hide(key: str) -> ResponseReturnValue:
    """Offer a source for new leads no more, or again."""
    source = domain.system_source_of(key)
    is_hidden = request.form.get("hidden") == "1"
    return _done_if(
        lambda: domain.hide_system_source(source, is_hidden=is_hidden),
        "lead_source.hidden" if is_hidden else "lead_source.shown",
        source,
        "is hidden now, where it follows the system" if is_hidden else "is offered again",
    )


@blueprint.post("/<key>/default")
@system_admin_required
def make_default(key: str) -> ResponseReturnValue:
    """What leads get in organizations that chose no other."""
    source = domain.system_source_of(key)
    return _done_if(
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
        return _done_if(
            lambda: withdraw_lead_source(source), "lead_source.removed", source, "is offered no more"
        )
    copies = domain.following().get(key, Following())
    kept = domain.count_of_users(key)
    return render_template(
        "installation/withdraw.html",
        name=source.name,
        removed=copies.follow + copies.override - kept,
        kept=kept,
        uses=uses_of_lead_source(key),
        use_words="New leads of these get it:",
        own=own_uses_of_lead_source(key),
        place=("mailbox", "mailboxes"),
        back=url_for("system_lead_sources.index"),
        heading="Lead sources",
        tree=system_tree(),
    )


def _done_if(
    command: Callable[[], Any], act: str, source: SystemLeadSource, words: str
) -> ResponseReturnValue:
    name = source.name
    try:
        command()
    except AppError as error:
        db.session.rollback()
        flash(error.message, "error")
        return redirect(url_for("system_lead_sources.index"))
    return _done(act, name, words)


def _done(act: str, subject: str, words: str, **after: Any) -> ResponseReturnValue:
    _keep(act, subject, **after)
    flash(f"“{subject}” {words}.", "success")
    return redirect(url_for("system_lead_sources.index"))


def _keep(act: str, subject: str, **after: Any) -> None:
    audit.record_for_system(actor(), act, subject, after=after)
    db.session.commit()
    carry_offers(MOST_IN_A_REQUEST)
