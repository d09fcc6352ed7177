"""Who wins: a person's own value, the organization's, the system's, the built-in default."""

import base64
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from tenants import secrets
from tenants.configuration.catalog import CATALOG, ORGANIZATION, SYSTEM, USER, Setting
from tenants.configuration.overrides import (
    Change,
    OrganizationChange,
    OrganizationOverride,
    SystemChange,
    SystemOverride,
    UserChange,
    UserOverride,
)
from tenants.configuration.stored import Row, organization_rows, personal_rows, system_rows
from tenants.configuration.values import InvalidValueError
from tenants.database import INSTALLATION, current_organization_id, db, now
from tenants.errors import ForbiddenError, InvalidError
from tenants.organizations import Membership
from tenants.users import User

DEFAULT = "default"
LABELS = {SYSTEM: "System", ORGANIZATION: "Organization", USER: "My configuration", DEFAULT: "Default"}


@dataclass(frozen=True)
class Effective:
    """A setting as it applies: the value, the level it comes from, and who set it there.

    ``own`` is the value stored at the level that was asked about (None: it inherits there); for a
    secret ``value`` and ``own`` only say whether one is set.
    """

    setting: Setting
    value: Any
    level: str
    set_by: str = ""
    set_at: datetime | None = None
    is_overridden: bool = False
    is_locked: bool = False
    lock_reason: str = ""
    own: Any = None
    inherited: Any = None

    @property
    def origin(self) -> str:
        """Where the value comes from, in a word."""
        return LABELS[self.level]


def value_of(key: str, *, user: User | None = None) -> Any:
    """The value that applies in the current organization, for this person where people may choose.

    A session that is bound to no organization gets the system's value.
    """
    return effective(key, ORGANIZATION if user is None else USER, user=user).value


def secret_of(key: str) -> str:
    """A secret in clear, for the code that needs it; empty if none is set.

    It is handed out only for the place it was set for: an organization that overrides the host, the
    port, the encryption or the user does not get the system's password sent to its own server.
    """
    level, row = _winner(CATALOG[key], ORGANIZATION, None)
    if row is None or not row.value or (level != ORGANIZATION and _is_redirected(key)):
        return ""
    return _opened(row, level)


def own_secret_of(key: str, level: str) -> str:
    """The secret stored at exactly this level in clear, to compare it with another; empty if none is."""
    row = _row(key, level, None)
    return _opened(row, level) if row is not None and row.value else ""


def effective(key: str, level: str = ORGANIZATION, *, user: User | None = None) -> Effective:
    """How a setting stands, seen from a level."""
    return effective_all((CATALOG[key],), level, user=user)[0]


def effective_all(settings: tuple[Setting, ...], level: str, *, user: User | None = None) -> list[Effective]:
    """How settings stand, seen from a level; one query for each level, once in a transaction."""
    stored = _stored(level, user)
    return [_resolve(setting, level, stored) for setting in settings]


def override(key: str, text: str, level: str, *, by: str, user: User | None = None) -> Any:
    """Set a value at a level, from what a form or file says. Returns the stored value.

    `InvalidError` at the field if it does not fit, `ForbiddenError` if the system locked it.
    """
    setting = CATALOG[key]
    _demand_settable(setting, level)
    value = _read(setting, text)
    with _recorded(setting, level, by, user):
        row = _row(key, level, user) or _new_row(key, level, user)
        row.value, row.set_at = _sealed(setting, level, value) if setting.is_secret else value, now()
        if isinstance(row, SystemOverride):
            row.has_value = True
        if not isinstance(row, UserOverride):
            row.set_by = by
    return None if setting.is_secret else value


def inherit(key: str, level: str, *, by: str, user: User | None = None) -> None:
    """Take away what is set at a level; the level above applies again. A lock stays."""
    setting = CATALOG[key]
    _demand_settable(setting, level)
    with _recorded(setting, level, by, user):
        row = _row(key, level, user)
        if isinstance(row, SystemOverride) and row.is_locked:
            row.has_value, row.value = False, None
        elif row is not None:
            db.session.delete(row)


def lock(key: str, reason: str, *, by: str) -> None:
    """Let no organization override a setting; ``reason`` is what they read."""
    with _recorded(CATALOG[key], SYSTEM, by, None):
        row = _row(key, SYSTEM, None)
        if row is None:
            row = SystemOverride(key=key, value=None, has_value=False, set_by=by)
            db.session.add(row)
        assert isinstance(row, SystemOverride)  # noqa: S101  # for the type checker
        row.is_locked, row.lock_reason = True, reason.strip()


def unlock(key: str, *, by: str) -> None:
    """Let organizations override again; what they had set before applies again."""
    with _recorded(CATALOG[key], SYSTEM, by, None):
        row = _row(key, SYSTEM, None)
        if isinstance(row, SystemOverride):
            row.is_locked, row.lock_reason = False, ""
            if not row.has_value:
                db.session.delete(row)


def stored_state(key: str, level: str, *, user: User | None = None) -> dict[str, Any]:
    """What stands at exactly this level, as the history says it: ``value``, ``lock``, or nothing."""
    setting, row = CATALOG[key], _row(key, level, user)
    if row is None:
        return {}
    state = {"value": _shown(setting, row)} if _counts(row) else {}
    return state | ({"lock": row.lock_reason} if isinstance(row, SystemOverride) and row.is_locked else {})


def demand_secrets_anew(changed: Collection[str], level: str) -> None:
    """Refuse a change of the place that a secret of this level was set for, unless that changed, too."""
    for secret in (one for one in CATALOG.values() if one.is_secret and one.key not in changed):
        place = secret.key.rpartition(".")[0] + "."
        if any(key.startswith(place) for key in changed) and stored_state(secret.key, level).get("value"):
            raise InvalidError(
                f"{secret.label}: type it anew, or let it go. It was set for another server or user.",
                field=secret.key,
            )


