"""Lead sources: where a lead came from, a lookup of each organization.

Those with a ``system_key`` are copies of what the system offers, and follow it (`system_sources`) until
``overrides`` says otherwise: ``name`` and ``hidden`` of one source, ``position`` and ``default`` of the
organization's whole list. One that was merged into another stays as a signpost under its key, because
files and global mailboxes go on naming it.
"""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Index, Select, UniqueConstraint, or_, select, text
from sqlalchemy.orm import Mapped, mapped_column

from mailboxes.crm import system_sources
from mailboxes.crm.carrying import carry_sources
from mailboxes.crm.system_sources import (
    SystemLeadSource,
    checked_name,
    demand_no_default,
    demand_room,
    free_key,
    put_in_order,
    swapped,
)
from tenants.database import Base, OrganizationScoped, current_organization_id, db, scoped_key
from tenants.database.portions import asked_once
from tenants.errors import ConflictError, NotFoundError

NAME, HIDDEN, POSITION, DEFAULT = "name", "hidden", "position", "default"
NAME_LENGTH = system_sources.NAME_LENGTH


class LeadSource(OrganizationScoped, Base):
    """One choice. ``key`` is stable and names it in files and global mailboxes."""

    __tablename__ = "lead_sources"
    __table_args__ = (
        Index(
            "uq_lead_sources_name",
            "organization_id",
            "name",
            unique=True,
            postgresql_where=text("merged_into_id IS NULL"),
        ),
        UniqueConstraint("organization_id", "key"),
        UniqueConstraint("organization_id", "system_key"),
        scoped_key("merged_into_id", "lead_sources"),
    )

    key: Mapped[str]
    name: Mapped[str]
    position: Mapped[int] = mapped_column(default=0)
    is_hidden: Mapped[bool] = mapped_column(default=False)
    is_default: Mapped[bool] = mapped_column(default=False)
    system_key: Mapped[str | None] = mapped_column(default=None)
    overrides: Mapped[list[str]] = mapped_column(default=list)
    merged_into_id: Mapped[UUID | None] = mapped_column(default=None)

    def follows(self, name: str) -> bool:
        """Whether the system decides this."""
        return self.system_key is not None and name not in self.overrides


def lead_sources() -> Select[LeadSource]:
    """All sources of the current organization, in their order."""
    return (
        select(LeadSource)
        .where(LeadSource.merged_into_id.is_(None))
        .order_by(LeadSource.position, LeadSource.name)
    )


def visible_lead_sources() -> Select[LeadSource]:
    """Those that can be chosen for a new lead."""
    return lead_sources().where(~LeadSource.is_hidden)


def merged_lead_sources() -> Select[LeadSource]:
    """Those that were merged into others, by name."""
    return select(LeadSource).where(LeadSource.merged_into_id.is_not(None)).order_by(LeadSource.name)


def lead_source_of(id: UUID) -> LeadSource:
    """A source of the current organization; `NotFoundError` if there is none."""
    source = db.session.scalar(lead_sources().where(LeadSource.id == id))
    if source is None:
        raise NotFoundError("This lead source does not exist.")
    return source


def merged_lead_source_of(id: UUID) -> LeadSource:
    """One that was merged into another; `NotFoundError` if there is none."""
    source = db.session.scalar(merged_lead_sources().where(LeadSource.id == id))
    if source is None:
        raise NotFoundError("This lead source does not exist.")
    return source


@asked_once
def lead_source_with_key(key: str) -> LeadSource | None:
    """The source that a mailbox's settings or a file names; hidden ones count, merged ones lead on."""
    named = or_(LeadSource.key == key, LeadSource.system_key == key)
    found = db.session.scalar(select(LeadSource).where(named).order_by(LeadSource.key != key).limit(1))
    if found is None or found.merged_into_id is None:
        return found
    return lead_source_of(found.merged_into_id)


def default_lead_source() -> LeadSource | None:
    """What a lead gets when nobody said otherwise: the default one, else the first that is shown."""
    query = visible_lead_sources().order_by(None)
    return db.session.scalar(query.order_by(LeadSource.is_default.desc(), LeadSource.position).limit(1))


def offer_lead_sources() -> dict[str, LeadSource]:
    """Bring the current organization's copies of the system's sources up to date. All sources, by key."""
    system_sources.system_sources()
    db.session.flush()
    carry_sources(db.session(), [current_organization_id()])
    fresh = lead_sources().execution_options(populate_existing=True)
    return {source.key: source for source in db.session.scalars(fresh)}


def add_lead_source(name: str, key: str = "") -> LeadSource:
    """A source of the organization's own, at the end; `InvalidError` at ``name`` if it is taken."""
    present = db.session.scalars(lead_sources()).all()
    demand_room(len(present))
    name = _checked_name(name)
    is_first = all(source.is_hidden for source in present)
    source = LeadSource(
        key=free_key(key or name, _taken_keys()),
        name=name,
        position=max((one.position for one in present), default=0) + 1,
        is_default=is_first,
        overrides=[DEFAULT] if is_first else [],
    )
    db.session.add(source)
    db.session.flush()
    return source


