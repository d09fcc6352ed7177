"""Lead sources of the current organization: add, change, reorder, hide, default, merge, remove."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm
from wtforms import BooleanField, SelectField, StringField
from wtforms.validators import InputRequired, Length

from mailboxes.conversion import (
    merge_effects,
    merge_lead_sources,
    remove_lead_source,
    uses_by_source,
)
from mailboxes.crm import lead_sources as domain
from mailboxes.crm.lead_sources import DEFAULT, HIDDEN, NAME, POSITION, LeadSource
from mailboxes.crm.leads import lead_count_by_source
from mailboxes.crm.system_sources import SystemLeadSource, system_sources
from tenants import audit
from tenants.database import db
from tenants.errors import AppError
from webapp import records
from webapp.configuration.pages import actor
from webapp.configuration.sidebar import organization_tree
from webapp.guards import permission_required

blueprint = Blueprint("lead_sources", __name__, url_prefix="/configuration/lead-sources")
STATES = [("0", "Offered"), ("1", "Hidden")]


class LeadSourceForm(FlaskForm):
    """What a source is called."""

    name = StringField(
        "Name",
        validators=[InputRequired("Type a name."), Length(max=domain.NAME_LENGTH)],
        filters=[records.clean_text],
    )


class EditForm(FlaskForm):
    """Name and state of a source; of a system's one, whether each follows the system."""

    name = StringField("Name", validators=[Length(max=domain.NAME_LENGTH)], filters=[records.clean_text])
    hidden = SelectField("State", choices=STATES, description="A hidden source is not offered for new leads.")
    follows_name = BooleanField("Use system value")
    follows_hidden = BooleanField("Use system value")


class MergeForm(FlaskForm):
    """Which source takes over."""

    into = SelectField("Merge into")


@blueprint.route("/", methods=["GET", "POST"])
@permission_required("lead_source.manage")
def index() -> ResponseReturnValue:
    """The list, and a form for one more."""
    form = LeadSourceForm()
    if form.validate_on_submit() and records.accepts(
        form, lambda: domain.add_lead_source(form.name.data or "")
    ):
        return _done("lead_source.added", form.name.data or "", "was added")
    sources = db.session.scalars(domain.lead_sources()).all()
    page = render_template(
        "organization/lead_sources.html",
        form=form,
        sources=sources,
        merged=db.session.scalars(domain.merged_lead_sources()).all(),
        names={source.id: source.name for source in sources},
        offered=_offered(),
        lead_counts=lead_count_by_source(),
        uses=uses_by_source(),
        has_own_order=domain.is_list_own(POSITION, sources),
        has_own_default=domain.is_list_own(DEFAULT, sources),
        sidebar=organization_tree(),
    )
    return page, 422 if request.method == "POST" else 200


@blueprint.post("/offer")
@permission_required("lead_source.manage")
def offer() -> ResponseReturnValue:
    """Take over what the system offers, before it came by itself."""
    domain.offer_lead_sources()
    return _done("lead_source.offered", "The system's sources", "are there now")


@blueprint.post("/order")
@permission_required("lead_source.manage")
def order() -> ResponseReturnValue:
    """The whole order, as it was dragged; answers a script with nothing."""
    ids = [id for id in map(records.uuid_or_none, request.form.getlist("order")) if id is not None]
    domain.order_lead_sources(ids)
    audit.record(actor(), "lead_source.moved", "All")
    db.session.commit()
    if request.form.get("quietly"):
        return "", 204
    return redirect(url_for("lead_sources.index"))


@blueprint.post("/follow")
@permission_required("lead_source.manage")
def follow_list() -> ResponseReturnValue:
    """Use the system's order, or its default source, again."""
    name = DEFAULT if request.form.get("what") == DEFAULT else POSITION
    domain.follow_system_list(name)
    what = "default" if name == DEFAULT else "order"
    return _done("lead_source.followed", f"The system's {what}", "applies again")


