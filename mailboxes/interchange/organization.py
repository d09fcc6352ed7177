"""The part of a file that is about one organization, except its mailboxes."""

from sqlalchemy import select

from mailboxes.conversion import remove_lead_source
from mailboxes.crm import channels, lead_sources
from mailboxes.crm.lead_sources import LeadSource
from mailboxes.interchange.installation import as_typed, keep_user
from mailboxes.interchange.values import Description, Ranked, Secret
from mailboxes.interchange.work import Work
from mailboxes.rules import delete_template
from mailboxes.templates import Template, TemplateValues, save_template, templates
from tenants import people
from tenants.audit import record, record_for_system
from tenants.configuration import layers
from tenants.configuration.catalog import CATALOG, ORGANIZATION
from tenants.database import db
from tenants.errors import InvalidError
from tenants.organizations import Membership, Organization
from tenants.permissions import PERMISSIONS, Role, roles, roles_of
from tenants.users import User, user_by_address

EVERYTHING = frozenset(PERMISSIONS)  # who sits at the terminal may grant all


def keep_organization(
    organization: Organization, current: Description, wanted: Description, work: Work
) -> None:
    """Its own row."""
    after = {"name": wanted["name"], "is_enabled": wanted["enabled"]}
    before = {"name": current["name"], "is_enabled": current["enabled"]}
    if before != after:
        organization.name, organization.is_enabled = after["name"], after["is_enabled"]
        db.session.flush()
        record_for_system(work.by, "organization.changed", organization.name, before, after)


def keep_roles(current: Description, wanted: Description, work: Work) -> None:
    """Roles of the organization's own, new and changed."""
    present = {role.name: role for role in db.session.scalars(roles())}
    for name in _different(current, wanted):
        with work.at("roles", name):
            permissions = wanted[name].get("permissions", [])
            people.save_role(present.get(name), name, permissions, by=EVERYTHING, actor=work.by)


def remove_roles(current: Description, wanted: Description, work: Work) -> None:
    """Those that the file calls absent; nobody may hold them any more."""
    present = {role.name: role for role in db.session.scalars(roles())}
    for name in _gone(current, wanted):
        with work.at("roles", name):
            people.delete_role(present[name], by=EVERYTHING, actor=work.by)


def keep_members(current: Description, wanted: Description, work: Work) -> None:
    """People of the organization, those who manage people first: somebody must always be left."""
    present = {role.name: role for role in db.session.scalars(roles())}
    managing = {name for name, role in present.items() if people.MANAGES_PEOPLE in role.permissions}
    changed = sorted(
        _different(current, wanted),
        key=lambda address: managing.isdisjoint(wanted[address].get("roles", [])),
    )
    for address in changed:
        with work.at("members", address):
            _keep_member(address, wanted[address], present, work)


def _keep_member(address: str, wanted: Description, present: dict[str, Role], work: Work) -> None:
    member = db.session.scalar(select(Membership).join(User).where(User.address == address))
    if member is None:
        member = Membership(user_id=_user(address, wanted, work).id)
        db.session.add(member)
        db.session.flush()
        record(work.by, "member.added", member.name)
    names = wanted.get("roles", [])
    unknown = [name for name in names if name not in present]
    if unknown:
        raise InvalidError(
            f"There is no role {unknown[0]} here. Known are: {', '.join(present)}.", field="roles"
        )
    wanted_ids = [present[name].id for name in names]
    if set(wanted_ids) != {role.id for role in db.session.scalars(roles_of(member))}:
        people.change_roles(member, wanted_ids, by=EVERYTHING, actor=work.by)
    if member.is_enabled != wanted.get("enabled", True):
        people.enable(member, wanted.get("enabled", True), by=EVERYTHING, actor=work.by)


def _user(address: str, wanted: Description, work: Work) -> User:
    """Who becomes a member; somebody new as the file's users say, else with this name."""
    user = user_by_address(address)
    if user is None:
        given = work.document.users.get(address) or {"name": wanted.get("name", "")}
        keep_user(address, {**given, "address": address}, work.inside("members", address))
        user = user_by_address(address)
    assert user is not None  # noqa: S101  # it was just made
    return user


def keep_settings(current: Description, wanted: Description, work: Work) -> None:
    """What the organization overrides."""
    before: Description = {}
    after: Description = {}
    for key in sorted({*current, *wanted}):
        if wanted.get(key) == current.get(key):
            continue
        with work.at("settings", key):
            if key in wanted:
                value = as_typed(_stored(key, wanted[key]))
                layers.override(key, value, ORGANIZATION, by=work.by.name)
            else:
                layers.inherit(key, ORGANIZATION, by=work.by.name)
        before[key], after[key] = _plain(current.get(key)), _plain(wanted.get(key))
    if after:
        record(work.by, "configuration.changed", ", ".join(after), before, after)


def _stored(key: str, value: object) -> object:
    """A member is an address in a file, and an id in the store."""
    return member_id(str(value)) if CATALOG[key].kind == "member" else value


def member_id(address: str) -> str:
    """The id of the member with this address, as text; `InvalidError` if there is none here."""
    found = db.session.scalar(select(Membership.id).join(User).where(User.address == address))
    if found is None:
        raise InvalidError(f"{address} is no member here. Add this person to “members” first.")
    return str(found)


