"""Lead sources: where a lead came from, a lookup of each organization."""

import re
import unicodedata
from uuid import UUID

from sqlalchemy import Select, UniqueConstraint, func, select
from sqlalchemy.orm import Mapped, mapped_column

from mailboxes.crm import texts
from tenants.database import Base, OrganizationScoped, db
from tenants.errors import ConflictError, InvalidError, NotFoundError

# Offered in every organization: copied into each under its key. The first is the default.
SYSTEM_SOURCES = {
    "email": "Email",
    "web_form": "Web form",
    "phone": "Phone",
    "referral": "Referral",
    "demand_generation": "Demand Generation",
}
NAME_LENGTH = 100


class LeadSource(OrganizationScoped, Base):
    """One choice. ``key`` is stable and names it in files and global mailboxes."""

    __tablename__ = "lead_sources"
    __table_args__ = (
        UniqueConstraint("organization_id", "name"),
        UniqueConstraint("organization_id", "key"),
    )

    key: Mapped[str]
    name: Mapped[str]
    position: Mapped[int] = mapped_column(default=0)
    is_hidden: Mapped[bool] = mapped_column(default=False)
    is_default: Mapped[bool] = mapped_column(default=False)
    system_key: Mapped[str | None] = mapped_column(default=None)


def lead_sources() -> Select[LeadSource]:
    """All sources of the current organization, in their order."""
    return select(LeadSource).order_by(LeadSource.position, LeadSource.name)


def visible_lead_sources() -> Select[LeadSource]:
    """Those that can be chosen for a new lead."""
    return lead_sources().where(~LeadSource.is_hidden)


def lead_source_of(id: UUID) -> LeadSource:
    """A source of the current organization; `NotFoundError` if there is none."""
    source = db.session.scalar(select(LeadSource).where(LeadSource.id == id))
    if source is None:
        raise NotFoundError("This lead source does not exist.")
    return source


def lead_source_with_key(key: str) -> LeadSource | None:
    """The source that a mailbox's settings or a file names; hidden ones count."""
    return db.session.scalar(select(LeadSource).where(LeadSource.key == key))


def default_lead_source() -> LeadSource | None:
    """What a lead gets when nobody said otherwise: the default one, else the first that is shown."""
    query = visible_lead_sources().order_by(None)
    return db.session.scalar(query.order_by(LeadSource.is_default.desc(), LeadSource.position).limit(1))


def offer_lead_sources() -> dict[str, LeadSource]:
    """Copy the system's sources into the current organization; those already there stay. By key.

    Call it when an organization is made. A name that the organization took for itself stays its own.
    """
    present = {source.key: source for source in db.session.scalars(lead_sources())}
    names = {source.name.casefold() for source in present.values()}
    has_default = any(source.is_default for source in present.values())
    for key, name in SYSTEM_SOURCES.items():
        if key in present or name.casefold() in names:
            continue
        present[key] = LeadSource(key=key, name=name, system_key=key, position=_next_position())
        present[key].is_default = not has_default
        has_default = True
        db.session.add(present[key])
        db.session.flush()  # the next position
    return present


def add_lead_source(name: str, key: str = "") -> LeadSource:
    """A source of the organization's own, at the end; `InvalidError` at ``name`` if it is taken."""
    name = _checked_name(name)
    source = LeadSource(key=_free_key(key or name), name=name, position=_next_position())
    source.is_default = default_lead_source() is None
    db.session.add(source)
    db.session.flush()
    return source


def rename_lead_source(source: LeadSource, name: str) -> None:
    """Call it something else; leads that have it show the new name, its key stays."""
    source.name = _checked_name(name, source)
    db.session.flush()


def move_lead_source(source: LeadSource, *, up: bool) -> None:
    """Change places with the neighbour above or below; at an end nothing happens."""
    ordered = list(db.session.scalars(lead_sources().with_for_update()))
    place = ordered.index(source)
    other = place - 1 if up else place + 1
    if 0 <= other < len(ordered):
        ordered[place], ordered[other] = ordered[other], ordered[place]
    for position, one in enumerate(ordered):
        one.position = position


def hide_lead_source(source: LeadSource, *, is_hidden: bool) -> None:
    """Offer it for new leads no more, or again; leads that have it keep it."""
    if is_hidden and source.is_default:
        raise ConflictError("The default source cannot be hidden. Make another one the default first.")
    source.is_hidden = is_hidden


def make_default_lead_source(source: LeadSource) -> None:
    """Leads without a source of their own get this one; it is shown from now on."""
    for other in db.session.scalars(lead_sources().with_for_update()):
        other.is_default = other.id == source.id
    source.is_hidden = False


def delete_lead_source(source: LeadSource) -> None:
    """Delete a source of one's own that nothing uses (`mailboxes.conversion.remove_lead_source` looks)."""
    if source.system_key:
        raise ConflictError("The system offers this source to everybody. Hide it instead.")
    if source.is_default:
        raise ConflictError("The default source cannot be removed. Make another one the default first.")
    db.session.delete(source)
    db.session.flush()


def _checked_name(name: str, source: LeadSource | None = None) -> str:
    name = texts.one_line(name, NAME_LENGTH)
    if not name:
        raise InvalidError("Type a name.", field="name")
    taken = select(LeadSource.id).where(func.lower(LeadSource.name) == name.lower())
    if source is not None:
        taken = taken.where(LeadSource.id != source.id)
    if db.session.scalar(taken) is not None:
        raise InvalidError(f"There is a source named “{name}” already.", field="name")
    return name


def _free_key(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    key = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:50] or "source"
    taken = set(db.session.scalars(select(LeadSource.key)))
    number = 1
    while (candidate := key if number == 1 else f"{key}_{number}") in taken | set(SYSTEM_SOURCES):
        number += 1
    return candidate


def _next_position() -> int:
    return (db.session.scalar(select(func.max(LeadSource.position))) or 0) + 1
