"""What an organization may say otherwise of a global mailbox, field by field. Pure.

The system's values and an organization's overrides have one shape: ``{field: {"value", "by", "at"}}``, with
JSON in it. What applies is one laid over the other, here as in the database (``system_values || overrides``).
A field that the system locked has a ``lock`` too, the reason that organizations read: what they say otherwise
waits until it goes. An override of access has no value: the grants are rows, and a list while they wait.
That of rules is ``own`` or ``off``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

# In the order of the page.
FIELDS: dict[str, str] = {
    "label": "Mailbox label",
    "enabled": "Enabled",
    "shadow": "Shadow mode",
    "processing": "What happens with new messages",
    "owner": "Record owner",
    "source": "Lead source",
    "automation_from": "Automation from",
    "converts_automatic": "Automatic mail converts too",
    "trusted_forms": "Trusted web forms",
    "answers_unaddressed": "Answer messages that do not name this mailbox among their recipients",
    "signature": "Signature",
    "access": "Access",
    "rules": "Auto-response rules",
}
# The settings of actions that are fields of their own here, whatever the action.
APART = ("owner", "source")
SYSTEM_RULES, OWN_RULES, NO_RULES = "system", "own", "off"

Values = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class FieldState:
    """A field as it applies in an organization: the value, whose it is, and who set it when.

    ``inherited`` is what the system says, also where the organization says otherwise. ``lock`` is the reason
    why it may not, None where it may; ``waits``: what it says otherwise applies when the lock goes.
    """

    field: str
    value: Any
    inherited: Any
    is_overridden: bool
    by: str
    at: datetime | None
    lock: str | None = None
    waits: bool = False

    @property
    def label(self) -> str:
        """What people call it."""
        return FIELDS[self.field]


def said(value: Any, by: str, at: datetime) -> dict[str, Any]:
    """A value with who set it and when, as it is stored."""
    return {"value": value, "by": by, "at": at.isoformat()}


def state_of(field: str, system: Values, overrides: Values) -> FieldState:
    """How one field stands."""
    inherited = system.get(field, {})
    is_said, lock = field in overrides, inherited.get("lock")
    applies = overrides[field] if is_said and lock is None else inherited
    at = applies.get("at")
    return FieldState(
        field=field,
        value=applies.get("value"),
        inherited=inherited.get("value"),
        is_overridden=is_said and lock is None,
        by=str(applies.get("by", "")),
        at=datetime.fromisoformat(at) if at else None,
        lock=lock,
        waits=is_said and lock is not None,
    )


def states_of(system: Values, overrides: Values) -> list[FieldState]:
    """How all fields stand, in the order of the page."""
    return [state_of(field, system, overrides) for field in FIELDS]


def renewed(before: Values, wanted: Mapping[str, Any], by: str, at: datetime) -> dict[str, dict[str, Any]]:
    """The system's values: those that change are signed anew, the others keep who set them; locks stay."""
    return {
        field: dict(before[field])
        if field in before and before[field].get("value") == value
        else said(value, by, at) | _lock_in(before.get(field, {}))
        for field, value in wanted.items()
    }


def locks_of(values: Values) -> dict[str, str]:
    """The reasons of what is locked, by field."""
    return {field: one["lock"] for field, one in values.items() if "lock" in one}


def with_locks(values: Values, locks: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """The system's values with exactly these fields locked."""
    unlocked = {
        field: {name: kept for name, kept in one.items() if name != "lock"} for field, one in values.items()
    }
    return {
        field: one | ({"lock": locks[field]} if field in locks else {}) for field, one in unlocked.items()
    }


def _lock_in(one: Mapping[str, Any]) -> dict[str, Any]:
    return {"lock": one["lock"]} if "lock" in one else {}
