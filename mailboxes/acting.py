"""Transaction 3: what has come in is converted and answered, one message after another.

Each message is its own transaction and may be acted upon again: conversion and response are claimed in
the tables. Its attempt is counted before. One that fails waits longer each time; one that its process died
over comes after all others; both are left to people in the end (`mailboxes.given_up`).
"""

import math
import time
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, Select, select, update

from mailboxes import given_up
from mailboxes.conversion import convert
from mailboxes.crash_points import crash_point
from mailboxes.messages import Message, mailbox_of
from mailboxes.responses import respond
from mailboxes.system_mailboxes import Mailbox
from tenants.database import across_organizations, db, now
from tenants.organizations import Organization

MOST_ATTEMPTS = 5
FEW_ATTEMPTS = 1  # a message that was tried no more often is acted upon before newer ones
BACK_OFF = timedelta(seconds=30)

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
        message_id = None if is_over else _next_counted()
        if message_id is None:
            break
        done = _act(message_id)
        if done is not None:
            acted.append(done)
    db.session.commit()
    return acted


def has_pending() -> bool:
    """Whether the current organization has messages to act upon now."""
    return db.session.scalar(_pending().with_only_columns(Message.id)) is not None


def organizations_with_pending() -> list[UUID]:
    """Enabled organizations with messages to act upon now, for the sweep."""
    query = (
        select(Message.organization_id)
        .join(Organization, Organization.id == Message.organization_id)
        .where(Message.work == "pending", Message.work_after <= now(), Organization.is_enabled)
    )
    with across_organizations("the sweep rings for every organization with messages to act upon") as session:
        return list(session.scalars(query.distinct()))


def _next_counted() -> UUID | None:
    """The next one, its attempt committed, so that a death counts; after too many it is left to people."""
    while (message := _next()) is not None:
        is_hopeless = message.work_attempts >= MOST_ATTEMPTS
        if is_hopeless:
            log.warning("acting on a message ends the process", message=str(message.id))
            given_up.leave_to_people(message, f"None of {MOST_ATTEMPTS} attempts has come to its end.")
        else:
            message.work_attempts += 1
        message_id = message.id
        db.session.commit()
        crash_point("attempt to act counted")
        if not is_hopeless:
            return message_id
    return None


def _next() -> Message | None:
    """The oldest; of those that were tried often, when nothing else waits, so that they hold up nothing."""
    few = Message.work_attempts <= FEW_ATTEMPTS
    return db.session.scalar(_pending(few)) or db.session.scalar(_pending(~few))


def _pending(*conditions: ColumnElement[bool]) -> Select[Message]:
    """The oldest that is due, of a mailbox that is not paused, and in nobody else's hands."""
    return (
        select(Message)
        .join(
            Mailbox,
            (Mailbox.organization_id == Message.organization_id) & (Mailbox.id == Message.mailbox_id),
        )
        .where(Message.work == "pending", Message.work_after <= now(), Mailbox.is_enabled, *conditions)
        .order_by(Message.id)
        .limit(1)
        .with_for_update(of=Message, skip_locked=True)
        .execution_options(populate_existing=True)
    )


def _act(message_id: UUID) -> Acted | None:
    message = db.session.scalar(_pending(Message.id == message_id))
    if message is None:
        _give_back(message_id)
        return None
    mailbox_id = message.mailbox_id
    try:
        _mailbox = mailbox_of(message)  # held here, or each of a dozen questions would read it anew
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


def _give_back(message_id: UUID) -> None:
    """An attempt that nobody made: somebody else was faster, or held the message for another purpose.

    It waits for them: what is done by then was their attempt.
    """
    db.session.execute(
        update(Message)
        .where(Message.id == message_id, Message.work == "pending", Message.work_attempts > 0)
        .values(work_attempts=Message.work_attempts - 1)
        .execution_options(synchronize_session=False)
    )
    db.session.commit()


def _put_off(message_id: UUID, error: Exception) -> None:
    """Try again later, unless it was deleted meanwhile; after `MOST_ATTEMPTS` leave it to people."""
    message = db.session.scalars(
        select(Message)
        .where(Message.id == message_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()
    if message is None:
        return
    message.work_error = type(error).__name__  # what it says may quote the message
    message.work_after = now() + BACK_OFF * 2**message.work_attempts
    if message.work_attempts >= MOST_ATTEMPTS:
        failed = f"Each of {MOST_ATTEMPTS} attempts has failed ({type(error).__name__})."
        given_up.leave_to_people(message, failed)
    db.session.commit()
