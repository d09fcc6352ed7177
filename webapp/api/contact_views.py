"""Contacts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from mailboxes.crm import contacts as domain
from mailboxes.crm import erasing
from mailboxes.crm.contacts import Contact
from mailboxes.crm.paging import Page
from mailboxes.crm.texts import NAME_LENGTH, NOTES_LENGTH
from mailboxes.interchange.bodies import at_most
from mailboxes.interchange.nodes import Fields, address, choice, listed, or_nothing
from mailboxes.interchange.records import record
from tenants import audit
from tenants.database import db
from tenants.database.locks import hold_row
from webapp.api.listing import order_of, sorted_page, sorting
from webapp.api.operations import WORDS, demand_match, once, operation
from webapp.api.shapes import ID, MOMENT, TEXT, Shape, maybe, several
from webapp.configuration.pages import actor
from webapp.contacts.forms import SPOKEN

_SHORT = ("name", "first_name", "last_name", "company", "phone")


@dataclass(frozen=True)
class Known:
    """A contact with its addresses."""

    contact: Contact
    addresses: list[str]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.contact, name)


CONTACT = Shape(
    "Contact",
    id=ID,
    **dict.fromkeys((*_SHORT, "notes"), TEXT),
    language=maybe(TEXT),
    addresses=several(TEXT),
    first_seen_at=MOMENT,
    last_seen_at=MOMENT,
)
_FIELDS: Fields = {
    **{name: at_most(NAME_LENGTH) for name in _SHORT},
    "notes": at_most(NOTES_LENGTH),
    "language": or_nothing(choice(*SPOKEN)),
    "addresses": listed(address),
}
CONTACT_FIELDS = record(_FIELDS)


@operation(
    "GET",
    "/contacts",
    scope="contacts:read",
    permissions=("contact.view",),
    answer=CONTACT,
    is_list=True,
    query={"q": WORDS, "sort": sorting(domain.SORTS, domain.LATEST_FIRST)},
)
def list_contacts(query: dict[str, Any]) -> Page[Known]:
    """Contacts, found by name, company, phone or address."""
    order, words = order_of(query, domain.SORTS, domain.LATEST_FIRST), query.get("q", "")
    found = sorted_page(
        query, domain.SORTS, order, lambda cursor, size: domain.contact_page(words, order, cursor, size)
    )
    return Page(_known(found.rows), found.previous, found.next)


@operation(
    "GET", "/contacts/<uuid:contact_id>", scope="contacts:read", permissions=("contact.view",), answer=CONTACT
)
def read_contact(contact_id: UUID) -> Known:
    """One contact."""
    return _known([domain.contact_of(contact_id)])[0]


@operation(
    "POST",
    "/contacts",
    scope="contacts:write",
    permissions=("contact.view", "contact.edit"),
    body=CONTACT_FIELDS,
    answer=CONTACT,
    status=201,
    is_once=True,
)
def make_contact(body: dict[str, Any]) -> Known:
    """Add a contact by hand, with a name or an address."""
    addresses = body.pop("addresses", [])
    id = once(lambda: domain.make_contact(body, addresses).id)
    db.session.commit()
    return _known([domain.contact_of(id)])[0]


@operation(
    "PATCH",
    "/contacts/<uuid:contact_id>",
    scope="contacts:write",
    permissions=("contact.view", "contact.edit"),
    body=CONTACT_FIELDS,
    answer=CONTACT,
    is_matched=True,
)
def change_contact(contact_id: UUID, body: dict[str, Any]) -> Known:
    """Change what is said, and leave the rest; addresses are replaced as a whole."""
    contact = domain.contact_of(contact_id)
    hold_row(contact)
    stored = _known([contact])[0]
    demand_match(CONTACT.shown(stored))
    addresses = body.pop("addresses", stored.addresses)
    domain.change_contact(contact, body, addresses)
    db.session.commit()
    return _known([contact])[0]


@operation(
    "DELETE",
    "/contacts/<uuid:contact_id>",
    scope="contacts:write",
    permissions=("contact.view", "contact.edit"),
    is_matched=True,
)
def erase_contact(contact_id: UUID) -> None:
    """Forget a person on request, in leads and cases, too."""
    contact = domain.contact_of(contact_id)
    hold_row(contact)
    demand_match(CONTACT.shown(_known([contact])[0]))
    touched = erasing.erase(contact)
    numbers = {"leads": touched.lead_count, "cases": touched.case_count}
    audit.record(actor(), "contact.erased", f"Contact {contact_id}", after=numbers)
    db.session.commit()


def _known(contacts: Sequence[Contact]) -> list[Known]:
    found = domain.addresses_of(contact.id for contact in contacts)
    return [Known(contact, found.get(contact.id, [])) for contact in contacts]
