"""Values and states of settings, in words."""

from collections.abc import Mapping
from typing import Any

from tenants.configuration.catalog import Setting
from tenants.configuration.values import typed

LONGEST = 60


def as_text(setting: Setting, value: Any) -> str:
    """A stored value as a control holds it."""
    return "" if setting.is_secret else typed(value)


def in_words(setting: Setting, value: Any, people: Mapping[str, str]) -> str:
    """A value as a sentence shows it; ``people`` names members by their id."""
    if setting.is_secret:
        return "set" if value else "not set"
    if setting.kind == "switch":
        return "On" if value else "Off"
    if setting.kind == "member":
        return people.get(str(value), "somebody who left") if value else "nobody"
    return _shortened(_plain_words(setting, value)) or "empty"


def state_in_words(setting: Setting, state: Mapping[str, Any], people: Mapping[str, str]) -> str:
    """What stood at a level: the value or that it inherits, and the lock."""
    words = in_words(setting, state["value"], people) if "value" in state else "inherits"
    return f"{words}, locked: {state['lock']}" if "lock" in state else words


def _plain_words(setting: Setting, value: Any) -> str:
    names: dict[str, str] = dict(setting.choices)
    if isinstance(value, list):
        return ", ".join(str(names.get(one, one)) for one in value)
    if isinstance(value, int):
        return f"{value:,} {setting.unit}".strip()
    return names.get(str(value)) or typed(value).replace("\n", ", ")


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1].rstrip() + "…"
