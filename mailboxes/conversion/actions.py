"""What a mailbox can do with a new conversation: what every action is (see docs/plug-ins.md)."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from mailboxes.messages import Message
from tenants.organizations import Membership

FIELD_KINDS = ("text", "choice", "member", "lead_source", "tags")
NOTHING = "nothing"


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
