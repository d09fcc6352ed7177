"""Leads: someone who may buy."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, Select, func, select
from sqlalchemy.orm import Mapped, mapped_column

from mailboxes.crm import history, texts
from mailboxes.crm.lead_sources import LeadSource
from mailboxes.crm.paging import SIZE, Order, Page, page
from mailboxes.webhooks.telling import tell
from tenants.database import Base, OrganizationScoped, db, now, scoped_key, uuid7
from tenants.database.portions import add_new, write_later
from tenants.database.searching import has_words
from tenants.errors import ConflictError, InvalidError, NotFoundError

STATUSES = ("new", "qualified", "disqualified")
STATUS_NAMES = {"new": "New", "qualified": "Qualified", "disqualified": "Disqualified"}
# What each status can become, and what the button says.
STATUS_COMMANDS = {
    "new": (("qualified", "Qualify"), ("disqualified", "Disqualify")),
    "qualified": (("new", "Reactivate"), ("disqualified", "Disqualify")),
    "disqualified": (("new", "Reactivate"), ("qualified", "Qualify")),
}
FIELDS = (
    "name",
    "first_name",
    "last_name",
    "company",
    "job_title",
    "address",
    "phone",
    "website",
    "notes",
    "owner_id",
    "source_id",
)
EXPORT_HEADER = (
    "Name",
    "Status",
    "First name",
    "Last name",
    "Company",
    "Job title",
    "Email",
    "Phone",
    "Website",
    "Source",
    "Owner",
    "Created",
    "Changed",
    "Notes",
)


class Lead(OrganizationScoped, Base):
    """A lead; one that automation made names its opening message."""

    __tablename__ = "leads"
    __table_args__ = (
        scoped_key("owner_id", "memberships", ondelete="SET NULL (owner_id)"),
        scoped_key("source_id", "lead_sources", ondelete="SET NULL (source_id)"),
        scoped_key("contact_id", "contacts", ondelete="SET NULL (contact_id)"),
        scoped_key("opening_message_id", "messages", ondelete="SET NULL (opening_message_id)"),
        CheckConstraint("status IN ('new', 'qualified', 'disqualified')", name="status"),
        Index("ix_leads_list", "organization_id", "created_at", "id"),
        Index("ix_leads_contact", "organization_id", "contact_id", "created_at"),
        Index("ix_leads_source", "organization_id", "source_id"),
    )

    name: Mapped[str]
    status: Mapped[str] = mapped_column(default="new")
    first_name: Mapped[str] = mapped_column(default="")
    last_name: Mapped[str] = mapped_column(default="")
    company: Mapped[str] = mapped_column(default="")
    job_title: Mapped[str] = mapped_column(default="")
    address: Mapped[str] = mapped_column(default="")  # email
    phone: Mapped[str] = mapped_column(default="")
    website: Mapped[str] = mapped_column(default="")
    notes: Mapped[str] = mapped_column(default="")
    owner_id: Mapped[UUID | None] = mapped_column(default=None)
    source_id: Mapped[UUID | None] = mapped_column(default=None)
    contact_id: Mapped[UUID | None] = mapped_column(default=None)
    opening_message_id: Mapped[UUID | None] = mapped_column(default=None)
    is_automatic: Mapped[bool] = mapped_column(default=False)  # made by conversion, not by hand
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now)

    @property
    def person(self) -> str:
        """First and last name in one."""
        return f"{self.first_name} {self.last_name}".strip()


class LeadChange(OrganizationScoped, Base):
    """The history of a lead: ``changes`` maps a field to [before, after]; empty when it was made."""

    __tablename__ = "lead_changes"
    __table_args__ = (
        scoped_key("lead_id", "leads", ondelete="CASCADE"),
        Index("ix_lead_changes_lead_id", "organization_id", "lead_id", "at"),
    )

    lead_id: Mapped[UUID]
    at: Mapped[datetime] = mapped_column(default=now)
    actor_name: Mapped[str]
    changes: Mapped[dict[str, Any]] = mapped_column(default=dict)


SORTS = {
    "name": func.lower(Lead.name),
    "status": Lead.status,
    "company": func.lower(Lead.company),
    "created": Lead.created_at,
    "updated": Lead.updated_at,
}
NEWEST_FIRST = "-created"


@dataclass(frozen=True)
class LeadFilter:
    """What a list of leads is narrowed to; empty values do not narrow."""

    status: str = ""
    words: str = ""
    owner_id: UUID | None = None
    is_unowned: bool = False
    source_id: UUID | None = None
    contact_id: UUID | None = None


def leads(filter: LeadFilter = LeadFilter()) -> Select[Lead]:
    """Leads of the current organization that a filter lets through, in no order."""
    query = select(Lead)
    for column, value in (
        (Lead.status, filter.status),
        (Lead.owner_id, filter.owner_id),
        (Lead.source_id, filter.source_id),
        (Lead.contact_id, filter.contact_id),
    ):
        if value:
            query = query.where(column == value)
    if filter.is_unowned:
        query = query.where(Lead.owner_id.is_(None))
    return query.where(*has_words(filter.words, *_SEARCHED))


def lead_page(filter: LeadFilter, order: Order, cursor: str = "", size: int = SIZE) -> Page[Lead]:
    """A page of the list."""
    key = SORTS[order.name]
    return page(leads(filter), key, Lead.id, is_descending=order.is_descending, cursor=cursor, size=size)


def lead_counts(filter: LeadFilter) -> dict[str, int]:
    """How many leads of each status the rest of the filter lets through."""
    query = leads(LeadFilter(**{**filter.__dict__, "status": ""}))
    rows = db.session.execute(query.with_only_columns(Lead.status, func.count()).group_by(Lead.status))
    return {status: number for status, number in rows}  # noqa: C416  # rows are no pairs, to mypy


def lead_count_by_source() -> dict[UUID, int]:
    """How many leads have each source; sources without leads are missing."""
    rows = db.session.execute(
        select(Lead.source_id, func.count()).where(Lead.source_id.is_not(None)).group_by(Lead.source_id)
    )
    return {id: number for id, number in rows if id is not None}


def lead_of(id: UUID) -> Lead:
    """A lead of the current organization; `NotFoundError` if there is none."""
    lead = db.session.scalar(select(Lead).where(Lead.id == id))
    if lead is None:
        raise NotFoundError("This lead does not exist.")
    return lead


def changes_of(lead: Lead) -> Select[LeadChange]:
    """The history of a lead, newest first."""
    return (
        select(LeadChange)
        .where(LeadChange.lead_id == lead.id)
        .order_by(LeadChange.at.desc(), LeadChange.id.desc())
    )


def make_lead(values: Mapping[str, Any], actor_name: str, **facts: Any) -> Lead:
    """A new lead from `FIELDS`; ``facts`` are attributes that no form sets, such as ``contact_id``."""
    row = {"id": uuid7(), **_checked(values), **facts}
    lead = add_new(Lead, row)
    write_later(LeadChange, {"lead_id": lead.id, "actor_name": actor_name})
    tell("lead.made", opening_message_id=row.get("opening_message_id"), lead=lead.id)
    return lead


def change_lead(lead: Lead, values: Mapping[str, Any], actor_name: str) -> None:
    """Change some of `FIELDS`, and keep what they were."""
    _remember(lead, history.assign(lead, _checked(values)), actor_name)


def change_status(lead: Lead, status: str, actor_name: str) -> None:
    """Qualify, disqualify or reactivate; `ConflictError` where that is no way from the present status."""
    if status not in dict(STATUS_COMMANDS[lead.status]):
        raise ConflictError(f"This lead is {STATUS_NAMES[lead.status].lower()} already.")
    _remember(lead, history.assign(lead, {"status": status}), actor_name)


def change_statuses(ids: Iterable[UUID], status: str, actor_name: str) -> int:
    """The same for several leads; those it does not apply to stay. How many changed."""
    if status not in STATUSES:
        raise InvalidError("Choose a status.", field="status")
    query = select(Lead).where(Lead.id.in_(list(ids)), Lead.status != status).with_for_update()
    chosen = db.session.scalars(query).all()
    for lead in chosen:
        change_status(lead, status, actor_name)
    return len(chosen)


def exported_leads(filter: LeadFilter, order: Order) -> Iterator[tuple[Any, ...]]:
    """The whole list for a file, under `EXPORT_HEADER`, read bit by bit."""
    key = SORTS[order.name]
    query = leads(filter).order_by(key.desc() if order.is_descending else key.asc(), Lead.id)
    sources = {source.id: source.name for source in db.session.scalars(select(LeadSource))}
    owners = history.member_names(db.session.scalars(select(Lead.owner_id).distinct()).all())
    for lead in db.session.scalars(query.execution_options(yield_per=500)):
        yield (
            lead.name,
            STATUS_NAMES[lead.status],
            lead.first_name,
            lead.last_name,
            lead.company,
            lead.job_title,
            lead.address,
            lead.phone,
            lead.website,
            sources.get(lead.source_id) if lead.source_id else "",
            owners.get(lead.owner_id) if lead.owner_id else "",
            lead.created_at,
            lead.updated_at,
            lead.notes,
        )


_SEARCHED = (Lead.name, Lead.first_name, Lead.last_name, Lead.company, Lead.address, Lead.phone)


def _checked(values: Mapping[str, Any]) -> dict[str, Any]:
    unknown = set(values) - set(FIELDS)
    if unknown:
        raise ValueError(f"no field of a lead: {unknown}")
    clean = {name: _clean(name, value) for name, value in values.items()}
    if not clean.get("name", "-"):
        raise InvalidError("Type a name.", field="name")
    if clean.get("address") and not texts.is_address(clean["address"]):
        raise InvalidError("Type an email address, such as mia@example.com.", field="address")
    return clean


def _clean(name: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return texts.notes(value) if name == "notes" else texts.one_line(value)


def _remember(lead: Lead, changes: dict[str, list[Any]], actor_name: str) -> None:
    if not changes:
        return
    lead.updated_at = now()
    owners = history.member_names(changes.get("owner_id", ()))
    sources = select(LeadSource).where(LeadSource.id.in_([id for id in changes.get("source_id", ()) if id]))
    names = {source.id: source.name for source in db.session.scalars(sources)}
    words = history.named(changes, {"owner_id": owners, "source_id": names})
    db.session.add(LeadChange(lead_id=lead.id, actor_name=actor_name, changes=words))
    db.session.flush()
    tell(
        "lead.changed",
        opening_message_id=lead.opening_message_id,
        lead=lead.id,
        status=lead.status,
        changed=sorted(words),
    )
