"""The part of a file that is about the installation: the system's settings, what it offers, and users."""

from typing import Any

from mailboxes.interchange.describing import describe_system_settings, describe_user
from mailboxes.interchange.offers import apply_offers
from mailboxes.interchange.values import Change, Description, Secret, compared, merged
from mailboxes.interchange.work import Work
from tenants.audit import record_for_system
from tenants.configuration import layers
from tenants.configuration.catalog import SYSTEM, USER
from tenants.database import db
from tenants.installation.users import demand_others_administer, keeping_a_system_administrator
from tenants.users import User, knows_password, password_links, sign_out_everywhere, user_by_address


def apply_installation(work: Work) -> list[Change]:
    """Make the system's settings, its offers and users true; what changed."""
    changes = _apply_settings(work.inside("system", "settings"))
    changes += apply_offers(work.inside("system"))
    for address, given in work.document.users.items():
        changes += keep_user(address, given, work.inside("users", address))
    return changes


def keep_user(address: str, given: Description, work: Work) -> list[Change]:
    """A user as the file says, new or changed."""
    user = user_by_address(address)
    before = describe_user(user) if user is not None else None
    password = given.get("password")
    wanted = merged(before, {key: value for key, value in given.items() if key != "password"})
    changes: list[Change] = []
    if wanted != before:
        user = _saved(user or User(address=address), wanted, work)
        changes += compared(before, describe_user(user), ("users", address))
    if user is not None and isinstance(password, Secret) and not knows_password(user, password.value or ""):
        with work.at("password"):
            password_links.choose(user, password.value or "")
        record_for_system(work.by, "user.password_changed", user.address)
        changes.append(Change("~", ("users", address, "password"), password, password))
    return changes


def _saved(user: User, wanted: Description, work: Work) -> User:
    is_new = user.id is None
    before = {} if is_new else _for_the_record(user)
    if not is_new and user.is_enabled and not wanted.get("enabled", True):
        with work.at("enabled"):
            demand_others_administer(user)
    with work.at("system_administrator"), keeping_a_system_administrator():
        user.name = wanted.get("name", "")
        user.is_enabled = wanted.get("enabled", True)
        user.is_system_admin = wanted.get("system_administrator", False)
        db.session.add(user)
    if not is_new and not user.is_enabled:
        sign_out_everywhere(user)
    _keep_personal_settings(user, wanted.get("settings", {}), work)
    if before != _for_the_record(user):
        act = "user.created" if is_new else "user.changed"
        record_for_system(work.by, act, user.address, before, _for_the_record(user))
    return user


def _keep_personal_settings(user: User, wanted: Description, work: Work) -> None:
    current = describe_user(user).get("settings", {})
    for key in {*current, *wanted}:
        with work.at("settings", key):
            if key not in wanted:
                layers.inherit(key, USER, by=work.by.name, user=user)
            elif wanted[key] != current.get(key):
                layers.override(key, as_typed(wanted[key]), USER, by=work.by.name, user=user)


def as_typed(value: Any) -> str:
    """A stored value as a form would send it."""
    if isinstance(value, Secret):
        return value.value or ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "\n".join(value) if isinstance(value, list) else str(value)


def _apply_settings(work: Work) -> list[Change]:
    before = describe_system_settings()
    wanted = merged(before, work.document.system.get("settings", {}))
    for key in {*before, *wanted}:
        with work.at(key):
            _set(key, before.get(key, {}), wanted.get(key, {}), work)
    changes = list(compared(before, described := describe_system_settings(), ("system", "settings")))
    after = {key: _plain(one) for key, one in described.items() if before.get(key) != one}
    if changes:
        former = {key: _plain(before[key]) for key in before if before[key] != described.get(key)}
        record_for_system(work.by, "configuration.changed", ", ".join(after or former), former, after)
    return changes


def _set(key: str, before: Description, wanted: Description, work: Work) -> None:
    if "value" in wanted and wanted["value"] != before.get("value"):
        layers.override(key, as_typed(wanted["value"]), SYSTEM, by=work.by.name)
    elif "value" in before and "value" not in wanted:
        layers.inherit(key, SYSTEM, by=work.by.name)
    if wanted.get("locked") and (not before.get("locked") or wanted["reason"] != before["reason"]):
        layers.lock(key, wanted["reason"], by=work.by.name)
    elif before.get("locked") and not wanted.get("locked"):
        layers.unlock(key, by=work.by.name)


def _plain(entry: Description) -> Description:
    return {
        name: "(set)" if name == "value" and isinstance(value, Secret) else value
        for name, value in entry.items()
    }


def _for_the_record(user: User) -> dict[str, Any]:
    return {
        "name": user.name,
        "is_enabled": user.is_enabled,
        "is_system_admin": user.is_system_admin,
    }
