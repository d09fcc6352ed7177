"""Transaction 3: what has come in is converted and answered, one message after another.

Each message is its own transaction and may be acted upon again: conversion and response are claimed in
the tables. One that fails waits longer each time, and is left to people in the end.
"""

import math
import time
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy import Select, select

from mailboxes import timeline
from mailboxes.conversion import convert
from mailboxes.crash_points import crash_point
from mailboxes.messages import Message
from mailboxes.responses import respond
from mailboxes.system_mailboxes import Mailbox
from tenants.database import across_organizations, db, now
from tenants.organizations import Organization

MOST_ATTEMPTS = 5
BACK_OFF = timedelta(seconds=30)
LONGEST_ERROR = 500

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Acted:
    """A message that was acted upon. ``is_answered``: something waits in the outbox."""

    message_id: UUID
    mailbox_id: UUID
    is_answered: bool


def act_on_pending(limit: int = 1_000, seconds: float = math.inf) -> list[Acted]:
    """Convert and answer what is pending in the current organization; commits after each message.

    After so many seconds none is begun, but for the first one: others have their turn.
    """
    acted = []
    ends_at = time.monotonic() + seconds
    for number in range(limit):
        is_over = number and time.monotonic() >= ends_at
        message = None if is_over else db.session.scalar(_next_pending())
        if message is None:
            break
        done = _act(message)
        if done is not None:
            acted.append(done)
    db.session.commit()
    return acted


def has_pending() -> bool:
    """Whether the current organization has messages to act upon now."""
    return db.session.scalar(_next_pending().with_only_columns(Message.id)) is not None


def organizations_with_pending() -> list[UUID]:
    """Enabled organizations with messages to act upon now, for the sweep."""
    query = (
        select(Message.organization_id)
        .join(Organization, Organization.id == Message.organization_id)
        .where(Message.work == "pending", Message.work_after <= now(), Organization.is_enabled)
    )
    with across_organizations("the sweep rings for every organization with messages to act upon") as session:
        return list(session.scalars(query.distinct()))


def _next_pending() -> Select[Message]:
    """The oldest that is due, of a mailbox that is not paused, and in nobody else's hands."""
    return (
        select(Message)
        .join(
            Mailbox,
            (Mailbox.organization_id == Message.organization_id) & (Mailbox.id == Message.mailbox_id),
        )
        .where(Message.work == "pending", Message.work_after <= now(), Mailbox.is_enabled)
        .order_by(Message.id)
        .limit(1)
        .with_for_update(of=Message, skip_locked=True)
        .execution_options(populate_existing=True)
    )


def _act(message: Message) -> Acted | None:
    message_id, mailbox_id = message.id, message.mailbox_id
    try:
        convert(message)
        crash_point("converted")
        decision = respond(message)
        message.work, message.work_error = "done", ""
        crash_point("before commit of action")
        db.session.commit()
    except Exception as error:  # one message must not hold up the others, whatever is wrong with it
        db.session.rollback()
        log.exception("acting on a message failed", message=str(message_id))
        _put_off(message_id, error)
        return None
    crash_point("after commit of action")
    return Acted(message_id, mailbox_id, decision.send)


def _put_off(message_id: UUID, error: Exception) -> None:
    """Try again later; after `MOST_ATTEMPTS` leave it to people."""
    message = db.session.scalars(
        select(Message)
        .where(Message.id == message_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()
    message.work_attempts += 1
    message.work_error = f"{type(error).__name__}: {error}"[:LONGEST_ERROR]
    message.work_after = now() + BACK_OFF * 2**message.work_attempts
    if message.work_attempts >= MOST_ATTEMPTS:
        message.work = "none"
        reason = "It could not be converted and answered. It can be converted by hand."
        timeline.record(message, "changed", "given up", reason, details={"error": type(error).__name__})
    db.session.commit()
