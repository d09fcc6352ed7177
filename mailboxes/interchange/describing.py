"""What is stored, in the words of a file: the installation, and one organization at a time.

Runs inside the organization that it describes (`describe_organization`) or outside of all
(`describe_system`, `describe_users`). Secrets are `Secret`s: compared, and never written.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select

from mailboxes.crm.channels import channels
from mailboxes.crm.lead_sources import LeadSource, lead_sources, merged_lead_sources
from mailboxes.crm.system_sources import SystemLeadSource, system_sources
from mailboxes.interchange.describing_globals import describe_global_mailboxes, describe_overrides
from mailboxes.interchange.describing_mailboxes import describe_mailboxes, secret_name
from mailboxes.interchange.describing_webhooks import describe_webhooks
from mailboxes.interchange.values import Description, Ranked, Secret
from mailboxes.templates import Template, TemplateValues, templates, values_of
from mailboxes.templates.system import SystemTemplate, system_templates, system_values_of
from mailboxes.threads.tags import tags
from tenants.configuration.catalog import ORGANIZATION, SYSTEM, USER, settings_at
from tenants.configuration.layers import Effective, effective_all, own_secret_of
from tenants.database import db
from tenants.organizations import Membership, Organization
from tenants.permissions import Role, roles, roles_by_member
from tenants.secrets import UnreadableSecretError
from tenants.users import User


def describe_system() -> Description:
    """What the system sets and offers; the settings that are set or locked there."""
    return {
        "settings": describe_system_settings(),
        "lead_sources": Ranked(
            (one.key, _system_source(one)) for one in db.session.scalars(system_sources())
        ),
        "templates": {one.key: _system_template(one) for one in db.session.scalars(system_templates())},
        "mailboxes": describe_global_mailboxes(),
    }


def describe_system_settings() -> Description:
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


def describe_organization(organization: Organization) -> Description:
    """Everything that an organization's administrators set up."""
    return _without_nothing(
        {
            "slug": organization.slug,
            "name": organization.name,
            "enabled": organization.is_enabled,
            "settings": _settings(organization) or None,
            "roles": {role.name: _role(role) for role in _own_roles()},
            "members": _members(),
            "lead_sources": _sources(),
            "channels": {
                one.name: {"name": one.name, "type": one.kind, "active": one.is_active}
                for one in sorted(db.session.scalars(channels()), key=lambda one: one.name)
            },
            "tags": {
                one.name: {"name": one.name, "colour": one.colour} for one in db.session.scalars(tags())
            },
            "templates": {template_name(one): _template(one) for one in db.session.scalars(templates())},
            "mailboxes": describe_mailboxes(organization.slug),
            "global_mailboxes": describe_overrides(),
            "webhooks": describe_webhooks(),
        }
    )


def template_name(template: Template) -> str:
    """What identifies a template in a description: its name, or that of the system's one that it follows."""
    return of_system(template.system_key) if template.system_key else template.name


def of_system(key: str) -> str:
    """The identity of a copy of a system's template."""
    return f"system {key}"


def _template(template: Template) -> Description:
    """A named template with its texts; of a copy what the organization overrides."""
    values = values_of(template)
    described: Description = {
        "name": values.name,
        "type": values.kind,
        "used_for": list(values.used_for),
        "hidden": True if template.is_hidden else None,
        "texts": _texts(values),
    }
    if template.system_key is None:
        return _without_nothing(described)
    own = _own_texts(template, values)
    for name, field in (("name", "name"), ("type", "kind"), ("used_for", "used_for")):
        if template.follows(field):
            described[name] = None
    return _without_nothing({"system": template.system_key, **described, "texts": own or None})


def _own_texts(template: Template, values: TemplateValues) -> Description:
    """The languages in which a copy does not follow; an empty text where it has none."""
    named = [name.removeprefix("text.") for name in template.overrides if name.startswith("text.")]
    if not template.follows("kind"):
        named = list(values.texts)
    return {language: _text(values.texts.get(language, ("", ""))) for language in sorted(named)}


def _system_template(template: SystemTemplate) -> Description:
    values = system_values_of(template)
    return {
        "key": template.key,
        "name": values.name,
        "type": values.kind,
        "used_for": list(values.used_for),
        "texts": _texts(values),
    }


def _texts(values: TemplateValues) -> Description:
    return {language: _text(pair) for language, pair in values.texts.items()}


def _text(pair: tuple[str, str]) -> Description:
    return {"subject": pair[0], "content": pair[1]}


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
    found = db.session.scalars(select(Membership).join(User).order_by(User.address)).all()
    held = roles_by_member(member.id for member in found)
    return {member.user.address: _member(member, held.get(member.id, [])) for member in found}


def _member(member: Membership, held: Sequence[Role]) -> Description:
    described: dict[str, Any] = {
        "address": member.user.address,
        "name": member.user.name or None,
        "enabled": member.is_enabled,
        "roles": sorted(role.name for role in held),
    }
    return _without_nothing(described)


def _source(source: LeadSource, keys: dict[UUID, str]) -> Description:
    """A source of the organization's own whole; of a copy what the organization overrides."""
    described: Description = {"key": source.key}
    if source.system_key and source.system_key != source.key:
        described["system"] = source.system_key
    if source.merged_into_id is not None:
        own = {} if source.system_key else {"name": source.name}
        return {**described, **own, "merged_into": keys[source.merged_into_id]}
    if not source.follows("name"):
        described["name"] = source.name
    if not source.follows("hidden"):
        described["hidden"] = source.is_hidden
    if source.system_key is None or "default" in source.overrides:
        described["default"] = "default" in source.overrides
    return described


def _sources() -> Ranked:
    """All in their order, then those that were merged into others."""
    present = db.session.scalars(lead_sources()).all()
    keys = {one.id: one.key for one in present}
    everything = [*present, *db.session.scalars(merged_lead_sources())]
    return Ranked((one.key, _source(one, keys)) for one in everything)


def _system_source(source: SystemLeadSource) -> Description:
    return {
        "key": source.key,
        "name": source.name,
        "hidden": source.is_hidden,
        "default": source.is_default,
    }


def _without_nothing(described: Description) -> Description:
    return {key: value for key, value in described.items() if value is not None}
