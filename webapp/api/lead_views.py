"""Leads."""

from typing import Any
from uuid import UUID

from mailboxes.crm import leads as domain
from mailboxes.crm.leads import Lead, LeadFilter
from mailboxes.crm.paging import Page
from mailboxes.crm.texts import NAME_LENGTH, NOTES_LENGTH
from mailboxes.interchange.bodies import at_most, identifier
from mailboxes.interchange.nodes import Fields, choice, or_nothing
from mailboxes.interchange.records import record
from tenants.database import db
from tenants.database.locks import hold_row
from webapp.api.known import demand_member, demand_source
from webapp.api.listing import order_of, sorted_page, sorting
from webapp.api.operations import WORDS, choice_of, demand_match, id_of, once, operation
from webapp.api.shapes import FLAG, ID, MOMENT, TEXT, Shape, maybe, one_of
from webapp.configuration.pages import actor

_SHORT = ("name", "first_name", "last_name", "company", "job_title", "address", "phone", "website")
LEAD = Shape(
    "Lead",
    id=ID,
    status=one_of(*domain.STATUSES),
    **dict.fromkeys((*_SHORT, "notes"), TEXT),
    **dict.fromkeys(("owner_id", "source_id", "contact_id"), maybe(ID)),
    is_automatic=FLAG,
    created_at=MOMENT,
    updated_at=MOMENT,
)
_FIELDS: Fields = {
    **{name: at_most(NAME_LENGTH, is_demanded=name == "name") for name in _SHORT},
    "notes": at_most(NOTES_LENGTH),
    "owner_id": or_nothing(identifier),
    "source_id": or_nothing(identifier),
}
NEW_LEAD = record(_FIELDS, ("name",))
LEAD_CHANGES = record({**_FIELDS, "status": choice(*domain.STATUSES)})


@operation(
    "GET",
    "/leads",
    scope="leads:read",
    permissions=("lead.view",),
    answer=LEAD,
    is_list=True,
    query={
        "q": WORDS,
        "status": choice_of("Of this status alone.", *domain.STATUSES),
        "owner_id": id_of("Of this owner alone."),
        "source_id": id_of("Of this source alone."),
        "contact_id": id_of("Of this contact alone."),
        "sort": sorting(domain.SORTS, domain.NEWEST_FIRST),
    },
)
def list_leads(query: dict[str, Any]) -> Page[Lead]:
    """Leads, narrowed and sorted as in their list."""
    narrowed = {
        name: query[name] for name in ("status", "owner_id", "source_id", "contact_id") if name in query
    }
    filter = LeadFilter(words=query.get("q", ""), **narrowed)
    order = order_of(query, domain.SORTS, domain.NEWEST_FIRST)
    return sorted_page(
        query, domain.SORTS, order, lambda cursor, size: domain.lead_page(filter, order, cursor, size)
    )


@operation("GET", "/leads/<uuid:lead_id>", scope="leads:read", permissions=("lead.view",), answer=LEAD)
def read_lead(lead_id: UUID) -> Lead:
    """One lead."""
    return domain.lead_of(lead_id)


@operation(
    "POST",
    "/leads",
    scope="leads:write",
    permissions=("lead.view", "lead.edit"),
    body=NEW_LEAD,
    answer=LEAD,
    status=201,
    is_once=True,
)
def make_lead(body: dict[str, Any]) -> Lead:
    """Make a lead by hand."""
    _demand_known(body)
    id = once(lambda: domain.make_lead(body, actor().name).id)
    db.session.commit()
    return domain.lead_of(id)


@operation(
    "PATCH",
    "/leads/<uuid:lead_id>",
    scope="leads:write",
    permissions=("lead.view", "lead.edit"),
    body=LEAD_CHANGES,
    answer=LEAD,
    is_matched=True,
)
def change_lead(lead_id: UUID, body: dict[str, Any]) -> Lead:
    """Change what is said, and leave the rest; a status goes on as its buttons do."""
    lead = domain.lead_of(lead_id)
    hold_row(lead)
    demand_match(LEAD.shown(lead))
    _demand_known({name: id for name, id in body.items() if id != getattr(lead, name)})
    status = body.pop("status", lead.status)
    domain.change_lead(lead, body, actor().name)
    if status != lead.status:
        domain.change_status(lead, status, actor().name)
    db.session.commit()
    return lead


def _demand_known(body: dict[str, Any]) -> None:
    demand_member(body.get("owner_id"), "owner_id")
    demand_source(body.get("source_id"), "source_id")
