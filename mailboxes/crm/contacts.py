"""Contacts: people who wrote."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, UniqueConstraint, func, not_, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from mailboxes.crm import history, texts
from mailboxes.crm.paging import SIZE, Order, Page, page
from tenants.database import (
    Base,
    OrganizationScoped,
    current_organization_id,
    db,
    now,
    scoped_key,
    uuid7,
)
from tenants.database.bulk import among
from tenants.database.portions import asked_once, is_portion, write_later
from tenants.database.searching import search_words
from tenants.errors import InvalidError, NotFoundError

FIELDS = ("name", "first_name", "last_name", "company", "phone", "language", "notes")
ADDRESSES_AT_MOST = 50


class Contact(OrganizationScoped, Base):
    """A person, made when they first write. Never renamed by an unauthenticated From."""

    __tablename__ = "contacts"

    name: Mapped[str] = mapped_column(default="")
    first_name: Mapped[str] = mapped_column(default="")
    last_name: Mapped[str] = mapped_column(default="")
    company: Mapped[str] = mapped_column(default="")
    phone: Mapped[str] = mapped_column(default="")
    language: Mapped[str | None] = mapped_column(default=None)
    notes: Mapped[str] = mapped_column(default="")
    first_seen_at: Mapped[datetime] = mapped_column(default=now)
    last_seen_at: Mapped[datetime] = mapped_column(default=now)

    @property
    def title(self) -> str:
        """What a list calls this contact."""
        return self.name or f"{self.first_name} {self.last_name}".strip() or "(no name)"


class ContactAddress(OrganizationScoped, Base):
    """An address of a contact; unique in the organization."""

    __tablename__ = "contact_addresses"
    __table_args__ = (
        UniqueConstraint("organization_id", "address"),
        scoped_key("contact_id", "contacts", ondelete="CASCADE"),
    )

    contact_id: Mapped[UUID]
    address: Mapped[str]  # lower case


SORTS = {
    "name": func.lower(Contact.name),
    "company": func.lower(Contact.company),
    "first": Contact.first_seen_at,
    "last": Contact.last_seen_at,
}
LATEST_FIRST = "-last"


@dataclass(frozen=True)
class Sighting:
    """That somebody wrote: what the message says about its sender.

    ``is_authenticated``: the receiving server vouches for the domain; then, and only then, may an
    empty name be filled in.
    """

    address: str
    name: str
    at: datetime
    language: str | None = None
    is_authenticated: bool = False


def contacts(words: str = "") -> Select[Contact]:
    """Contacts of the current organization whose name, company, phone or address holds all words."""
    query = select(Contact)
    for word in search_words(words):
        having = select(ContactAddress.contact_id).where(
            ContactAddress.address.icontains(word, autoescape=True)
        )
        columns = (Contact.name, Contact.first_name, Contact.last_name, Contact.company, Contact.phone)
        found = (column.icontains(word, autoescape=True) for column in columns)
        query = query.where(or_(Contact.id.in_(having), *found))
    return query


def contact_page(words: str, order: Order, cursor: str = "", size: int = SIZE) -> Page[Contact]:
    """A page of the list."""
    key = SORTS[order.name]
    return page(contacts(words), key, Contact.id, is_descending=order.is_descending, cursor=cursor, size=size)


def contact_of(id: UUID) -> Contact:
    """A contact of the current organization; `NotFoundError` if there is none."""
    contact = db.session.scalar(select(Contact).where(Contact.id == id))
    if contact is None:
        raise NotFoundError("This contact does not exist.")
    return contact


def contact_with_address(address: str) -> Contact | None:
    """Whose address this is."""
    return _contact_at(address.lower())


def know_contacts(addresses: Collection[str]) -> None:
    """Ask `contact_with_address` for a portion."""
    wanted = {address.lower() for address in addresses}
    query = _with_addresses().where(among(ContactAddress.address, wanted))
    known = {row.address: row.Contact for row in db.session.execute(query)}
    for address in wanted:
        _contact_at.know(known.get(address), address)


@asked_once
def _contact_at(address: str) -> Contact | None:
    found: Contact | None = db.session.scalar(_with_addresses().where(ContactAddress.address == address))
    return found


def _with_addresses() -> Select[Contact, str]:
    return select(Contact, ContactAddress.address).join(
        ContactAddress,
        (ContactAddress.organization_id == Contact.organization_id)
        & (ContactAddress.contact_id == Contact.id),
    )


def addresses_of(ids: Iterable[UUID]) -> dict[UUID, list[str]]:
    """The addresses of contacts, oldest first."""
    rows = db.session.execute(
        select(ContactAddress.contact_id, ContactAddress.address)
        .where(ContactAddress.contact_id.in_(list(ids)))
        .order_by(ContactAddress.id)
    )
    found: dict[UUID, list[str]] = {}
    for contact_id, address in rows:
        found.setdefault(contact_id, []).append(address)
    return found


def contact_titles(ids: Iterable[UUID | None]) -> dict[UUID, str]:
    """What lists call these contacts."""
    wanted = {id for id in ids if id is not None}
    if not wanted:
        return {}
    found = db.session.scalars(select(Contact).where(Contact.id.in_(wanted)))
    return {contact.id: contact.title for contact in found}


def suggestions(text: str, limit: int = 10) -> list[tuple[str, str]]:
    """(name, address) of contacts for a recipient's field: where a word of it begins so, before others.

    Among each, those seen last come first.
    """
    query = (
        contacts(text)
        .join(
            ContactAddress,
            (ContactAddress.organization_id == Contact.organization_id)
            & (ContactAddress.contact_id == Contact.id),
        )
        .with_only_columns(Contact.name, ContactAddress.address)
        .order_by(Contact.last_seen_at.desc(), ContactAddress.id)
    )
    begins = or_(
        ContactAddress.address.istartswith(text, autoescape=True),
        Contact.name.istartswith(text, autoescape=True),
        Contact.name.icontains(f" {text}", autoescape=True),
    )
    found = [(name, address) for name, address in db.session.execute(query.where(begins).limit(limit))]
    if len(found) < limit:
        others = db.session.execute(query.where(not_(begins)).limit(limit - len(found)))
        found += [(name, address) for name, address in others]
    return found


def see(sighting: Sighting, *, may_make: bool) -> Contact | None:
    """The contact with this address, seen once more; a new one if there is none and ``may_make``.

    A name, once there, is never changed here, whoever claims to be who; people do that.
    """
    if not texts.is_address(sighting.address):
        return None
    contact = contact_with_address(sighting.address)
    if contact is None:
        return _made(sighting) if may_make else None
    contact.first_seen_at = min(contact.first_seen_at, sighting.at)
    contact.last_seen_at = max(contact.last_seen_at, sighting.at)
    contact.language = contact.language or sighting.language
    if sighting.is_authenticated and not contact.name:
        contact.name = texts.display_name(sighting.name, sighting.address)
    return contact


def make_contact(values: Mapping[str, Any], addresses: list[str]) -> Contact:
    """A contact made by hand; `InvalidError` at the field that cannot be accepted."""
    contact = Contact(**_checked(values))
    if not (addresses or contact.name or contact.first_name or contact.last_name):
        raise InvalidError("Type a name or an address.", field="name")
    db.session.add(contact)
    db.session.flush()  # its id
    _keep_addresses(contact, addresses)
    return contact


def change_contact(contact: Contact, values: Mapping[str, Any], addresses: list[str]) -> None:
    """Change `FIELDS` and the addresses; `InvalidError` at the field that cannot be accepted."""
    history.assign(contact, _checked(values))
    _keep_addresses(contact, addresses)


def addresses_from(text: str) -> list[str]:
    """Addresses of a form field, one a line (or with commas), each once, in lower case."""
    words = (word.strip().lower() for word in text.replace("\x00", "").replace(",", "\n").splitlines())
    return list(dict.fromkeys(word for word in words if word))


def _made(sighting: Sighting) -> Contact | None:
    """The losing one of two that see somebody at once takes the winner's contact; a portion fails."""
    contact, address = _contact_of(sighting), sighting.address.lower()
    if is_portion():
        db.session.add(contact)
        write_later(ContactAddress, {"contact_id": contact.id, "address": address})
        _contact_at.know(contact, address)
        return contact
    with db.session.begin_nested() as savepoint:
        db.session.add(contact)
        db.session.flush()
        claimed = db.session.scalar(
            insert(ContactAddress)
            .values(
                organization_id=current_organization_id(),
                id=uuid7(),
                contact_id=contact.id,
                address=address,
            )
            .on_conflict_do_nothing()
            .returning(ContactAddress.id)
        )
        if claimed is not None:
            return contact
        savepoint.rollback()
    return contact_with_address(address)


