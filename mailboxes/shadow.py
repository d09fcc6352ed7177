"""Shadow mode: a mailbox whose automation is only thought of, and what it would have done.

A message that came while its mailbox was in shadow is marked, at delivery or when it is acted upon, and stays
so: going live touches nothing that came before. Conversion and responses ask `is_in_shadow` where they would
act, and leave their decision on the timeline under `SHADOW`. People reply and convert by hand as always.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select

from mailboxes.messages import Message
from mailboxes.system_mailboxes import Mailbox
from mailboxes.timeline import Event, reason_told
from tenants.database import db

SHADOW = "shadow"  # in the details of an event: what would have been done; "" for nothing
ANSWER = "answer"


@dataclass(frozen=True)
class Shadowed:
    """A message with what automation would have done with it, in sentences."""

    message: Message
    conversion: str
    response: str


def is_in_shadow(message: Message) -> bool:
    """Whether automation only looks at a message; if so, that is for good."""
    mailbox = db.session.get_one(Mailbox, (message.organization_id, message.mailbox_id))
    message.is_shadow = message.is_shadow or mailbox.is_shadow
    return message.is_shadow


def would_have_answered_since(mailbox_id: UUID, recipient: str, since: datetime) -> datetime | None:
    """When a sender would last have been answered from a mailbox in shadow."""
    query = (
        select(func.max(Event.at))
        .join(Message, (Message.organization_id == Event.organization_id) & (Message.id == Event.message_id))
        .where(
            Message.mailbox_id == mailbox_id,
            Message.is_shadow,
            Event.details[SHADOW].astext == ANSWER,
            Event.details["canonical"].astext == recipient,
            Event.at > since,
        )
    )
    return db.session.scalar(query)


def shadow_counts(mailbox: Mailbox) -> dict[str, int]:
    """How often each thing would have been done: by the name of an action, or `ANSWER`; "" for nothing."""
    done = Event.details[SHADOW].astext.label("done")
    query = (
        select(done, func.count())
        .join(Message, (Message.organization_id == Event.organization_id) & (Message.id == Event.message_id))
        .where(Message.mailbox_id == mailbox.id, Message.is_shadow, Event.details.has_key(SHADOW))
        .group_by(done)
    )
    return {row[0]: row[1] for row in db.session.execute(query)}


def shadowed_messages(mailbox: Mailbox) -> Select[Message]:
    """Messages that came in shadow and were looked at by automation, in no order."""
    looked_at = select(Event.message_id).where(Event.message_id == Message.id, Event.details.has_key(SHADOW))
    return select(Message).where(Message.mailbox_id == mailbox.id, Message.is_shadow, looked_at.exists())


def explained(messages: list[Message], permissions: Collection[str]) -> list[Shadowed]:
    """What would have been done with each of these, in their order; as a reader may know it."""
    query = select(Event).where(
        Event.message_id.in_([message.id for message in messages]), Event.details.has_key(SHADOW)
    )
    said: dict[tuple[UUID, str], Any] = {}
    for event in db.session.scalars(query):
        said[event.message_id, event.stage] = reason_told(event, permissions).removeprefix("Shadow: ")
    return [
        Shadowed(one, said.get((one.id, "converted"), ""), said.get((one.id, "rules"), ""))
        for one in messages
    ]
