"""What is stored, in the words of a file: the installation, and one organization at a time.

Runs inside the organization that it describes (`describe_organization`) or outside of all
(`describe_system`, `describe_users`). Secrets are `Secret`s: compared, and never written.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import select

from mailboxes.crm.channels import channels
from mailboxes.crm.lead_sources import LeadSource, lead_sources
from mailboxes.interchange.describing_mailboxes import describe_mailboxes, secret_name
from mailboxes.interchange.values import Description, Ranked, Secret
from mailboxes.templates import Template, templates, texts_of
from tenants.configuration.catalog import ORGANIZATION, SYSTEM, USER, settings_at
from tenants.configuration.layers import Effective, effective_all, own_secret_of
from tenants.database import db
from tenants.organizations import Membership, Organization
from tenants.permissions import Role, roles, roles_of
from tenants.secrets import UnreadableSecretError
from tenants.users import User


def describe_system() -> Description:
    """The system's settings: what is set or locked there."""
    found = {}
    for state in effective_all(settings_at(SYSTEM), SYSTEM):
        entry = _own_value(state, SYSTEM, "SYSTEM")
        if state.is_locked:
            entry |= {"locked": True, "reason": state.lock_reason}
        if entry:
            found[state.setting.key] = entry
    return found


def describe_users() -> Description:
    """Everybody of the installation, by address; passwords are no part of it."""
    found = db.session.scalars(select(User).order_by(User.address))
    return {user.address: describe_user(user) for user in found}


def describe_user(user: User) -> Description:
    """One person of the installation."""
    states = effective_all(settings_at(USER), USER, user=user)
    own = {state.setting.key: state.own for state in states if state.is_overridden}
    described = {
        "address": user.address,
        "name": user.name or None,
        "enabled": user.is_enabled,
        "system_administrator": user.is_system_admin,
        "settings": own or None,
    }
    return _without_nothing(described)


def describe_organization(organization: Organization, *, with_system_accounts: bool) -> Description:
    """Everything that an organization's administrators set up.

    ``with_system_accounts``: with the connections of its global mailboxes, which are not for them.
    """
    return _without_nothing(
        {
            "slug": organization.slug,
            "name": organization.name,
            "enabled": organization.is_enabled,
            "settings": _settings(organization) or None,
            "roles": {role.name: _role(role) for role in _own_roles()},
            "members": _members(),
            "lead_sources": Ranked((one.key, _source(one)) for one in db.session.scalars(lead_sources())),
            "channels": {
                one.name: {"name": one.name, "type": one.kind, "active": one.is_active}
                for one in sorted(db.session.scalars(channels()), key=lambda one: one.name)
            },
            "templates": {one.name: describe_template(one) for one in db.session.scalars(templates())},
            "mailboxes": describe_mailboxes(organization.slug, with_system_accounts=with_system_accounts),
        }
    )


def describe_template(template: Template) -> Description:
    """A named template with its texts."""
    return _without_nothing(
        {
            "name": template.name,
            "system": template.system_key,
            "type": template.kind,
            "used_for": list(template.used_for),
            "texts": describe_texts(template),
        }
    )


def describe_texts(template: Template) -> Description:
    """Subject and content by language."""
    return {
        one.language: {"subject": one.subject, "content": one.content}
        for one in db.session.scalars(texts_of(template))
    }


def _settings(organization: Organization) -> Description:
    found: Description = {}
    for state in effective_all(settings_at(ORGANIZATION), ORGANIZATION):
        value = _own_value(state, ORGANIZATION, organization.slug).get("value")
        if state.setting.kind == "member" and value is not None:
            value = _address_of(str(value))
        if value is not None:
            found[state.setting.key] = value
    return found


def _own_value(state: Effective, level: str, owner: str) -> Description:
    if not state.is_overridden or state.own is None:
        return {}
    if not state.setting.is_secret:
        return {"value": state.own}
    if not state.own:
        return {}
    key = state.setting.key
    try:
        return {"value": Secret(secret_name(owner, key), own_secret_of(key, level))}
    except UnreadableSecretError:  # its key is gone: any value is a new one
        return {"value": Secret(secret_name(owner, key), None)}


def _address_of(membership_id: str) -> str | None:
    member = db.session.scalar(select(Membership).where(Membership.id == UUID(membership_id)))
    return member.user.address if member is not None else None


def _own_roles() -> list[Role]:
    return [role for role in db.session.scalars(roles()) if role.system_key is None]


def _role(role: Role) -> Description:
    return {"name": role.name, "permissions": sorted(role.permissions)}


def _members() -> Description:
    found = db.session.scalars(select(Membership).join(User).order_by(User.address))
    return {member.user.address: _member(member) for member in found}


def _member(member: Membership) -> Description:
    held = [role.name for role in db.session.scalars(roles_of(member))]
    described: dict[str, Any] = {
        "address": member.user.address,
        "name": member.user.name or None,
        "enabled": member.is_enabled,
        "roles": sorted(held),
    }
    return _without_nothing(described)


def _source(source: LeadSource) -> Description:
    return {
        "key": source.key,
        "name": source.name,
        "hidden": source.is_hidden,
        "default": source.is_default,
    }


def _without_nothing(described: Description) -> Description:
    return {key: value for key, value in described.items() if value is not None}