def _contact_of(sighting: Sighting) -> Contact:
    first_name, last_name = texts.split_name(sighting.name, sighting.address)
    return Contact(
        id=uuid7(),
        name=texts.display_name(sighting.name, sighting.address),
        first_name=first_name,
        last_name=last_name,
        company="",
        phone="",
        language=sighting.language,
        first_seen_at=sighting.at,
        last_seen_at=sighting.at,
    )


def _checked(values: Mapping[str, Any]) -> dict[str, Any]:
    unknown = set(values) - set(FIELDS)
    if unknown:
        raise ValueError(f"no field of a contact: {unknown}")
    clean: dict[str, Any] = {}
    for name, value in values.items():
        text = value or ""
        clean[name] = texts.notes(text) if name == "notes" else texts.one_line(text)
    if "language" in clean:
        clean["language"] = clean["language"].lower()[:5] or None
    return clean


def _keep_addresses(contact: Contact, addresses: list[str]) -> None:
    _demand_usable(contact, addresses)
    rows = db.session.scalars(select(ContactAddress).where(ContactAddress.contact_id == contact.id))
    present = {row.address: row for row in rows}
    for address, row in present.items():
        if address not in addresses:
            db.session.delete(row)
    for address in addresses:
        if address not in present:
            db.session.add(ContactAddress(contact_id=contact.id, address=address))
    db.session.flush()


def _demand_usable(contact: Contact, addresses: list[str]) -> None:
    if len(addresses) > ADDRESSES_AT_MOST:
        raise InvalidError(f"List at most {ADDRESSES_AT_MOST} addresses.", field="addresses")
    for address in addresses:
        if not texts.is_address(address):
            raise InvalidError(
                f"“{address}” is no email address. Write it like mia@example.com.", field="addresses"
            )
    taken = db.session.scalar(
        select(ContactAddress.address).where(
            ContactAddress.address.in_(addresses), ContactAddress.contact_id != contact.id
        )
    )
    if taken is not None:
        raise InvalidError(
            f"{taken} belongs to another contact. Take it away there first.", field="addresses"
        )
