"""Whether what a body names is there, for whoever acts."""

from uuid import UUID

from sqlalchemy import select

from mailboxes.crm.contacts import Contact
from mailboxes.crm.lead_sources import LeadSource, visible_lead_sources
from mailboxes.interchange.bodies import BodyError
from tenants.database import db
from tenants.organizations import Membership


def demand_member(id: UUID | None, field: str) -> None:
    """Somebody who works here."""
    member = db.session.scalar(select(Membership).where(Membership.id == id)) if id is not None else None
    if id is not None and (member is None or not member.is_active):
        raise BodyError("This is no active member of the organization.", (field,))


def demand_source(id: UUID | None, field: str) -> None:
    """A lead source that can be chosen."""
    known = visible_lead_sources().where(LeadSource.id == id)
    if id is not None and db.session.scalar(known) is None:
        raise BodyError("This is no lead source that can be chosen.", (field,))


def demand_contact(id: UUID | None, field: str) -> None:
    """A contact of the organization."""
    if id is not None and db.session.scalar(select(Contact.id).where(Contact.id == id)) is None:
        raise BodyError("There is no such contact.", (field,))
