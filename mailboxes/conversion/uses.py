"""Which mailboxes use a lead source, or make leads at all: how many, and the first of them by label."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, false, func, or_, select, union_all

from mailboxes.conversion.claims import LEAD
from mailboxes.conversion.known_actions import actions
from mailboxes.crm.lead_sources import LeadSource
from mailboxes.system_mailboxes import Mailbox
from tenants.database import db

MOST_NAMED = 5


@dataclass(frozen=True)
class Uses:
    """How many mailboxes, and the labels of the first."""

    count: int = 0
    labels: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        named = ", ".join(self.labels)
        more = self.count - len(self.labels)
        return f"{named} and {more} more" if more else named


def uses_by_source() -> dict[UUID, Uses]:
    """By a source's id, the mailboxes whose new leads get it; two queries, however many there are."""
    ids = _ids_by_name()
    found: dict[UUID, Uses] = {}
    for name, count, labels in db.session.execute(_counted(_namings())):
        if (id := ids.get(name)) is not None:
            known = found.get(id, Uses())
            found[id] = Uses(known.count + count, sorted([*known.labels, *labels])[:MOST_NAMED])
    return found


def uses_of(source: LeadSource) -> Uses:
    """The mailboxes whose new leads get this source."""
    return _used_by(mailboxes_using(source))


def converting_to_leads() -> Uses:
    """The mailboxes whose action is *Convert to lead*."""
    return _used_by(select(Mailbox).where(Mailbox.action == LEAD))


def mailboxes_using(source: LeadSource) -> Select[Mailbox]:
    """The mailboxes themselves, by label."""
    names = [name for name, id in _ids_by_name().items() if id == source.id]
    wanted = (is_set & said.in_(names) for is_set, said in _settings())
    return select(Mailbox).where(or_(false(), *wanted)).order_by(Mailbox.label)


def source_settings(mailbox: Mailbox) -> list[str]:
    """The settings of a mailbox's action that name a lead source, its plug-in's too."""
    return [
        name for action, name in _names() if action == mailbox.action and mailbox.action_settings.get(name)
    ]


def _names() -> Iterable[tuple[str, str]]:
    """Each setting that names a lead source, as (action, setting)."""
    return (
        (action.name, setting.name)
        for action in actions().values()
        for setting in action.fields
        if setting.kind == "lead_source"
    )


def _settings() -> Iterable[tuple[ColumnElement[bool], ColumnElement[str]]]:
    """For each of them, whether a mailbox has its action, and what it says."""
    return ((Mailbox.action == action, Mailbox.action_settings[name].astext) for action, name in _names())


def _ids_by_name() -> dict[str, UUID]:
    """The source that a key names; of one that was merged, the other one."""
    rows = db.session.execute(
        select(LeadSource.key, LeadSource.system_key, LeadSource.merged_into_id, LeadSource.id)
    ).all()
    by_system_key = {row[1]: row[2] or row[3] for row in rows if row[1]}
    return by_system_key | {row[0]: row[2] or row[3] for row in rows}


def _namings() -> Any:
    """A mailbox and what it names, as often as it names something."""
    nothing = select(Mailbox.label, Mailbox.action.label("name")).where(false())
    said = (
        select(Mailbox.label, said.label("name")).where(is_set, said != "") for is_set, said in _settings()
    )
    return union_all(nothing, *said).subquery()


def _counted(namings: Any) -> Select[str, int, list[str]]:
    place = func.row_number().over(partition_by=namings.c.name, order_by=namings.c.label)
    placed = select(namings.c.name, namings.c.label, place.label("place")).subquery()
    first = func.array_agg(placed.c.label).filter(placed.c.place <= MOST_NAMED)
    return select(placed.c.name, func.max(placed.c.place), first).group_by(placed.c.name)


def _used_by(query: Select[Mailbox]) -> Uses:
    rows = db.session.execute(
        query.order_by(None)
        .order_by(Mailbox.label)
        .with_only_columns(Mailbox.label, func.count().over())
        .limit(MOST_NAMED)
    ).all()
    return Uses(rows[0][1], [label for label, _ in rows]) if rows else Uses()
