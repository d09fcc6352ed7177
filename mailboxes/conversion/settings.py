"""What a mailbox's page offers and accepts as the settings of an action."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from mailboxes.conversion.actions import Action, Field
from mailboxes.conversion.known_actions import actions, standing_of
from mailboxes.crm import texts
from mailboxes.crm.lead_sources import lead_sources, visible_lead_sources
from tenants.database import db
from tenants.errors import InvalidError
from tenants.organizations import Membership, active_members, members_offered


@dataclass(frozen=True)
class Offer:
    """An action as the page shows it; where it is not offered, the reason."""

    action: Action
    is_offered: bool
    reason: str


def offers() -> list[Offer]:
    """Every action, in the order of the page; what is not offered is shown with its reason."""
    return [Offer(action, *standing_of(action)) for action in actions().values()]


def choices_of(field: Field, words: str = "", chosen: str = "") -> list[tuple[str, str]]:
    """(value, label) of a field's choices in the current organization; a text field has none.

    Of people the first `MOST_OFFERED` whose name or address has these words, and the one who is chosen.
    """
    if field.kind == "member":
        return members_offered(words, chosen)
    if field.kind == "lead_source":
        return [(source.key, source.name) for source in db.session.scalars(visible_lead_sources())]
    return list(field.choices)


def checked_settings(
    name: str, values: Mapping[str, Any], without: Container[str] = frozenset()
) -> dict[str, Any]:
    """The settings of an action, ready to be stored; unknown names and those of ``without`` are dropped.

    `InvalidError` whose ``field`` is the setting's name: required and empty, or no choice.
    """
    action = actions().get(name)
    if action is None:
        raise InvalidError("Choose what happens with new messages.", field="action")
    return {
        field.name: _checked(field, values.get(field.name))
        for field in action.fields
        if field.name not in without
    }


def _checked(field: Field, value: Any) -> Any:
    clean: Any
    if field.kind == "tags":
        clean = texts.unique_tags(value if isinstance(value, list) else str(value or "").split(","))
    else:
        clean = texts.one_line(_text(value))
    if field.required and not clean:
        raise InvalidError(
            f"Choose: {field.label}." if field.kind != "text" else "Fill this in.", field=field.name
        )
    if clean and field.kind in ("choice", "member", "lead_source") and clean not in _allowed(field, clean):
        raise InvalidError("Choose one from the list.", field=field.name)
    return clean


def _active_member(id: str) -> Sequence[Membership]:
    try:
        return db.session.scalars(active_members().where(Membership.id == UUID(id))).all()
    except ValueError:
        return ()


def _allowed(field: Field, value: str) -> set[str]:
    if field.kind == "member":
        return {str(member.id) for member in _active_member(value)}
    if field.kind == "lead_source":  # a hidden one that is chosen may stay
        return {source.key for source in db.session.scalars(lead_sources())}
    return {value for value, _ in choices_of(field)}


def _text(value: Any) -> str:
    if value is None:
        return ""
    return str(value) if isinstance(value, (str, UUID)) else ""


def settings_in_words(action: Action, values: Mapping[str, Any]) -> list[str]:
    """What the settings of an action say, each as "owner Ada"; those that say nothing are left out."""
    found = []
    for field in action.fields:
        value = values.get(field.name)
        text = ", ".join(value) if isinstance(value, list) else str(value or "")
        names = dict(choices_of(field, chosen=text))
        if text:
            found.append(f"{field.label.lower()} {names.get(text, text)}")
    return found
