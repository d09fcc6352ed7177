"""The roles, lead sources and templates that the system offers come into every organization.

A new one begins with them (`create_organization`). Whenever they change, `carry_offers` brings them to
those that are behind, some organizations in one transaction, until none is; it may be called at any time
and by several at once.
"""

import re
from collections.abc import Sequence
from zoneinfo import available_timezones

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from mailboxes.crm.carrying import carry_sources
from mailboxes.crm.lead_sources import offer_lead_sources
from mailboxes.crm.system_sources import SystemLeadSource, system_sources, withdraw_system_source
from mailboxes.global_mailboxes.following import serve_new_organization
from mailboxes.global_mailboxes.uses import Use, uses_of_lead_source, uses_of_template
from mailboxes.templates import offer_system_templates
from mailboxes.templates.carrying import carry_templates
from mailboxes.templates.system import SystemTemplate, system_templates, withdraw_system_template
from tenants.audit import Actor
from tenants.configuration.catalog import LANGUAGES, ORGANIZATION
from tenants.configuration.layers import override
from tenants.database import across_organizations, db, enter_organization
from tenants.database.locks import hold_row
from tenants.errors import ConflictError, InvalidError
from tenants.installation.organizations import checked_name
from tenants.offers import current_revision
from tenants.organizations import Organization
from tenants.permissions import offer_system_roles

AT_ONCE = 200  # organizations of one transaction
MOST_IN_A_REQUEST = 1000  # the schedule goes on with the others
_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,48}[a-z0-9])?")


def create_organization(
    name: str, slug: str, language: str = "", time_zone: str = "", *, by: str = ""
) -> Organization:
    """A new organization with everything the system offers; `InvalidError` at the field that is wrong.

    The session is inside it from now on, so this is the last thing that a request does outside. An
    empty ``language`` or ``time_zone`` follows the system's. The caller records the act and commits.
    """
    name = checked_name(name)
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
    organization.offers_revision = current_revision()
    return organization


def offer_everything() -> None:
    """Bring what the system offers into the current organization; what it overrides stays."""
    offer_system_roles()
    offer_dictionaries()
    serve_new_organization()


def offer_dictionaries() -> None:
    """The same for lead sources and templates alone."""
    offer_lead_sources()
    offer_system_templates()


def carry_offers(most: int | None = None) -> int:
    """Bring organizations that are behind up to date, at most so many; how many were. Commits."""
    count = 0
    with across_organizations("what the system offers is carried to every organization") as session:
        begin_offers()
        while most is None or count < most:
            carried = _carry_some(session)
            session.commit()
            count += carried
            if carried == 0:
                break
    return count


def withdraw_lead_source(source: SystemLeadSource) -> None:
    """Offer a lead source no more; `ConflictError` names the global mailboxes that give it to leads."""
    _demand_unused(uses_of_lead_source(source.key), "give new leads this source")
    withdraw_system_source(source)


def withdraw_template(template: SystemTemplate, *, by: Actor) -> None:
    """Offer a template no more; `ConflictError` names the global mailboxes that answer with it."""
    hold_row(template, key_share=False)  # no rule begins to use it meanwhile
    _demand_unused(uses_of_template(template.key), "answer with this template")
    withdraw_system_template(template, by=by)


def begin_offers() -> None:
    """See that the system offers what is built in, where it never decided. Commits."""
    system_sources()
    system_templates()
    db.session.commit()


def count_of_those_behind() -> int:
    """How many organizations what the system offers has yet to reach."""
    behind = Organization.offers_revision < current_revision()
    return int(db.session.scalar(select(func.count()).select_from(Organization).where(behind)) or 0)


def _carry_some(session: Session) -> int:
    """The next ones, locked so that nobody else carries to them; the revision is read before the offers."""
    revision = current_revision(session)
    behind = (
        select(Organization.id)
        .where(Organization.offers_revision < revision)
        .order_by(Organization.id)
        .limit(AT_ONCE)
        .with_for_update(skip_locked=True, key_share=True)
    )
    ids = list(session.scalars(behind))
    if ids:
        carry_sources(session, ids)
        carry_templates(session, ids)
        session.execute(update(Organization).where(Organization.id.in_(ids)).values(offers_revision=revision))
    return len(ids)


def _demand_unused(uses: Sequence[Use], what: str) -> None:
    if uses:
        named = "; ".join(f"{one.label} ({one.words})" for one in uses)
        raise ConflictError(f"These global mailboxes {what}: {named}. Change them first.")


def _checked_slug(slug: str) -> str:
    slug = slug.strip().lower()
    if not _SLUG.fullmatch(slug):
        raise InvalidError(
            "Use up to 50 lower-case letters, digits and hyphens as the short name, such as nordwind-sud.",
            field="slug",
        )
    if db.session.scalar(select(Organization.id).where(Organization.slug == slug)) is not None:
        raise InvalidError(
            f"Another organization has the short name {slug} already. Choose another one.", field="slug"
        )
    return slug
