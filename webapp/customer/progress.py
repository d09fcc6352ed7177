"""How far a letter has come, in steps that a visitor watches."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select

from mailboxes.access import readable_ids, readable_mailboxes
from mailboxes.conversion import links_of
from mailboxes.messages import Message
from mailboxes.timeline import Event, events_of
from tenants.database import db, now
from tenants.organizations import Membership
from webapp.customer.letters import Received, received_by
from webapp.records import conversation_url

WATCHED = timedelta(minutes=2)  # after this nothing is expected by itself
LISTENED = timedelta(minutes=30)  # so long people may take to answer
_WAITING = "loader-circle"


@dataclass(frozen=True)
class Progress:
    """The steps so far, as the component `timeline` shows them, and what the customer received.

    ``is_settled``: what happens by itself has happened, so that only people may still answer.
    """

    steps: list[dict[str, Any]]
    received: list[Received]
    is_over: bool
    is_settled: bool = False
    message: Message | None = None
    conversation_url: str = ""


def progress_of(letter_id: UUID, member: Membership) -> Progress:
    """What became of a letter, as far as this member may read it."""
    sent_at = datetime.fromtimestamp((letter_id.int >> 80) / 1000, UTC)
    steps = [_step("Sent", "send", "handed to the mail server", at=sent_at)]
    message = db.session.scalar(
        select(Message).where(
            Message.message_id.startswith(f"{letter_id}@"), Message.mailbox_id.in_(readable_ids(member))
        )
    )
    is_late = now() - sent_at > WATCHED
    if message is None:
        reason = "Nothing came yet. The page of the mailbox says why." if is_late else ""
        steps.append(_step("Arrived", _WAITING, "on its way", reason))
        return Progress(steps, [], is_late)
    url = conversation_url(message.thread_id)
    steps.append(_step("Arrived", "inbox", "in its conversation", at=message.arrived_at, url=url))
    steps += _acted(message)
    received = _received(message, member)
    steps += [_step("Received by the customer", "mail-open", one.subject, at=one.at) for one in received]
    is_settled = is_late or (message.work != "pending" and (bool(received) or not _is_answered(message)))
    return Progress(steps, received, now() - sent_at > LISTENED, is_settled, message, url)


def _acted(message: Message) -> list[dict[str, Any]]:
    events = {event.stage: event for event in events_of(message)}
    steps = [_seen(events["classified"], "Read as", "eye")] if "classified" in events else []
    if message.work == "pending":
        return [*steps, _step("Lead or case", _WAITING, "being decided")]
    if "converted" in events:
        links = links_of(message.thread_id)
        steps.append(_seen(events["converted"], "Lead or case", "target", links[0].url if links else ""))
    if "rules" in events:
        steps.append(_seen(events["rules"], "Automatic response", "zap"))
    return steps


def _seen(event: Event, name: str, icon: str, url: str = "") -> dict[str, Any]:
    return _step(name, icon, event.result, event.reason, at=event.at, url=url)


def _received(message: Message, member: Membership) -> list[Received]:
    """Only what mailboxes sent that this member may read, and only since this letter."""
    own = {mailbox.address for mailbox in db.session.scalars(readable_mailboxes(member))}
    return [one for one in received_by(message.sender_address, own) if one.at >= message.arrived_at]


def _is_answered(message: Message) -> bool:
    rules = next((one for one in events_of(message) if one.stage == "rules"), None)
    return rules is not None and rules.result == "answered"


def _step(
    name: str, icon: str, result: str, reason: str = "", *, at: datetime | None = None, url: str = ""
) -> dict[str, Any]:
    tone = "warn" if icon == _WAITING else "ok"
    return {
        "name": name, "icon": icon, "result": result, "reason": reason, "at": at, "url": url, "tone": tone,
    }  # fmt: skip
