"""What every organization begins with: the roles, lead sources and templates that the system offers."""

import re
from zoneinfo import available_timezones

from sqlalchemy import select

from mailboxes.crm.lead_sources import offer_lead_sources
from mailboxes.global_mailboxes.following import serve_new_organization
from mailboxes.templates import offer_system_templates
from tenants.configuration.catalog import LANGUAGES, ORGANIZATION
from tenants.configuration.layers import override
from tenants.database import db, enter_organization
from tenants.errors import InvalidError
from tenants.organizations import Organization
from tenants.permissions import offer_system_roles

LONGEST_NAME = 100
_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,48}[a-z0-9])?")


def create_organization(
    name: str, slug: str, language: str = "", time_zone: str = "", *, by: str = ""
) -> Organization:
    """A new organization with everything the system offers; `InvalidError` at the field that is wrong.

    The session is inside it from now on, so this is the last thing that a request does outside. An
    empty ``language`` or ``time_zone`` follows the system's. The caller records the act and commits.
    """
    name = _checked_name(name)
    slug = _checked_slug(slug)
    if language and language not in LANGUAGES:
        raise InvalidError("Choose one of the languages in the list.", field="language")
    if time_zone and time_zone not in available_timezones():
        raise InvalidError("Type a time zone such as Europe/Berlin or UTC.", field="time_zone")
    organization = Organization(name=name, slug=slug)
    db.session.add(organization)
    db.session.flush()  # what it begins with refers to it
    enter_organization(organization.id)
    for key, value in (("general.language", language), ("general.time_zone", time_zone)):
        if value:
            override(key, value, ORGANIZATION, by=by)
    offer_everything()
    return organization


def offer_everything() -> None:
    """Copy what the system offers into the current organization; what is there already stays."""
    offer_system_roles()
    offer_lead_sources()
    offer_system_templates()
    serve_new_organization()


def _checked_name(name: str) -> str:
    name = " ".join(name.split())
    if not 1 <= len(name) <= LONGEST_NAME:
        raise InvalidError(f"Give the organization a name of up to {LONGEST_NAME} characters.", field="name")
    return name


def _checked_slug(slug: str) -> str:
    slug = slug.strip().lower()
    if not _SLUG.fullmatch(slug):
        raise InvalidError(
            "Use up to 50 lower-case letters, digits and hyphens for the slug, such as nordwind-outdoor.",
            field="slug",
        )
    if db.session.scalar(select(Organization.id).where(Organization.slug == slug)) is not None:
        raise InvalidError(f"Another organization has the slug {slug}. Choose another one.", field="slug")
    return slug
