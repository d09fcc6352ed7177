"""Leads: the list, a lead, new and changed ones, the file."""

from typing import Any
from uuid import UUID

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response

from mailboxes.conversion import conversations_of_lead
from mailboxes.crm import history
from mailboxes.crm import leads as domain
from mailboxes.crm.contacts import contact_titles
from mailboxes.crm.lead_sources import default_lead_source, lead_sources, visible_lead_sources
from mailboxes.crm.leads import Lead, LeadFilter
from mailboxes.crm.paging import Order
from tenants import audit
from tenants.database import db
from webapp import records
from webapp.choosing import is_searching, member_choices
from webapp.configuration.pages import actor
from webapp.guards import permission_required
from webapp.leads.forms import LeadForm
from webapp.versions import in_history, version_of

blueprint = Blueprint("leads", __name__, url_prefix="/leads")

HEADINGS = (
    ("Name", "name"),
    ("Status", "status"),
    ("Person", ""),
    ("Company", "company"),
    ("Source", ""),
    ("Owner", ""),
    ("Created", "created"),
)
LABELS = {
    "name": "Name",
    "status": "Status",
    "first_name": "First name",
    "last_name": "Last name",
    "company": "Company",
    "job_title": "Job title",
    "address": "Email",
    "phone": "Phone",
    "website": "Website",
    "notes": "Notes",
    "owner": "Owner",
    "source": "Source",
}


@blueprint.get("/")
@permission_required("lead.view")
def index() -> ResponseReturnValue:
    """The list."""
    filter, order = _filter(), _order()
    page = domain.lead_page(filter, order, request.args.get("page", ""))
    return render_template(
        "leads/index.html",
        leads=page.rows,
        pager=records.pages("leads.index", page),
        columns=records.columns("leads.index", order, HEADINGS),
        tabs=_tabs(filter),
        owners=history.member_names(lead.owner_id for lead in page.rows),
        owner_choices=member_choices("owner"),
        sources={source.id: source.name for source in db.session.scalars(lead_sources())},
        statuses=domain.STATUS_NAMES,
        export_url=records.link("leads.export"),
        bulk_url=records.link("leads.change_statuses"),
        is_filtered=any((filter.words, filter.owner_id, filter.is_unowned, filter.source_id, filter.status)),
    )


@blueprint.route("/new", methods=["GET", "POST"])
@permission_required("lead.edit")
def new() -> ResponseReturnValue:
    """A lead that somebody makes by hand."""
    default = default_lead_source()
    form = _form(None, owner_id=str(g.member.id), source_id=str(default.id) if default else "")
    made: list[Lead] = []
    if (
        not is_searching()
        and form.validate_on_submit()
        and records.accepts(form, lambda: made.append(domain.make_lead(_values(form), g.member.name)))
    ):
        db.session.commit()
        flash(f"The lead “{made[0].name}” was made.", "success")
        return redirect(url_for("leads.lead", lead_id=made[0].id))
    return _form_page(form, None)


@blueprint.get("/<uuid:lead_id>")
@permission_required("lead.view")
def lead(lead_id: UUID) -> ResponseReturnValue:
    """One lead, with its conversations as far as this member may read them."""
    lead = domain.lead_of(lead_id)
    return render_template(
        "leads/lead.html",
        lead=lead,
        statuses=domain.STATUS_NAMES,
        commands=domain.STATUS_COMMANDS[lead.status],
        owner=history.member_names([lead.owner_id]).get(lead.owner_id) if lead.owner_id else "",
        source=_source_names().get(lead.source_id) if lead.source_id else "",
        contact=contact_titles([lead.contact_id]).get(lead.contact_id) if lead.contact_id else "",
        conversations=records.conversation_rows(conversations_of_lead(g.member, lead)),
        events=records.history_events(db.session.scalars(domain.changes_of(lead)), LABELS, "Lead"),
    )


