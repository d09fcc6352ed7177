"""Contacts: the list, a contact with all that hangs on it, erasing."""

from typing import Any
from uuid import UUID

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from mailboxes.conversion import conversations_of_contact
from mailboxes.crm import cases, erasing, leads
from mailboxes.crm import contacts as domain
from mailboxes.crm.cases import CaseFilter
from mailboxes.crm.contacts import Contact
from mailboxes.crm.leads import LeadFilter
from mailboxes.crm.paging import Order
from tenants import audit
from tenants.database import db
from webapp import records
from webapp.configuration.pages import actor
from webapp.contacts.forms import SPOKEN, ContactForm, language_choices
from webapp.guards import permission_required
from webapp.versions import version_of

blueprint = Blueprint("contacts", __name__, url_prefix="/contacts")

HEADINGS = (
    ("Name", "name"),
    ("Email", ""),
    ("Company", "company"),
    ("Phone", ""),
    ("Language", ""),
    ("First seen", "first"),
    ("Last seen", "last"),
)
SHOWN_RECORDS = 50


@blueprint.get("/")
@permission_required("contact.view")
def index() -> ResponseReturnValue:
    """The list."""
    words = records.clean_text(request.args.get("q"))
    order = Order.of(request.args.get("sort", ""), domain.SORTS, domain.LATEST_FIRST)
    page = domain.contact_page(words, order, request.args.get("page", ""))
    return render_template(
        "contacts/index.html",
        contacts=page.rows,
        addresses=domain.addresses_of(contact.id for contact in page.rows),
        pager=records.pages("contacts.index", page),
        columns=records.columns("contacts.index", order, HEADINGS),
        languages=SPOKEN,
        is_filtered=bool(words),
    )


@blueprint.route("/new", methods=["GET", "POST"])
@permission_required("contact.edit")
def new() -> ResponseReturnValue:
    """A contact that somebody adds by hand."""
    form = ContactForm()
    made: list[Contact] = []
    if form.validate_on_submit() and records.accepts(
        form, lambda: made.append(domain.make_contact(_values(form), _addresses(form)))
    ):
        db.session.commit()
        flash(f"{made[0].title} was added.", "success")
        return redirect(url_for("contacts.contact", contact_id=made[0].id))
    return _form_page(form, None)


@blueprint.get("/<uuid:contact_id>")
@permission_required("contact.view")
def contact(contact_id: UUID) -> ResponseReturnValue:
    """One contact: conversations, leads and cases, each as far as this member may see them."""
    contact = domain.contact_of(contact_id)
    return render_template(
        "contacts/contact.html",
        contact=contact,
        addresses=domain.addresses_of([contact.id]).get(contact.id, []),
        languages=SPOKEN,
        conversations=records.conversation_rows(conversations_of_contact(g.member, contact)),
        leads=_leads(contact),
        cases=_cases(contact),
        lead_statuses=leads.STATUS_NAMES,
        case_statuses=cases.STATUS_NAMES,
        footprint=erasing.footprint(contact),
    )


@blueprint.route("/<uuid:contact_id>/edit", methods=["GET", "POST"])
@permission_required("contact.edit")
def edit(contact_id: UUID) -> ResponseReturnValue:
    """Change what is known about a contact."""
    contact = domain.contact_of(contact_id)
    stored = _stored(contact)
    form = ContactForm(data={**stored, "version": version_of(stored)})
    form.language.choices = language_choices(contact.language or "")
    if (
        form.validate_on_submit()
        and not form.is_stale(stored)
        and records.accepts(form, lambda: domain.change_contact(contact, _values(form), _addresses(form)))
    ):
        db.session.commit()
        flash("The contact has been saved.", "success")
        return redirect(url_for("contacts.contact", contact_id=contact.id))
    return _form_page(form, contact)


@blueprint.post("/<uuid:contact_id>/erase")
@permission_required("contact.edit")
def erase(contact_id: UUID) -> ResponseReturnValue:
    """Forget a person on request."""
    contact = domain.contact_of(contact_id)
    touched = erasing.erase(contact)
    numbers = {"leads": touched.lead_count, "cases": touched.case_count}
    audit.record(actor(), "contact.erased", f"Contact {contact_id}", after=numbers)
    db.session.commit()
    flash("The contact was erased.", "success")
    return redirect(url_for("contacts.index"))


def _leads(contact: Contact) -> list[Any]:
    if "lead.view" not in g.permissions:
        return []
    query = leads.leads(LeadFilter(contact_id=contact.id)).order_by(leads.Lead.created_at.desc())
    return list(db.session.scalars(query.limit(SHOWN_RECORDS)))


def _cases(contact: Contact) -> list[Any]:
    if "case.view" not in g.permissions:
        return []
    query = cases.cases(CaseFilter(contact_id=contact.id)).order_by(cases.Case.reported_at.desc())
    return list(db.session.scalars(query.limit(SHOWN_RECORDS)))


def _stored(contact: Contact) -> dict[str, Any]:
    return {
        **{name: getattr(contact, name) or "" for name in domain.FIELDS},
        "addresses": "\n".join(domain.addresses_of([contact.id]).get(contact.id, [])),
    }


def _values(form: ContactForm) -> dict[str, Any]:
    return {name: form[name].data or "" for name in domain.FIELDS}


def _addresses(form: ContactForm) -> list[str]:
    return domain.addresses_from(form.addresses.data or "")


def _form_page(form: ContactForm, contact: Contact | None) -> ResponseReturnValue:
    page = render_template("contacts/form.html", form=form, contact=contact)
    return page, 422 if request.method == "POST" else 200
