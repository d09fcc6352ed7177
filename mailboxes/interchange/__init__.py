"""An installation as a file: what administrators set up, written, planned and applied.

- `read_document(text, name, environment)`: understand a file; `FileError` names the line.
- `plan(document)`, `apply(document)`: what changes (`Change`), rehearsed or for good.
- `export(slug)`: everything, or one organization, as YAML without a secret in clear.
"""

from flask import current_app
from sqlalchemy import select

from mailboxes.interchange.applying import apply, plan
from mailboxes.interchange.describing import describe_organization, describe_system, describe_users
from mailboxes.interchange.nodes import FileError
from mailboxes.interchange.reading import Document, read_document
from mailboxes.interchange.values import Change, Description
from mailboxes.interchange.writing import written
from tenants.database import db, enter_organization
from tenants.errors import NotFoundError
from tenants.organizations import Organization

__all__ = ["Change", "Document", "FileError", "apply", "export", "plan", "read_document"]


def export(slug: str | None = None) -> str:
    """One organization as a file, or the whole installation with its users and settings."""
    with current_app.app_context():  # a session of its own, bound to no organization
        slugs = list(db.session.scalars(select(Organization.slug).order_by(Organization.slug)))
        if slug is not None and slug not in slugs:
            raise NotFoundError(f"There is no organization {slug}. Known are: {', '.join(slugs) or 'none'}.")
        described: Description = {}
        if slug is None:
            described = {"system": {"settings": describe_system()}, "users": describe_users()}
    chosen = slugs if slug is None else [slug]
    described["organizations"] = {
        one: _organization(one, with_system_accounts=slug is None) for one in chosen
    }
    return written({key: value for key, value in described.items() if value != {"settings": {}}})


def _organization(slug: str, *, with_system_accounts: bool) -> Description:
    with current_app.app_context():
        organization = db.session.scalars(select(Organization).where(Organization.slug == slug)).one()
        enter_organization(organization.id)
        return describe_organization(organization, with_system_accounts=with_system_accounts)
