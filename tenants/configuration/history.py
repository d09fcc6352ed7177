"""What a setting was before, at one level, and how to have it so again."""

from typing import Any
from uuid import UUID

from sqlalchemy import Select, select

from tenants.configuration import layers
from tenants.configuration.catalog import CATALOG, ORGANIZATION, SYSTEM
from tenants.configuration.overrides import Change, OrganizationChange, SystemChange, UserChange
from tenants.configuration.values import typed
from tenants.database import db
from tenants.errors import ConflictError, InvalidError, NotFoundError
from tenants.users import User


def changes_of(key: str, level: str, *, user: User | None = None) -> Select[Any]:
    """The changes of a setting at a level, newest first."""
    table = _table(level)
    query = select(table).where(table.key == key).order_by(table.id.desc())
    return query if user is None else query.where(UserChange.user_id == user.id)


def before(query: Select[Any], change_id: UUID, level: str) -> Select[Any]:
    """Of these changes, those older than one."""
    return query.where(_table(level).id < change_id)


def undo(key: str, change_id: UUID, level: str, *, by: str, user: User | None = None) -> None:
    """Have a setting again as it was before a change, which is a change as well.

    `ConflictError` if it is so already, `InvalidError` if it cannot be so any more, `ForbiddenError` if
    the system locked it.
    """
    table = _table(level)
    change: Change | None = db.session.scalar(changes_of(key, level, user=user).where(table.id == change_id))
    if change is None:
        raise NotFoundError
    if not may_be_restored(key, change.before):
        raise InvalidError("The former password is not kept. Type it anew.", field=key)
    if change.before == layers.stored_state(key, level, user=user):
        raise ConflictError("This value applies already.")
    restore(key, change.before, level, by=by, user=user)


def may_be_restored(key: str, state: dict[str, Any]) -> bool:
    """Whether a setting can be brought to a former state: a secret's is not kept."""
    return not (CATALOG[key].is_secret and state.get("value"))


def restore(key: str, state: dict[str, Any], level: str, *, by: str, user: User | None = None) -> None:
    """Bring a setting at a level to a state, as `layers.stored_state` says it."""
    if "value" in state:
        layers.override(key, typed(state["value"]), level, by=by, user=user)
    else:
        layers.inherit(key, level, by=by, user=user)
    if level != SYSTEM:
        return
    if "lock" in state:
        layers.lock(key, state["lock"], by=by)
    else:
        layers.unlock(key, by=by)


def _table(level: str) -> Any:
    return {SYSTEM: SystemChange, ORGANIZATION: OrganizationChange}.get(level, UserChange)
