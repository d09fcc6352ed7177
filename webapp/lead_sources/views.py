"""Lead sources of the current organization: add, change, reorder, hide, default, merge, remove."""

from typing import Any
from uuid import UUID

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

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
from tenants.database import db
from webapp import records
from webapp.configuration.pages import actor
from webapp.guards import permission_required
from webapp.lead_sources import pages
from webapp.lead_sources.forms import MergeForm, SourceForm
from webapp.levels import organization_level
from webapp.versions import held

blueprint = Blueprint("lead_sources", __name__, url_prefix="/configuration/lead-sources")
LEVEL = organization_level("lead_sources", lambda source: {"source_id": source.id})


@blueprint.route("/", methods=["GET", "POST"])
@permission_required("lead_source.manage")
def index() -> ResponseReturnValue:
    """The list, and a form for one more."""
    return pages.list_page(LEVEL, domain.add_lead_source, "was added", _listed)


@blueprint.post("/offer")
@permission_required("lead_source.manage")
def offer() -> ResponseReturnValue:
    """Take over what the system offers, before it came by itself."""
    domain.offer_lead_sources()
    return pages.recorded(
        LEVEL, "lead_source.offered", "The system's sources", "The system’s sources are there now."
    )


@blueprint.post("/order")
@permission_required("lead_source.manage")
def order() -> ResponseReturnValue:
    """The whole order, as it was dragged."""
    ids = [id for id in map(records.uuid_or_none, request.form.getlist("order")) if id is not None]
    return pages.put_in_order(LEVEL, domain.order_lead_sources, ids)


@blueprint.post("/follow")
@permission_required("lead_source.manage")
def follow_list() -> ResponseReturnValue:
    """Use the system's order, or its default source, again."""
    name = DEFAULT if request.form.get("what") == DEFAULT else POSITION
    domain.follow_system_list(name)
    what = "default" if name == DEFAULT else "order"
    return pages.recorded(
        LEVEL, "lead_source.followed", f"The system's {what}", f"The system’s {what} applies again."
    )


@blueprint.route("/<uuid:source_id>/edit", methods=["GET", "POST"])
@permission_required("lead_source.manage")
def edit(source_id: UUID) -> ResponseReturnValue:
    """Call a source something else, hide it, or follow the system again."""
    source = held(domain.lead_source_of(source_id))
    form = SourceForm(
        data={
            "name": source.name,
            "hidden": str(int(source.is_hidden)),
            "follows_name": source.follows(NAME),
            "follows_hidden": source.follows(HIDDEN),
        }
    )
    return pages.edit_page(
        LEVEL,
        source,
        form,
        lambda: _change(source, form),
        lambda: {
            "offered": _offered().get(source.system_key or ""),
            "lead_count": lead_count_by_source().get(source.id, 0),
        },
    )


@blueprint.post("/<uuid:source_id>/move")
@permission_required("lead_source.manage")
def move(source_id: UUID) -> ResponseReturnValue:
    """Up or down in the order in which sources are offered."""
    return pages.move(LEVEL, domain.lead_source_of(source_id), domain.move_lead_source)


@blueprint.post("/<uuid:source_id>/hide")
@permission_required("lead_source.manage")
def hide(source_id: UUID) -> ResponseReturnValue:
    """Offer a source no more, or again."""
    words = "is hidden now; leads that have it keep it"
    return pages.hide(LEVEL, domain.lead_source_of(source_id), domain.hide_lead_source, words)


@blueprint.post("/<uuid:source_id>/default")
@permission_required("lead_source.manage")
def make_default(source_id: UUID) -> ResponseReturnValue:
    """Give it to leads that nobody gives another."""
    source = domain.lead_source_of(source_id)
    return pages.done_if(
        LEVEL,
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
    return pages.done_if(
        LEVEL,
        lambda: domain.follow_system(source),
        "lead_source.followed",
        source,
        "follows the system again",
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
        return pages.done(
            LEVEL, "lead_source.merged", name, words, into=into_name, leads=count, mailboxes=labels
        )
    page = render_template(
        "lead_sources/merge.html", level=LEVEL, form=form, source=source, effects=merge_effects(source)
    )
    return page, 422 if form.errors else 200


@blueprint.post("/<uuid:source_id>/take-apart")
@permission_required("lead_source.manage")
def take_apart(source_id: UUID) -> ResponseReturnValue:
    """Offer one of the system's sources again that was merged into another."""
    source = domain.merged_lead_source_of(source_id)
    return pages.done_if(
        LEVEL, lambda: domain.take_apart(source), "lead_source.shown", source, "is offered again"
    )


@blueprint.post("/<uuid:source_id>/remove")
@permission_required("lead_source.manage")
def remove(source_id: UUID) -> ResponseReturnValue:
    """Take an unused source away."""
    source = domain.lead_source_of(source_id)
    return pages.done_if(
        LEVEL, lambda: remove_lead_source(source), "lead_source.removed", source, "was removed"
    )


def _listed() -> dict[str, Any]:
    sources = db.session.scalars(domain.lead_sources()).all()
    return {
        "sources": sources,
        "merged": db.session.scalars(domain.merged_lead_sources()).all(),
        "names": {source.id: source.name for source in sources},
        "offered": _offered(),
        "lead_counts": lead_count_by_source(),
        "uses": uses_by_source(),
        "has_own_order": domain.is_list_own(POSITION, sources),
        "has_own_default": domain.is_list_own(DEFAULT, sources),
    }


def _offered() -> dict[str, SystemLeadSource]:
    return {one.key: one for one in db.session.scalars(system_sources())}


def _change(source: LeadSource, form: SourceForm) -> None:
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
