"""A system administrator opens the configuration of one organization, which is on its record."""

from datetime import timedelta
from uuid import UUID

from flask import g
from sqlalchemy import select

from tenants import audit
from tenants.audit import AuditEntry
from tenants.configuration.layers import value_of
from tenants.database import db, enter_organization, now
from tenants.installation.organizations import organization_of
from tenants.organizations import Organization
from webapp.configuration.pages import actor

OPENED = "configuration.opened"
ANEW = timedelta(hours=1)  # what is opened page by page is one opening


def open_organization(organization_id: UUID) -> Organization:
    """Bind the session to this organization, for its configuration only; commits the record of it."""
    organization = organization_of(organization_id)
    enter_organization(organization.id)
    g.zone = value_of("general.time_zone", user=g.user)
    if not _is_recorded():
        audit.record(actor(), OPENED, "by a system administrator")
        db.session.commit()
    return organization


def _is_recorded() -> bool:
    recent = select(AuditEntry.id).where(AuditEntry.at > now() - ANEW, AuditEntry.act == OPENED)
    return db.session.scalar(recent.where(AuditEntry.actor_id == g.user.id).limit(1)) is not None
