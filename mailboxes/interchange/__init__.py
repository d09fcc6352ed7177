"""An installation as a file: what administrators set up, written, planned and applied.

- `read_document(text, name, environment)`: understand a file; `FileError` names the line.
- `plan(document)`, `apply(document)`: what changes (`Change`), rehearsed or for good.
- `export(slug)`: everything, or one organization, as YAML without a secret in clear.
"""

from flask import current_app
from sqlalchemy import Select, select

from mailboxes.crm.system_sources import BUILT_IN_SOURCES
from mailboxes.interchange.applying import apply, plan
from mailboxes.interchange.describing import describe_organization, describe_system, describe_users
from mailboxes.interchange.nodes import FileError
from mailboxes.interchange.reading import Document, read_document
from mailboxes.interchange.values import Change, Description
from mailboxes.interchange.writing import written
from mailboxes.offering import offer_dictionaries
from mailboxes.templates import BUILT_IN_TEMPLATES
from tenants.database import db, enter_organization
from tenants.errors import NotFoundError
from tenants.organizations import Organization

__all__ = ["Change", "Document", "FileError", "apply", "export", "plan", "read_document"]


def export(slug: str | None = None) -> str:
    """One organization as a file, or the whole installation with its users and settings."""
    with current_app.app_context():  # a session of its own, bound to no organization
        slugs = list(db.session.scalars(_slugs()))
        if slug is not None and slug not in slugs:
            raise NotFoundError(f"There is no organization {slug}. Known are: {', '.join(slugs) or 'none'}.")
        described: Description = {}
        if slug is None:
            described = {"system": _system(), "users": describe_users()}
    chosen = slugs if slug is None else [slug]
    described["organizations"] = {one: _organization(one) for one in chosen}
    return written(described)


def _slugs() -> Select[str]:
    """Organizations that stay."""
    return select(Organization.slug).where(Organization.deleted_at.is_(None)).order_by(Organization.slug)


def _system() -> Description:
    """What the system sets and offers; what came with it and is offered no more is called absent."""
    described = describe_system()
    for section, built_in in (("lead_sources", BUILT_IN_SOURCES), ("templates", BUILT_IN_TEMPLATES)):
        gone = {key: {"key": key, "state": "absent"} for key in built_in if key not in described[section]}
        described[section] = {**described[section], **gone}
    for key, template in BUILT_IN_TEMPLATES.items():
        texts = described["templates"][key].get("texts", {})
        texts |= {language: None for language in template.texts if language not in texts}
    return {name: value for name, value in described.items() if value}


def _organization(slug: str) -> Description:
    with current_app.app_context():
        organization = db.session.scalars(select(Organization).where(Organization.slug == slug)).one()
        enter_organization(organization.id)
        offer_dictionaries()  # what the system just changed may not have reached it; kept by nobody here
        return describe_organization(organization)
