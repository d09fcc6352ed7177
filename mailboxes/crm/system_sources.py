"""The lead sources that the system offers to every organization (`mailboxes.crm.carrying` brings them)."""

import re
import unicodedata
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Mapped, mapped_column

from mailboxes.crm import texts
from tenants import offers
from tenants.database import Base, db
from tenants.errors import ConflictError, InvalidError, NotFoundError

KIND = "lead_sources"
# What an installation begins with. The first is the default.
BUILT_IN_SOURCES = {
    "email": "Email",
    "web_form": "Web form",
    "phone": "Phone",
    "referral": "Referral",
    "demand_generation": "Demand Generation",
}
NAME_LENGTH = 100
MOST_SOURCES = 200

Row = TypeVar("Row", bound=Any)
Name = TypeVar("Name", bound=Hashable)


class SystemLeadSource(Base):
    """One source that every organization has until it decides otherwise."""

    __tablename__ = "system_lead_sources"

    key: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    position: Mapped[int] = mapped_column(default=0)
    is_hidden: Mapped[bool] = mapped_column(default=False)
    is_default: Mapped[bool] = mapped_column(default=False)


def system_sources() -> Select[SystemLeadSource]:
    """What is offered, in its order; an installation that never decided offers what is built in."""
    if offers.begins(KIND):
        for position, (key, name) in enumerate(BUILT_IN_SOURCES.items(), start=1):
            db.session.add(SystemLeadSource(key=key, name=name, position=position, is_default=position == 1))
        db.session.flush()
    return select(SystemLeadSource).order_by(SystemLeadSource.position, SystemLeadSource.name)


def system_source_of(key: str) -> SystemLeadSource:
    """One of them; `NotFoundError` if there is none."""
    source = db.session.scalar(system_sources().where(SystemLeadSource.key == key))
    if source is None:
        raise NotFoundError("The system offers no such lead source.")
    return source


def add_system_source(name: str, key: str = "") -> SystemLeadSource:
    """Offer one more, at the end; `InvalidError` at ``name`` if it is taken."""
    present = db.session.scalars(system_sources()).all()
    demand_room(len(present))
    name = checked_name(SystemLeadSource, name)
    source = SystemLeadSource(
        key=free_key(key or name, {one.key for one in present}),
        name=name,
        position=len(present) + 1,
        is_default=not present,
    )
    db.session.add(source)
    _changed()
    return source


def rename_system_source(source: SystemLeadSource, name: str) -> None:
    """Call it something else, wherever an organization has no name of its own for it."""
    source.name = checked_name(SystemLeadSource, name, source)
    _changed()


def order_system_sources(keys: Sequence[str]) -> None:
    """Offer them in this order; those left out come last."""
    rows = db.session.scalars(system_sources().with_for_update())
    put_in_order({row.key: row for row in rows}, keys)
    _changed()


def move_system_source(source: SystemLeadSource, *, up: bool) -> None:
    """Change places with the neighbour above or below; at an end nothing happens."""
    keys = [one.key for one in db.session.scalars(system_sources())]
    order_system_sources(swapped(keys, source.key, up=up))


def hide_system_source(source: SystemLeadSource, *, is_hidden: bool) -> None:
    """Offer it for new leads no more, or again; leads that have it keep it."""
    demand_no_default(source, is_hidden=is_hidden)
    source.is_hidden = is_hidden
    _changed()


def make_default_system_source(source: SystemLeadSource) -> None:
    """What leads get in organizations that chose no other."""
    for other in db.session.scalars(system_sources().with_for_update()):
        other.is_default = other.key == source.key
    source.is_hidden = False
    _changed()


def withdraw_system_source(source: SystemLeadSource) -> None:
    """Offer it no more. Organizations that use or changed theirs keep it as their own."""
    if source.is_default:
        raise ConflictError("The default source cannot be removed. Make another one the default first.")
    db.session.delete(source)
    _changed()


def checked_name(table: type[Row], name: str, but: Row | None = None, *, where: Iterable[Any] = ()) -> str:
    """A name that can be had; `InvalidError` at ``name`` if it is empty or taken, whatever its case."""
    name = texts.one_line(name, NAME_LENGTH)
    if not name:
        raise InvalidError("Type a name.", field="name")
    taken = select(table.key).where(func.lower(table.name) == name.lower(), *where)
    if but is not None:
        taken = taken.where(table.key != but.key)
    if db.session.scalar(taken) is not None:
        raise InvalidError(f"There is a source named “{name}” already.", field="name")
    return name


def free_key(name: str, taken: Collection[str]) -> str:
    """A key made from a name, with a number where it is taken."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    key = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:50] or "source"
    number = 1
    while (candidate := key if number == 1 else f"{key}_{number}") in taken:
        number += 1
    return candidate


def put_in_order(rows: Mapping[Name, Row], names: Sequence[Name]) -> list[Row]:
    """Number the rows as ``names`` says, those left out at the end; `NotFoundError` for an unknown one."""
    if not rows.keys() >= set(names):
        raise NotFoundError("One of these lead sources is not there any more. Load the page again.")
    ordered = [rows[name] for name in dict.fromkeys([*names, *rows])]
    for position, row in enumerate(ordered, start=1):
        row.position = position
    return ordered


def swapped(names: Sequence[Name], name: Name, *, up: bool) -> list[Name]:
    """The names with one a place further up or down; at an end nothing changes."""
    moved, place = list(names), list(names).index(name)
    other = place - 1 if up else place + 1
    if 0 <= other < len(moved):
        moved[place], moved[other] = moved[other], moved[place]
    return moved


def demand_no_default(source: Any, *, is_hidden: bool) -> None:
    """`ConflictError` where the default would be hidden."""
    if is_hidden and source.is_default:
        raise ConflictError("The default source cannot be hidden. Make another one the default first.")


def demand_room(count: int) -> None:
    """`ConflictError` where there are enough."""
    if count >= MOST_SOURCES:
        raise ConflictError(f"There are {count} sources already. Remove or merge some first.")


def _changed() -> None:
    db.session.flush()
    offers.mark_changed(KIND)
