"""Who and what the ids in the record mean, for people who read it."""

import re
from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import Select, select

from mailboxes.crm.lead_sources import LeadSource
from mailboxes.templates import Template
from tenants.database import db
from tenants.organizations import Membership, Organization
from tenants.permissions import Role
from tenants.users import User

_ID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
GONE = "(deleted)"


def with_names(texts: Iterable[str], *, of_system: bool) -> dict[str, str]:
    """Each text that holds ids, as it reads with names in their places."""
    speaking = [text for text in set(texts) if _ID.search(text)]
    ids = {UUID(id) for text in speaking for id in _ID.findall(text)}
    if not ids:
        return {}
    queries = _of_system(ids) if of_system else _of_organization(ids)
    names = {str(id): name for query in queries for id, name in db.session.execute(query)}
    return {text: _ID.sub(lambda found: names.get(found[0], GONE), text) for text in speaking}


def _of_organization(ids: set[UUID]) -> tuple[Select[UUID, str], ...]:
    return (
        select(Role.id, Role.name).where(Role.id.in_(ids)),
        select(Membership.id, User.name).join(User).where(Membership.id.in_(ids)),
        select(LeadSource.id, LeadSource.name).where(LeadSource.id.in_(ids)),
        select(Template.id, Template.name).where(Template.id.in_(ids)),
    )


def _of_system(ids: set[UUID]) -> tuple[Select[UUID, str], ...]:
    return (
        select(Organization.id, Organization.name).where(Organization.id.in_(ids)),
        select(User.id, User.name).where(User.id.in_(ids)),
    )
