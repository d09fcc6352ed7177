"""Lead sources of the current organization: add, rename, reorder, hide, default, remove."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm
from wtforms import StringField
from wtforms.validators import InputRequired, Length

from mailboxes.conversion import mailboxes_by_source, remove_lead_source
from mailboxes.crm import lead_sources as domain
from mailboxes.crm.lead_sources import LeadSource
from mailboxes.crm.leads import lead_count_by_source
from tenants import audit
from tenants.database import db
from tenants.errors import AppError
from webapp import records
from webapp.configuration.pages import actor
from webapp.configuration.sidebar import organization_tree
from webapp.guards import permission_required

blueprint = Blueprint("lead_sources", __name__, url_prefix="/configuration/lead-sources")


class LeadSourceForm(FlaskForm):
    """What a source is called."""

    name = StringField(
        "Name",
        validators=[InputRequired("Type a name."), Length(max=domain.NAME_LENGTH)],
        filters=[records.clean_text],
    )


@blueprint.route("/", methods=["GET", "POST"])
@permission_required("lead_source.manage")
def index() -> ResponseReturnValue:
    """The list, and a form for one more."""
    form = LeadSourceForm()
    if form.validate_on_submit() and records.accepts(
        form, lambda: domain.add_lead_source(form.name.data or "")
    ):
        return _done("lead_source.added", form.name.data or "", "was added")
    counts = lead_count_by_source()
    sources = db.session.scalars(domain.lead_sources()).all()
    using = mailboxes_by_source()
    page = render_template(
        "organization/lead_sources.html",
        form=form,
        sources=sources,
        lead_counts=counts,
        mailboxes={source.id: using.get(source.id, []) for source in sources},
        may_offer=not any(source.system_key for source in sources),
        sidebar=organization_tree(),
    )
    return page, 422 if request.method == "POST" else 200


@blueprint.post("/offer")
@permission_required("lead_source.manage")
def offer() -> ResponseReturnValue:
    """Take over what the system offers and is missing here."""
    domain.offer_lead_sources()
    return _done("lead_source.offered", "The system's sources", "are there now")


@blueprint.route("/<uuid:source_id>/rename", methods=["GET", "POST"])
@permission_required("lead_source.manage")
def rename(source_id: UUID) -> ResponseReturnValue:
    """Call a source something else."""
    source = domain.lead_source_of(source_id)
    before = source.name
    form = LeadSourceForm(obj=source)
    if form.validate_on_submit() and records.accepts(
        form, lambda: domain.rename_lead_source(source, form.name.data or "")
    ):
        return _done("lead_source.renamed", before, f"is called “{source.name}” now", name=source.name)
    page = render_template(
        "organization/lead_source.html",
        form=form,
        source=source,
        lead_count=lead_count_by_source().get(source.id, 0),
        sidebar=organization_tree(),
    )
    return page, 422 if request.method == "POST" else 200


@blueprint.post("/<uuid:source_id>/move")
@permission_required("lead_source.manage")
def move(source_id: UUID) -> ResponseReturnValue:
    """Up or down in the order in which sources are offered."""
    source = domain.lead_source_of(source_id)
    up = request.form.get("direction") == "up"
    return _done_if(lambda: domain.move_lead_source(source, up=up), "lead_source.moved", source, "was moved")


@blueprint.post("/<uuid:source_id>/hide")
@permission_required("lead_source.manage")
def hide(source_id: UUID) -> ResponseReturnValue:
    """Offer a source no more, or again."""
    source = domain.lead_source_of(source_id)
    is_hidden = request.form.get("hidden") == "1"
    return _done_if(
        lambda: domain.hide_lead_source(source, is_hidden=is_hidden),
        "lead_source.hidden" if is_hidden else "lead_source.shown",
        source,
        "is hidden now; leads that have it keep it" if is_hidden else "is offered again",
    )


@blueprint.post("/<uuid:source_id>/default")
@permission_required("lead_source.manage")
def make_default(source_id: UUID) -> ResponseReturnValue:
    """Give it to leads that nobody gives another."""
    source = domain.lead_source_of(source_id)
    return _done_if(
        lambda: domain.make_default_lead_source(source),
        "lead_source.default",
        source,
        "is the default source now",
    )


@blueprint.post("/<uuid:source_id>/remove")
@permission_required("lead_source.manage")
def remove(source_id: UUID) -> ResponseReturnValue:
    """Take an unused source away."""
    source = domain.lead_source_of(source_id)
    return _done_if(lambda: remove_lead_source(source), "lead_source.removed", source, "was removed")


def _done_if(command: Callable[[], Any], act: str, source: LeadSource, words: str) -> ResponseReturnValue:
    name = source.name
    try:
        command()
    except AppError as error:
        db.session.rollback()
        flash(error.message, "error")
        return redirect(url_for("lead_sources.index"))
    return _done(act, name, words)


def _done(act: str, subject: str, words: str, **after: Any) -> ResponseReturnValue:
    audit.record(actor(), act, subject, after=after)
    db.session.commit()
    flash(f"{subject} {words}." if act == "lead_source.offered" else f"“{subject}” {words}.", "success")
    return redirect(url_for("lead_sources.index"))