@blueprint.route("/<uuid:lead_id>/edit", methods=["GET", "POST"])
@permission_required("lead.edit")
def edit(lead_id: UUID) -> ResponseReturnValue:
    """Change what is known about a lead."""
    lead = domain.lead_of(lead_id)
    form = _form(lead)
    if (
        not is_searching()
        and form.validate_on_submit()
        and not form.is_stale(lead.updated_at.isoformat())
        and records.accepts(form, lambda: domain.change_lead(lead, _values(form), g.member.name))
    ):
        db.session.commit()
        flash("The lead has been saved.", "success")
        return redirect(url_for("leads.lead", lead_id=lead.id))
    return _form_page(form, lead)


@blueprint.post("/<uuid:lead_id>/status")
@permission_required("lead.edit")
def change_status(lead_id: UUID) -> ResponseReturnValue:
    """Qualify, disqualify, reactivate."""
    lead = domain.lead_of(lead_id)
    domain.change_status(lead, request.form.get("status", ""), g.member.name)
    db.session.commit()
    flash(f"The lead is {domain.STATUS_NAMES[lead.status].lower()} now.", "success")
    return redirect(url_for("leads.lead", lead_id=lead.id))


@blueprint.post("/status")
@permission_required("lead.edit")
def change_statuses() -> ResponseReturnValue:
    """The same for the ticked ones of the list."""
    status = request.form.get("status", "")
    number = domain.change_statuses(records.selected_ids(), status, g.member.name)
    db.session.commit()
    flash("1 lead changed." if number == 1 else f"{number} leads changed.", "success")
    return redirect(records.link("leads.index"))


@blueprint.post("/export")
@permission_required("data.export", "lead.view")
def export() -> Response:
    """The filtered list as CSV; who took it is on record."""
    filter, order = _filter(), _order()
    narrowed = {name: str(value) for name, value in filter.__dict__.items() if value}
    return records.csv_file(
        "leads",
        domain.EXPORT_HEADER,
        domain.exported_leads(filter, order),
        noted=lambda: audit.record(actor(), "leads.exported", "Leads as CSV", after=narrowed),
    )


def _filter() -> LeadFilter:
    status = request.args.get("status", "")
    return LeadFilter(
        status=status if status in domain.STATUSES else "",
        words=records.clean_text(request.args.get("q")),
        owner_id=records.id_argument("owner"),
        is_unowned=request.args.get("owner") == records.NOBODY,
        source_id=records.id_argument("source"),
    )


def _order() -> Order:
    return Order.of(request.args.get("sort", ""), domain.SORTS, domain.NEWEST_FIRST)


def _tabs(filter: LeadFilter) -> list[dict[str, Any]]:
    counts = domain.lead_counts(filter)
    counts[""] = sum(counts.values())
    return records.status_tabs("leads.index", {"": "All", **domain.STATUS_NAMES}, counts, filter.status)


def _source_names() -> dict[UUID, str]:
    return {source.id: source.name for source in db.session.scalars(lead_sources())}


def _form(lead: Lead | None, **defaults: str) -> LeadForm:
    form = LeadForm(obj=lead, data=defaults or None)
    if lead is not None:
        form.who_changed = in_history(domain.changes_of(lead))
    if lead is not None and request.method == "GET":
        form.version.data = version_of(lead.updated_at.isoformat())
        form.owner_id.data = str(lead.owner_id or "")
        form.source_id.data = str(lead.source_id or "")
    people = member_choices("owner_id", keep=lead.owner_id if lead else None)
    form.owner_id.choices = [("", "Nobody"), *people]
    shown = [(str(source.id), source.name) for source in db.session.scalars(visible_lead_sources())]
    current = lead.source_id if lead is not None else None
    if current is not None and str(current) not in dict(shown):
        shown.append((str(current), f"{_source_names()[current]} (hidden)"))
    form.source_id.choices = [("", "Unknown"), *shown]
    return form


def _values(form: LeadForm) -> dict[str, Any]:
    values = {name: form[name].data or "" for name in domain.FIELDS if not name.endswith("_id")}
    ids = {name: records.uuid_or_none(form[name].data) for name in ("owner_id", "source_id")}
    return values | ids


def _form_page(form: LeadForm, lead: Lead | None) -> ResponseReturnValue:
    page = render_template("leads/form.html", form=form, lead=lead)
    return page, 422 if request.method == "POST" and not is_searching() else 200
