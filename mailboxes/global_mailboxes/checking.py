"""Values of the fields of a global mailbox, checked before they are stored: `InvalidError` where wrong."""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import func, select

from mailboxes.conversion import NOTHING, Field, actions, checked_settings, choices_of
from mailboxes.conversion.known_actions import standing_of
from mailboxes.crm.lead_sources import lead_sources
from mailboxes.global_mailboxes.fields import APART, NO_RULES, OWN_RULES
from mailboxes.setup.demands import LONGEST_LABEL, normal_addresses
from mailboxes.system_mailboxes import Mailbox
from tenants.database import db
from tenants.errors import InvalidError


def checked(mailbox: Mailbox, field: str, value: Any) -> Any:
    """A value that the current organization gives a field, ready to be stored."""
    check = _CHECKS.get(field)
    return value if check is None else check(mailbox, value)


def checked_label(value: str) -> str:
    """A label in one way of writing."""
    label = " ".join(value.split())
    if not label or len(label) > LONGEST_LABEL:
        raise InvalidError(f"Give the mailbox a label of up to {LONGEST_LABEL} characters.", field="label")
    return label


def checked_processing(value: Mapping[str, Any], *, of_system: bool) -> dict[str, Any]:
    """What happens with new messages: an action with its settings, but those that are fields of their own.

    The system names no people: every organization has others.
    """
    name = str(value["action"])
    if name == NOTHING:
        return {"action": NOTHING, "settings": {}}
    action = actions().get(name)
    if action is None:
        raise InvalidError("Choose what happens with new messages.", field="action")
    people = {one.name for one in action.fields if one.kind == "member"} if of_system else set()
    try:
        settings = checked_settings(name, value["settings"], {*APART, *people})
    except InvalidError as error:
        raise InvalidError(error.message, field=f"{name}_{error.field}") from None
    return {"action": name, "settings": settings}


def _label(mailbox: Mailbox, value: str) -> str:
    label = checked_label(value)
    taken = select(Mailbox.label).where(Mailbox.id != mailbox.id, func.lower(Mailbox.label) == label.lower())
    other = db.session.scalar(taken)
    if other is not None:
        raise InvalidError(f"Another mailbox is called {other}. Choose another label.", field="label")
    return label


def _processing(mailbox: Mailbox, value: Mapping[str, Any]) -> dict[str, Any]:
    found = checked_processing(value, of_system=False)
    if found["action"] not in {NOTHING, mailbox.action}:
        is_offered, reason = standing_of(actions()[found["action"]])
        if not is_offered:
            raise InvalidError(reason, field="action")
    return found


def _owner(mailbox: Mailbox, value: str) -> str:
    if value and value not in {id for id, _ in choices_of(Field("owner", "Owner", "member"), chosen=value)}:
        raise InvalidError("Choose one from the list.", field="owner")
    return value


def _source(mailbox: Mailbox, value: str) -> str:
    if value and value not in {source.key for source in db.session.scalars(lead_sources())}:
        raise InvalidError("Choose one from the list.", field="source")
    return value


def _automation_from(mailbox: Mailbox, value: str | None) -> str:
    if value is None:
        raise InvalidError("Choose a date and time.", field="automation_from")
    return value


def _trusted_forms(mailbox: Mailbox, value: list[str]) -> list[str]:
    return normal_addresses(value, "trusted_forms")


def _rules(mailbox: Mailbox, value: str) -> str:
    if value not in {OWN_RULES, NO_RULES}:
        raise InvalidError("Choose whose rules apply.", field="rules")
    return value


_CHECKS: dict[str, Callable[[Mailbox, Any], Any]] = {
    "label": _label,
    "processing": _processing,
    "owner": _owner,
    "source": _source,
    "automation_from": _automation_from,
    "trusted_forms": _trusted_forms,
    "rules": _rules,
}
