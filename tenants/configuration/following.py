"""Which organizations follow the system's value of a setting, and which override it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select, tuple_

from tenants.configuration.catalog import Setting
from tenants.configuration.overrides import OrganizationOverride
from tenants.database import across_organizations, db
from tenants.organizations import Organization

PAGE = 50


@dataclass(frozen=True)
class Stance:
    """How one organization stands to a setting: its own value (of a secret only that it is set), or none."""

    id: UUID
    name: str
    is_overriding: bool
    value: Any = None
    set_by: str = ""
    set_at: datetime | None = None


def organization_count() -> int:
    """How many organizations there are."""
    return db.session.scalar(select(func.count()).select_from(Organization)) or 0


def override_counts(keys: list[str]) -> dict[str, int]:
    """How many organizations override each of these settings; those not named: none."""
    query = select(OrganizationOverride.key, func.count()).group_by(OrganizationOverride.key)
    with across_organizations("a system page counts who overrides a setting") as session:
        rows = session.execute(query.where(OrganizationOverride.key.in_(keys)))
        return {row[0]: row[1] for row in rows}


def stances(
    setting: Setting, *, overriding: bool | None, after: tuple[str, UUID] | None = None, limit: int = PAGE
) -> list[Stance]:
    """Organizations that override a setting, or that follow it, by name; ``after`` is the last one seen.

    ``overriding`` None: all of them, as a locked setting has it.
    """
    query = _stances(setting, overriding).limit(limit)
    if after is not None:
        query = query.where(tuple_(Organization.name, Organization.id) > tuple_(*after))
    with across_organizations("a system page names who overrides a setting") as session:
        return [
            Stance(row.id, row.name, row.is_own, _said(setting, row.value), row.set_by or "", row.set_at)
            for row in session.execute(query)
        ]


def _stances(setting: Setting, overriding: bool | None) -> Select[Any]:
    own = OrganizationOverride
    is_own = (own.organization_id == Organization.id) & (own.key == setting.key)
    query = select(
        Organization.id,
        Organization.name,
        own.id.is_not(None).label("is_own"),
        own.value,
        own.set_by,
        own.set_at,
    ).join(own, is_own, isouter=not overriding)
    if overriding is False:
        query = query.where(own.id.is_(None))
    return query.order_by(Organization.name, Organization.id)


def _said(setting: Setting, value: Any) -> Any:
    return bool(value) if setting.is_secret else value
