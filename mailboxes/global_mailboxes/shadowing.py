"""What a global mailbox in shadow would have done, in numbers: system administrators see no message of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select

from mailboxes.global_mailboxes.table import GlobalMailbox
from mailboxes.messages import Message
from mailboxes.shadow import ANSWER, SHADOW
from mailboxes.system_mailboxes import Mailbox
from mailboxes.timeline import Event
from tenants.database import across_organizations, is_one_of


@dataclass
class Shadowed:
    """How many messages came in shadow; how often each thing would have been done, by an action's name."""

    messages: int = 0
    done: dict[str, int] = field(default_factory=dict)

    @property
    def answers(self) -> int:
        """Automatic responses that would have been sent."""
        return self.done.get(ANSWER, 0)

    @property
    def records(self) -> int:
        """Leads, cases and the like that would have been made."""
        return sum(number for name, number in self.done.items() if name not in {ANSWER, ""})


@dataclass(frozen=True, slots=True)
class Stances:
    """How many organizations that are served have it in shadow, and how many are live."""

    shadow: int
    live: int


def stances(source: GlobalMailbox) -> Stances:
    """As it applies now, whoever says so."""
    query = select(func.count().filter(Mailbox.is_shadow), func.count().filter(~Mailbox.is_shadow)).where(
        Mailbox.global_mailbox_id == source.id, Mailbox.is_served
    )
    with across_organizations("a system page counts where a global mailbox is in shadow") as session:
        return Stances(*session.execute(query).one())


def shadowed_by_organization(source: GlobalMailbox, organizations: Sequence[UUID]) -> dict[UUID, Shadowed]:
    """For each of these organizations."""
    found = {id: Shadowed() for id in organizations}
    with across_organizations("a system page counts what a global mailbox would have done") as session:
        for id, number in session.execute(_came(source, organizations)):
            found[id].messages = number
        for id, done, number in session.execute(_done(source, organizations)):
            found[id].done[done] = number
    return found


def _came(source: GlobalMailbox, organizations: Sequence[UUID]) -> Select[UUID, int]:
    query = select(Message.organization_id, func.count()).select_from(Message)
    return query.where(*_of(source, organizations)).group_by(Message.organization_id)


def _done(source: GlobalMailbox, organizations: Sequence[UUID]) -> Select[Any]:
    done = Event.details[SHADOW].astext
    query: Select[Any] = (
        select(Message.organization_id, done, func.count())
        .select_from(Message)
        .join(Event, (Event.organization_id == Message.organization_id) & (Event.message_id == Message.id))
        .where(Event.details.has_key(SHADOW), *_of(source, organizations))
    )
    return query.group_by(Message.organization_id, done)


def _of(source: GlobalMailbox, organizations: Sequence[UUID]) -> tuple[ColumnElement[bool], ...]:
    """Messages that came in shadow into the mailboxes of these organizations."""
    reading = select(Mailbox.id).where(
        Mailbox.global_mailbox_id == source.id, Mailbox.organization_id == Message.organization_id
    )
    return (
        Message.mailbox_id.in_(reading),
        Message.is_shadow.is_(True),
        is_one_of(Message.organization_id, organizations),
    )