def rename_lead_source(source: LeadSource, name: str) -> None:
    """Call it something else; leads that have it show the new name, its key stays."""
    source.name = _checked_name(name, source)
    _override(source, NAME)
    db.session.flush()


def order_lead_sources(ids: Sequence[UUID]) -> None:
    """Offer them in this order; those left out come last."""
    found = db.session.scalars(lead_sources().with_for_update())
    _keep_order(put_in_order({source.id: source for source in found}, ids))


def move_lead_source(source: LeadSource, *, up: bool) -> None:
    """Change places with the neighbour above or below; at an end nothing happens."""
    ids = db.session.scalars(lead_sources().with_only_columns(LeadSource.id)).all()
    order_lead_sources(swapped(ids, source.id, up=up))


def hide_lead_source(source: LeadSource, *, is_hidden: bool) -> None:
    """Offer it for new leads no more, or again; leads that have it keep it."""
    demand_no_default(source, is_hidden=is_hidden)
    source.is_hidden = is_hidden
    _override(source, HIDDEN)
    db.session.flush()


def make_default_lead_source(source: LeadSource) -> None:
    """Leads without a source of their own get this one; it is shown from now on."""
    for other in db.session.scalars(lead_sources().with_for_update()):
        other.is_default = other.id == source.id
        _drop(other, DEFAULT)
    source.overrides = [*source.overrides, DEFAULT]
    if source.is_hidden:
        hide_lead_source(source, is_hidden=False)
    db.session.flush()


def follow_system(source: LeadSource, *names: str) -> None:
    """Use the system's ``NAME`` or ``HIDDEN`` again; without names, both."""
    for name in names or (NAME, HIDDEN):
        _drop(source, name)
    offer_lead_sources()


def follow_system_list(name: str) -> None:
    """Use the system's order (``POSITION``) or the system's default source (``DEFAULT``) again."""
    for source in db.session.scalars(lead_sources().with_for_update()):
        _drop(source, name)
    offer_lead_sources()


def is_list_own(name: str, sources: Sequence[LeadSource]) -> bool:
    """Whether the organization decides its ``POSITION`` or its ``DEFAULT`` itself."""
    return any(name in source.overrides for source in sources)


def turn_into_signpost(source: LeadSource, into: LeadSource) -> None:
    """It is merged: no more on any list, and whoever names its key gets the other one."""
    for earlier in db.session.scalars(merged_lead_sources().where(LeadSource.merged_into_id == source.id)):
        earlier.merged_into_id = into.id
    if source.is_default:
        make_default_lead_source(into)
    source.merged_into_id = into.id
    source.overrides = []
    db.session.flush()


def take_apart(source: LeadSource) -> None:
    """Offer one of the system's sources again that was merged; its former leads stay where they are."""
    if source.merged_into_id is None or source.system_key is None:
        raise ConflictError("Only a source that the system offers can be offered again.")
    source.name, source.merged_into_id = f"\x01{source.key}", None  # the system names it
    source.is_hidden = source.is_default = False
    offer_lead_sources()


def delete_lead_source(source: LeadSource) -> None:
    """Delete a source of one's own that nothing uses (`mailboxes.conversion.remove_lead_source` looks)."""
    if source.system_key:
        raise ConflictError("The system offers this source to everybody. Hide it instead.")
    if source.is_default:
        raise ConflictError("The default source cannot be removed. Make another one the default first.")
    signposts = merged_lead_sources().where(LeadSource.merged_into_id == source.id)
    default = default_lead_source()
    for signpost in db.session.scalars(signposts):
        signpost.merged_into_id = default.id if default is not None else None
    db.session.flush()
    db.session.delete(source)
    db.session.flush()


def _checked_name(name: str, source: LeadSource | None = None) -> str:
    return checked_name(LeadSource, name, source, where=[LeadSource.merged_into_id.is_(None)])


def _taken_keys() -> set[str]:
    of_system = set(
        db.session.scalars(system_sources.system_sources().with_only_columns(SystemLeadSource.key))
    )
    return set(db.session.scalars(select(LeadSource.key))) | of_system


def _keep_order(ordered: list[LeadSource]) -> None:
    """The order is the organization's own unless it is the system's, with own sources behind it."""
    places = {source.key: source.position for source in db.session.scalars(system_sources.system_sources())}
    followed = sorted(ordered, key=lambda one: places.get(one.system_key or "", len(places) + one.position))
    for source in ordered:
        _drop(source, POSITION)
        if ordered != followed:
            source.overrides = [*source.overrides, POSITION]
    db.session.flush()


def _override(source: LeadSource, name: str) -> None:
    if source.follows(name):
        source.overrides = [*source.overrides, name]


def _drop(source: LeadSource, name: str) -> None:
    if name in source.overrides:
        source.overrides = [one for one in source.overrides if one != name]