@blueprint.route("/<uuid:source_id>/edit", methods=["GET", "POST"])
@permission_required("lead_source.manage")
def edit(source_id: UUID) -> ResponseReturnValue:
    """Call a source something else, hide it, or follow the system again."""
    source = domain.lead_source_of(source_id)
    before = source.name
    form = EditForm(
        data={
            "name": source.name,
            "hidden": str(int(source.is_hidden)),
            "follows_name": source.follows(NAME),
            "follows_hidden": source.follows(HIDDEN),
        }
    )
    if form.validate_on_submit() and records.accepts(form, lambda: _change(source, form)):
        return _done("lead_source.renamed", before, "was saved", name=source.name, hidden=source.is_hidden)
    page = render_template(
        "organization/lead_source.html",
        form=form,
        source=source,
        offered=_offered().get(source.system_key or ""),
        lead_count=lead_count_by_source().get(source.id, 0),
        sidebar=organization_tree(),
    )
    return page, 422 if form.errors else 200


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


@blueprint.post("/<uuid:source_id>/follow")
@permission_required("lead_source.manage")
def follow(source_id: UUID) -> ResponseReturnValue:
    """Use the system's name and state again."""
    source = domain.lead_source_of(source_id)
    return _done_if(
        lambda: domain.follow_system(source), "lead_source.followed", source, "follows the system again"
    )


@blueprint.route("/<uuid:source_id>/merge", methods=["GET", "POST"])
@permission_required("lead_source.manage")
def merge(source_id: UUID) -> ResponseReturnValue:
    """Make one of two; says before what that changes."""
    source = domain.lead_source_of(source_id)
    others = [one for one in db.session.scalars(domain.lead_sources()) if one.id != source.id]
    form = MergeForm()
    form.into.choices = [(str(one.id), one.name) for one in others]
    if form.validate_on_submit():
        into = next(one for one in others if str(one.id) == form.into.data)
        name, into_name = source.name, into.name
        count, labels = merge_lead_sources(source, into, by=actor().name)
        words = f"was merged into “{into_name}”: {count} {'lead has' if count == 1 else 'leads have'} it now"
        return _done("lead_source.merged", name, words, into=into_name, leads=count, mailboxes=labels)
    page = render_template(
        "organization/merge_lead_source.html",
        form=form,
        source=source,
        effects=merge_effects(source),
        sidebar=organization_tree(),
    )
    return page, 422 if form.errors else 200


@blueprint.post("/<uuid:source_id>/take-apart")
@permission_required("lead_source.manage")
def take_apart(source_id: UUID) -> ResponseReturnValue:
    """Offer one of the system's sources again that was merged into another."""
    source = domain.merged_lead_source_of(source_id)
    return _done_if(lambda: domain.take_apart(source), "lead_source.shown", source, "is offered again")


@blueprint.post("/<uuid:source_id>/remove")
@permission_required("lead_source.manage")
def remove(source_id: UUID) -> ResponseReturnValue:
    """Take an unused source away."""
    source = domain.lead_source_of(source_id)
    return _done_if(lambda: remove_lead_source(source), "lead_source.removed", source, "was removed")


def _offered() -> dict[str, SystemLeadSource]:
    return {one.key: one for one in db.session.scalars(system_sources())}


def _change(source: LeadSource, form: EditForm) -> None:
    """What is ticked follows the system, what is typed is the organization's own."""
    name, is_hidden = form.name.data or "", form.hidden.data == "1"
    is_name_new, is_state_new = name != source.name, is_hidden != source.is_hidden
    if _is_own(source, NAME, follows=bool(form.follows_name.data), is_new=is_name_new):
        domain.rename_lead_source(source, name)
    if _is_own(source, HIDDEN, follows=bool(form.follows_hidden.data), is_new=is_state_new):
        domain.hide_lead_source(source, is_hidden=is_hidden)


def _is_own(source: LeadSource, what: str, *, follows: bool, is_new: bool) -> bool:
    """Whether what was typed has to be stored; lets the system decide where that is ticked."""
    if source.system_key is None or not follows:
        return is_new or source.follows(what)
    if not source.follows(what):
        domain.follow_system(source, what)
    return False


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
    flash(f"{subject} {words}." if subject.startswith("The system") else f"“{subject}” {words}.", "success")
    return redirect(url_for("lead_sources.index"))