Stored = dict[str, dict[str, Row]]


def _stored(level: str, user: User | None) -> Stored:
    return {
        SYSTEM: system_rows(),
        ORGANIZATION: organization_rows() if level != SYSTEM else {},
        USER: personal_rows(user) if level == USER and user is not None else {},
    }


def _resolve(setting: Setting, level: str, stored: Stored) -> Effective:
    system = stored[SYSTEM].get(setting.key)
    locked = isinstance(system, SystemOverride) and system.is_locked
    order = [SYSTEM] if locked or level == SYSTEM else [USER, ORGANIZATION, SYSTEM]
    found = [
        (at, row)
        for at in order
        if at in setting.levels and (row := stored[at].get(setting.key)) is not None and _counts(row)
    ]
    at, row = found[0] if found else (DEFAULT, None)
    above = next((row for at, row in found if at != level), None)
    own = stored[level].get(setting.key)
    own = own if own is not None and _counts(own) and not (locked and level != SYSTEM) else None
    return Effective(
        setting=setting,
        value=_shown(setting, row),
        level=at,
        set_by=getattr(row, "set_by", "") or "",
        set_at=None if row is None else row.set_at,
        is_overridden=own is not None,
        is_locked=locked,
        lock_reason=system.lock_reason if isinstance(system, SystemOverride) else "",
        own=None if own is None else _shown(setting, own),
        inherited=_shown(setting, above),
    )


def _shown(setting: Setting, row: Row | None) -> Any:
    if setting.is_secret:
        return bool(row is not None and row.value)
    return setting.default if row is None else row.value


def _counts(row: Row) -> bool:
    return not isinstance(row, SystemOverride) or row.has_value


def _winner(setting: Setting, level: str, user: User | None) -> tuple[str, Row | None]:
    stored = _stored(level, user)
    at = _resolve(setting, level, stored).level
    return at, None if at == DEFAULT else stored[at][setting.key]


def _is_redirected(key: str) -> bool:
    group = key.rpartition(".")[0] + "."
    others = tuple(setting for name, setting in CATALOG.items() if name.startswith(group) and name != key)
    return any(other.is_overridden for other in effective_all(others, ORGANIZATION))


@contextmanager
def _recorded(setting: Setting, level: str, by: str, user: User | None) -> Iterator[None]:
    """Keep what a change found and left. Another secret than before is a change, too."""
    before = stored_state(setting.key, level, user=user)
    yield
    db.session.flush()
    after = stored_state(setting.key, level, user=user)
    if before != after or (setting.is_secret and after):
        db.session.add(_change(setting.key, level, before, after, by, user))


def _change(
    key: str, level: str, before: dict[str, Any], after: dict[str, Any], by: str, user: User | None
) -> Change:
    said = {"key": key, "before": before, "after": after, "by": by}
    if level == SYSTEM:
        return SystemChange(**said)
    if level == ORGANIZATION:
        return OrganizationChange(**said)
    return UserChange(user_id=_demanded(user).id, **said)


def _read(setting: Setting, text: str) -> Any:
    try:
        value = setting.read(text)
    except InvalidValueError as error:
        raise InvalidError(str(error), field=setting.key) from None
    return _member_id(setting, value) if setting.kind == "member" and value is not None else value


def _member_id(setting: Setting, given: str) -> str:
    """The id of a member of this organization, who is named by id or address."""
    who = User.address == given if "@" in given else Membership.id == UUID(given)
    found = db.session.scalar(select(Membership.id).join(User, User.id == Membership.user_id).where(who))
    if found is None:
        raise InvalidError("Choose a person of this organization.", field=setting.key)
    return str(found)


def _demand_settable(setting: Setting, level: str) -> None:
    if level not in setting.levels:
        raise ForbiddenError(f"{setting.label} cannot be set here.")
    if level == SYSTEM:
        return
    row = _row(setting.key, SYSTEM, None)
    if isinstance(row, SystemOverride) and row.is_locked:
        raise ForbiddenError(f"{setting.label} is locked by the system. {row.lock_reason}".strip())


def _row(key: str, level: str, user: User | None) -> Row | None:
    if level == SYSTEM:
        return db.session.get(SystemOverride, key)
    if level == ORGANIZATION:
        return db.session.scalar(select(OrganizationOverride).where(OrganizationOverride.key == key))
    return db.session.get(UserOverride, (_demanded(user).id, key))


def _new_row(key: str, level: str, user: User | None) -> Row:
    row: Row
    if level == SYSTEM:
        row = SystemOverride(key=key)
    elif level == ORGANIZATION:
        row = OrganizationOverride(key=key)
    else:
        row = UserOverride(user_id=_demanded(user).id, key=key)
    db.session.add(row)
    return row


def _sealed(setting: Setting, level: str, value: str) -> str | None:
    if not value:
        return None
    table = SystemOverride.__tablename__ if level == SYSTEM else OrganizationOverride.__tablename__
    blob = secrets.encrypt(value, table=table, row=_place(level), column=setting.key)
    return base64.b64encode(blob).decode()


def _opened(row: Row, level: str) -> str:
    blob = base64.b64decode(row.value)
    return secrets.decrypt(blob, table=row.__tablename__, row=_place(level), column=row.key)


def _place(level: str) -> UUID:
    return INSTALLATION if level == SYSTEM else current_organization_id()


def _demanded(user: User | None) -> User:
    if user is None:
        raise ValueError("a personal setting needs the person")
    return user
