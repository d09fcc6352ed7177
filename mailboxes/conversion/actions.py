"""What a mailbox can do with a new conversation: the plug-in point.

An installed distribution adds an action by an entry point of the group ``postroom.actions`` that
names a subclass of `Action`. See docs/plug-ins.md.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.exc import DBAPIError

from mailboxes.messages import Message
from tenants.organizations import Membership
from tenants.permissions import PERMISSIONS

GROUP = "postroom.actions"
FIELD_KINDS = ("text", "choice", "member", "lead_source", "tags")
NOTHING = "nothing"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,49}")

log = structlog.get_logger()


@dataclass(frozen=True)
class Field:
    """A setting of an action, as the mailbox's page asks for it.

    Stored values by ``kind``: text, choice: a text; member: a membership's id as text; lead_source:
    a source's ``key``; tags: a list of texts. An empty one is "" or [].
    """

    name: str
    label: str
    kind: str = "text"
    required: bool = False
    choices: tuple[tuple[str, str], ...] = ()
    help: str = ""
    default: str = ""

    def __post_init__(self) -> None:
        if self.kind not in FIELD_KINDS:
            raise ValueError(f"{self.name}: {self.kind} is no kind of a field ({', '.join(FIELD_KINDS)})")


@dataclass(frozen=True)
class Record:
    """What an action made. ``label`` and ``url`` (or "") are shown with the conversation.

    ``notes`` are sentences for the message's timeline (a setting that no longer holds, …); ``details``
    is kept there too, as JSON.
    """

    id: UUID
    label: str
    url: str = ""
    notes: tuple[str, ...] = ()
    details: dict[str, Any] = field(default_factory=dict)


class Action(ABC):
    """A kind of conversion. It runs inside the organization, in the transaction of the conversion.

    ``name`` is the stable key (lower case) and the kind of the records; ``label`` what people choose
    ("Convert to task"); ``noun`` what the record is called ("task"); ``permission`` (one of
    ``tenants.permissions.PERMISSIONS``) is what a member needs to convert by hand.
    """

    name: str
    label: str
    noun: str
    permission: str = "case.edit"
    fields: tuple[Field, ...] = ()

    def is_offered(self) -> tuple[bool, str]:
        """Whether the current organization may use it now, and if not, why, in a sentence."""
        return True, ""

    @abstractmethod
    def make_record(
        self, message: Message, settings: Mapping[str, Any], by: Membership | None = None
    ) -> Record:
        """Make the record. It is called once for a message, whatever happens.

        ``settings`` are the mailbox's values by field name; they may be missing or point to what is
        gone, which must not lose the message: fall back, and say so in the record's ``notes``.
        ``by`` is the member who converts by hand, None in automation. Neither commit nor send
        anything here: the transaction may yet be undone.
        """


def actions() -> dict[str, Action]:
    """Every action by name: the built-in ones, then those of plug-ins."""
    from mailboxes.conversion.built_in import BUILT_IN  # which are Actions themselves

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
