"""Every action there is: the built-in ones, and those of plug-ins.

An installed distribution adds an action by an entry point of the group ``postroom.actions`` that
names a subclass of `Action`. See docs/plug-ins.md.
"""

import re
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points

import structlog
from sqlalchemy.exc import DBAPIError

from mailboxes.conversion.actions import Action
from mailboxes.conversion.built_in import BUILT_IN
from tenants.permissions import PERMISSIONS

GROUP = "postroom.actions"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,49}")

log = structlog.get_logger()


def actions() -> dict[str, Action]:
    """Every action by name: the built-in ones, then those of plug-ins."""
    found: dict[str, Action] = {action.name: action for action in BUILT_IN}
    for action in plug_ins():
        if action.name in found:
            log.error("action ignored: the name is taken", action=action.name)
        else:
            found[action.name] = action
    return found


def standing_of(action: Action) -> tuple[bool, str]:
    """What `Action.is_offered` says; a plug-in that fails at it is not offered."""
    try:
        return action.is_offered()
    except DBAPIError:
        raise  # the transaction is at fault, not the action
    except Exception:  # somebody else's code may raise anything; Postroom goes on
        log.exception("action not offered: it failed", action=action.name)
        return False, f"The plug-in of “{action.label}” failed. Its error is in the log."


@lru_cache(maxsize=1)
def plug_ins() -> tuple[Action, ...]:
    """The actions of installed plug-ins, once for each process; a broken one is logged and left out."""
    loaded = (_loaded(entry) for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name))
    return tuple(action for action in loaded if action is not None)


def _loaded(entry: EntryPoint) -> Action | None:
    try:
        action = entry.load()()
        _demand_complete(action)
    except Exception:  # somebody else's code may raise anything; Postroom goes on
        log.exception("action ignored: the plug-in cannot be loaded", entry_point=entry.value)
        return None
    else:
        return action  # type: ignore[no-any-return]  # _demand_complete looked


def _demand_complete(action: object) -> None:
    if not isinstance(action, Action):
        raise TypeError("the entry point must name a subclass of mailboxes.conversion.Action")
    if not _NAME.fullmatch(action.name) or not action.label or not action.noun:
        raise ValueError("name (a-z, 0-9, _), label and noun must be there")
    if action.permission not in PERMISSIONS:
        raise ValueError(f"{action.permission} is no permission")
