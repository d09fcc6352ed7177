"""The part of a file that is about one organization, except its mailboxes."""

from sqlalchemy import select

from mailboxes.crm import channels
from mailboxes.interchange.installation import as_typed, keep_user
from mailboxes.interchange.values import Description, Secret
from mailboxes.interchange.work import Work
from mailboxes.threads import tags
from tenants import people
from tenants.audit import record, record_for_system
from tenants.configuration import layers
from tenants.configuration.catalog import CATALOG, ORGANIZATION
from tenants.database import db
from tenants.errors import InvalidError
from tenants.installation.organizations import lock
from tenants.organizations import Membership, Organization
from tenants.people.roles import delete_role, save_role
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
        with work.at():
            lock(organization)
        organization.name, organization.is_enabled = after["name"], after["is_enabled"]
        db.session.flush()
        record_for_system(work.by, "organization.changed", organization.name, before, after)


def keep_roles(current: Description, wanted: Description, work: Work) -> None:
    """Roles of the organization's own, new and changed."""
    present = {role.name: role for role in db.session.scalars(roles())}
    for name in _different(current, wanted):
        with work.at("roles", name):
            permissions = wanted[name].get("permissions", [])
            save_role(present.get(name), name, permissions, by=EVERYTHING, actor=work.by)


def remove_roles(current: Description, wanted: Description, work: Work) -> None:
    """Those that the file calls absent; nobody may hold them any more."""
    present = {role.name: role for role in db.session.scalars(roles())}
    for name in _gone(current, wanted):
        with work.at("roles", name):
            delete_role(present[name], by=EVERYTHING, actor=work.by)


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


def keep_tags(current: Description, wanted: Description, work: Work) -> None:
    """The vocabulary of conversations."""
    present = {tag.name: tag for tag in db.session.scalars(tags.tags())}
    for name in _different(current, wanted):
        colour = wanted[name].get("colour", tags.GREY)
        with work.at("tags", name):
            if name in present:
                tags.change_tag(present[name], name, colour)
            else:
                tags.define_tag(name, colour)
        act = "tag.changed" if name in present else "tag.added"
        record(work.by, act, name, after={"colour": colour})


def _different(current: Description, wanted: Description) -> list[str]:
    return [name for name, one in wanted.items() if current.get(name) != one]


def _gone(current: Description, wanted: Description) -> list[str]:
    return [name for name in current if name not in wanted]


def _plain(value: object) -> object:
    return "(set)" if isinstance(value, Secret) else value
