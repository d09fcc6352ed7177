"""What a system administrator may do with organizations that are there.

Making one is in `mailboxes.offering`, because it begins with more than people.
"""

import re
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Select, func, select

from tenants.audit import Actor, record_for_system
from tenants.database import across_organizations, db
from tenants.database.locks import hold_row
from tenants.database.searching import has_words
from tenants.errors import InvalidError, NotFoundError
from tenants.organizations import Membership, Organization

LONGEST_NAME = 100


@dataclass(frozen=True)
class OrganizationFilter:
    """What the list is narrowed to; empty values do not narrow. ``state``: enabled or disabled."""

    words: str = ""
    state: str = ""


ORGANIZATION_SORTS = {
    "name": func.lower(Organization.name),
    "slug": Organization.slug,
    "created": Organization.created_at,
}


def organizations(filter: OrganizationFilter = OrganizationFilter()) -> Select[Organization]:
    """Organizations of the installation that a filter lets through, in no order."""
    query = select(Organization)
    if filter.state in ("enabled", "disabled"):
        query = query.where(Organization.is_enabled == (filter.state == "enabled"))
    return query.where(*has_words(filter.words, Organization.name, Organization.slug))


def organization_of(id: UUID) -> Organization:
    """An organization of the installation that stays; `NotFoundError` if there is none."""
    organization = db.session.get(Organization, id)
    if organization is None:
        raise NotFoundError("There is no such organization.")
    _demand_stays(organization)
    return organization


def lock(organization: Organization) -> None:
    """Read it anew and keep all others out who change it, until the end; `NotFoundError` if it is to go."""
    hold_row(organization)
    _demand_stays(organization)


def count_people(ids: list[UUID]) -> dict[UUID, int]:
    """How many members these organizations have; those without any are missing."""
    counted = select(Membership.organization_id, func.count()).where(Membership.organization_id.in_(ids))
    with across_organizations("a system page counts people") as session:
        return {row[0]: row[1] for row in session.execute(counted.group_by(Membership.organization_id))}


def rename_organization(organization: Organization, name: str, *, actor: Actor) -> None:
    """Call it differently; the slug, which files and commands use, stays."""
    name = checked_name(name)
    lock(organization)
    before, organization.name = organization.name, name
    if before != organization.name:
        names = {"name": before}, {"name": organization.name}
        record_for_system(actor, "organization.renamed", organization.name, *names)


def enable_organization(organization: Organization, enabled: bool, *, actor: Actor) -> None:
    """Open an organization to its people, its mail and its answers, or close it to all of them."""
    lock(organization)
    if organization.is_enabled == enabled:
        return
    organization.is_enabled = enabled
    act = "organization.enabled" if enabled else "organization.disabled"
    record_for_system(actor, act, organization.name, {"is_enabled": not enabled}, {"is_enabled": enabled})


def checked_name(text: str) -> str:
    """A name in one line; `InvalidError` at the field ``name``."""
    name = " ".join(re.sub(r"[\x00-\x1f\x7f]", " ", text).split())
    if not 1 <= len(name) <= LONGEST_NAME:
        raise InvalidError(f"Give the organization a name of up to {LONGEST_NAME} characters.", field="name")
    return name


def _demand_stays(organization: Organization) -> None:
    if organization.deleted_at is not None:
        raise NotFoundError(f"{organization.name} is being deleted. Nothing of it can be opened any more.")