def keep_lead_sources(current: Description, wanted: Description, work: Work) -> None:
    """Sources in the order of the file."""
    for key in _different(current, wanted):
        with work.at("lead_sources", key):
            _keep_source(key, wanted[key], work)
    if list(wanted) != [key for key in current if key in wanted]:
        _order_sources([key for key in wanted if key not in _gone(current, wanted)], work)


def _keep_source(key: str, wanted: Description, work: Work) -> None:
    name = wanted.get("name", key)
    source = lead_sources.lead_source_with_key(key)
    if source is None:
        source = lead_sources.add_lead_source(name, key)
        if source.key != key:
            raise InvalidError("Use lower-case letters, digits and _ for a key.", field="key")
        record(work.by, "lead_source.added", name)
    if source.name != name:
        former = source.name
        lead_sources.rename_lead_source(source, name)
        record(work.by, "lead_source.renamed", former, after={"name": name})
    _show_source(source, wanted, work)


def _show_source(source: LeadSource, wanted: Description, work: Work) -> None:
    if wanted.get("default") and not source.is_default:
        lead_sources.make_default_lead_source(source)
        record(work.by, "lead_source.default", source.name)
    if source.is_hidden != wanted.get("hidden", False):
        lead_sources.hide_lead_source(source, is_hidden=wanted.get("hidden", False))
        record(work.by, "lead_source.hidden" if source.is_hidden else "lead_source.shown", source.name)
    db.session.flush()


def _order_sources(keys: list[str], work: Work) -> None:
    for place, key in enumerate(keys):
        source = lead_sources.lead_source_with_key(key)
        ordered = list(db.session.scalars(lead_sources.lead_sources()))
        if source is None or ordered.index(source) == place:
            continue
        for _ in range(ordered.index(source) - place):
            lead_sources.move_lead_source(source, up=True)
            db.session.flush()
        record(work.by, "lead_source.moved", source.name)


def remove_lead_sources(current: Description, wanted: Description, work: Work) -> None:
    """Those that the file calls absent, if nothing uses them."""
    for key in _gone(current, wanted):
        source = lead_sources.lead_source_with_key(key)
        if source is not None:
            with work.at("lead_sources", key):
                remove_lead_source(source)
            record(work.by, "lead_source.removed", source.name)


def keep_channels(current: Description, wanted: Description, work: Work) -> None:
    """Sales channels, active or not."""
    present = {channel.name: channel for channel in db.session.scalars(channels.channels())}
    for name in _different(current, wanted):
        kind, is_active = wanted[name].get("type", "sales"), wanted[name].get("active", True)
        with work.at("channels", name):
            channel = present.get(name)
            if channel is None:
                channels.add_channel(name, kind, is_active=is_active)
                record(work.by, "channel.added", name, after={"kind": kind})
                continue
            if channel.kind != kind:
                channels.change_channel(channel, name, kind)
                record(work.by, "channel.changed", name, after={"kind": kind})
            if channel.is_active != is_active:
                channels.activate_channel(channel, is_active=is_active)
                record(work.by, "channel.activated" if is_active else "channel.deactivated", name)


def keep_templates(current: Description, wanted: Description, work: Work) -> None:
    """E-mail templates in their languages."""
    present = _templates()
    by_system_key = {one.system_key: one for one in present.values() if one.system_key}
    for name in _different(current, wanted):
        given = wanted[name]
        values = TemplateValues(
            name, given.get("type", "plain"), tuple(given.get("used_for", ["message"])), texts_from(given)
        )
        with work.at("templates", name):
            template = present.get(name) or by_system_key.get(given.get("system"))
            save_template(values, template, by=work.by)


def texts_from(given: Description) -> dict[str, tuple[str, str]]:
    """Subject and content by language, as templates take them."""
    texts = given.get("texts", {})
    return {language: (one.get("subject", ""), one.get("content", "")) for language, one in texts.items()}


def remove_templates(current: Description, wanted: Description, work: Work) -> None:
    """Those that the file calls absent, if no rule answers with them."""
    present = _templates()
    for name in _gone(current, wanted):
        with work.at("templates", name):
            delete_template(present[name], by=work.by)


def matched_templates(current: Description, given: Description) -> Description:
    """``current`` with a system's template under the name that the file gives it."""
    names = {one["system"]: name for name, one in given.items() if isinstance(one, dict) and "system" in one}
    return {names.get(one.get("system"), name): one for name, one in current.items()}


def one_default(wanted: Description, given: Description) -> Description:
    """``wanted`` lead sources, where the file's default takes the place of the former one."""
    chosen = [key for key, one in given.items() if isinstance(one, dict) and one.get("default")]
    if not chosen:
        return wanted
    return Ranked((key, {**one, "default": key == chosen[-1]}) for key, one in wanted.items())


def _templates() -> dict[str, Template]:
    return {template.name: template for template in db.session.scalars(templates())}


def _different(current: Description, wanted: Description) -> list[str]:
    return [name for name, one in wanted.items() if current.get(name) != one]


def _gone(current: Description, wanted: Description) -> list[str]:
    return [name for name in current if name not in wanted]


def _plain(value: object) -> object:
    return "(set)" if isinstance(value, Secret) else value
