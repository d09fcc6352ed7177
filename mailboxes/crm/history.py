"""What changed on a record, in words that stay true when people and sources go."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import select

from tenants.database import db
from tenants.organizations import Membership
from tenants.users import User

AUTOMATION = "Postroom"  # the actor of what nobody did by hand


def assign(row: object, values: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Set attributes of a row; returns what that changed, as ``{name: [before, after]}``."""
    changes = {}
    for name, value in values.items():
        before = getattr(row, name)
        if before != value:
            setattr(row, name, value)
            changes[name] = [before, value]
    return changes


def named(changes: dict[str, list[Any]], names: Mapping[str, Mapping[UUID, str]]) -> dict[str, list[Any]]:
    """Changes with every id replaced by the name of what it points to, ready to be stored.

    ``names`` has, for each attribute that holds an id, what the ids are called.
    """
    return {
        attribute.removesuffix("_id"): [_word(value, names.get(attribute, {})) for value in pair]
        for attribute, pair in changes.items()
    }


def member_names(ids: Iterable[UUID | None]) -> dict[UUID, str]:
    """What members of the current organization are called, those who left included."""
    wanted = {id for id in ids if id is not None}
    if not wanted:
        return {}
    rows = db.session.execute(
        select(Membership.id, User.name, User.address)
        .join(User, User.id == Membership.user_id)
        .where(Membership.id.in_(wanted))
    )
    return {row.id: row.name or row.address for row in rows}


def _word(value: Any, names: Mapping[UUID, str]) -> Any:
    if isinstance(value, UUID):
        return names.get(value, "someone who is gone")
    return value.isoformat() if hasattr(value, "isoformat") else value
