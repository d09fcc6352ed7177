"""Transaction 3: what has come in is converted and answered, in the order in which it came.

Messages are acted upon in portions: one short transaction for a few dozen, which asks once what is the same
for them and writes their rows together (`tenants.database.portions`). A portion that fails leaves nothing
behind; its messages are acted upon one after the other then, each in a transaction of its own, and so is
every message that was tried before: one that cannot be acted upon holds up nobody.

Everything may be acted upon again: conversion and response are claimed in the tables. Attempts are counted
before. A message that fails waits longer each time; one that its process died over comes after all others;
both are left to people in the end (`mailboxes.given_up`).
"""

import math
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import accumulate, takewhile
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, Select, and_, func, select, update

from mailboxes import given_up
from mailboxes.conversion import BUILT_IN, convert, know_what_to_convert
from mailboxes.crash_points import crash_point
from mailboxes.mail_domains import look_up
from mailboxes.messages import Message, mailbox_of
from mailboxes.responses import domains_to_answer, hold_turn, respond, respond_to_all
from mailboxes.system_mailboxes import Mailbox
from mailboxes.threads import Thread
from mailboxes.timeline import know_timelines
from tenants.database import across_organizations, db, now
from tenants.database.bulk import among
from tenants.database.portions import portion, write_waiting
from tenants.organizations import Organization

MOST_ATTEMPTS = 5
FEW_ATTEMPTS = 1  # a message that was tried no more often is acted upon before newer ones
BACK_OFF = timedelta(seconds=30)
MOST_TOGETHER = 50
BYTES_TOGETHER = 4 * 1024 * 1024  # of their texts, which are in memory at once
SECONDS_TOGETHER = 0.05  # of converting, a fifth of all; then a portion takes no more: people wait for it

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Acted:
    """A message that was acted upon. ``is_answered``: something waits in the outbox."""

    message_id: UUID
    mailbox_id: UUID
    is_answered: bool


def act_on_pending(limit: int = 1_000, seconds: float = math.inf) -> list[Acted]:
    """Convert and answer what is pending in the current organization; commits after each portion.

    After so many seconds none is begun, but for the first portion: others have their turn.
    """
    acted: list[Acted] = []
    ends_at = time.monotonic() + seconds
    begun = 0
    while begun < limit and (not begun or time.monotonic() < ends_at):
        chosen = _next_counted(limit - begun)
        if chosen is None:
            break
        done, tried = _act_on(chosen, ends_at)
        acted += done
        begun += tried
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


@dataclass(frozen=True, slots=True)
class _Chosen:
    """Messages to act upon now: new ones that may be acted upon together, or one."""

    ids: list[UUID]
    are_new: bool


def _next_counted(limit: int) -> _Chosen | None:
    """The next ones, their attempt committed, so that a death counts; after too many it is left to people."""
    while chosen := _next(limit):
        first, ids = chosen[0], [one.id for one in chosen]
        is_hopeless = first.work_attempts >= MOST_ATTEMPTS
        if is_hopeless:
            _give_up(first.id)
        else:
            _count_attempt(among(Message.id, ids), 1)
        db.session.commit()
        crash_point("attempt to act counted")
        if not is_hopeless:
            return _Chosen(ids, first.is_new)
    return None


def _give_up(message_id: UUID) -> None:
    log.warning("acting on a message ends the process", message=str(message_id))
    message = db.session.scalars(select(Message).where(Message.id == message_id)).one()
    given_up.leave_to_people(message, f"None of {MOST_ATTEMPTS} attempts has come to its end.")


def _next(limit: int) -> Sequence[Any]:
    """The oldest, with those behind it that can be acted upon together; of those that were tried often, one,
    when nothing else waits, so that they hold up nothing."""
    few = Message.work_attempts <= FEW_ATTEMPTS
    is_new = and_(Message.work_attempts == 0, _IS_PLAIN).label("is_new")
    columns = (Message.id, Message.work_attempts, is_new, func.pg_column_size(Message.text).label("bytes"))
    for which, most in ((few, min(limit, MOST_TOGETHER)), (~few, 1)):
        query = _pending(which).with_only_columns(*columns).limit(most)
        chosen = db.session.execute(query).all()
        if chosen:
            new = list(takewhile(lambda one: one.is_new, chosen))
            sums = accumulate(one.bytes for one in new)
            return new[: max(1, sum(each <= BYTES_TOGETHER for each in sums))] or chosen[:1]
    return []


# What is asked and written together has to be known beforehand: plug-ins, conversations that share a record
# and bounces may ask anything, and what shadow says depends on what was said of earlier messages.
_IS_PLAIN = and_(
    ~Message.is_bounce,
    ~Message.is_shadow,
    ~Mailbox.is_shadow,
    Mailbox.action.in_([action.name for action in BUILT_IN]),
    Thread.linked_thread_id.is_(None),
)


def _pending(*conditions: ColumnElement[bool]) -> Select[Message]:
    """The oldest that is due, of a mailbox that is not paused, and in nobody else's hands."""
    return (
        select(Message)
        .join(
            Mailbox,
            (Mailbox.organization_id == Message.organization_id) & (Mailbox.id == Message.mailbox_id),
        )
        .join(Thread, (Thread.organization_id == Message.organization_id) & (Thread.id == Message.thread_id))
        .where(Message.work == "pending", Message.work_after <= now(), Mailbox.is_enabled, *conditions)
        .order_by(Message.id)
        .limit(1)
        .with_for_update(of=Message, skip_locked=True)
        .execution_options(populate_existing=True)
    )


def _act_on(chosen: _Chosen, ends_at: float) -> tuple[list[Acted], int]:
    """Act upon messages whose attempt is counted: together, and those that were left one after the other.

    Also how many were tried: for the others there was no time, and they come next.
    """
    acted, left = _together(chosen.ids) if chosen.are_new else ([], chosen.ids)
    tried = len(acted)
    for number, id in enumerate(left):
        if number and time.monotonic() >= ends_at:
            _give_back(left[number:])
            break
        done = _act(id)
        tried += 1
        acted += [] if done is None else [done]
    return acted, tried


def _together(ids: list[UUID]) -> tuple[list[Acted], list[UUID]]:
    """Act upon these in one transaction. What became of them, and those that are to be acted upon alone."""
    try:
        _look_up_domains(ids)
        hold_turn()
        rows = _held(ids)
        held = [row.Message for row in rows]
        with portion([one.id for one in held]):
            taken = _converted(held)
            decisions = respond_to_all(taken)
            acted = [
                Acted(one.id, one.mailbox_id, decision.send)
                for one, decision in zip(taken, decisions, strict=True)
            ]
            _finish([one.id for one in taken])
            _count_attempt(among(Message.id, [one.id for one in held[len(taken) :]]), -1)
            write_waiting()
            crash_point("before commit of action")
            db.session.commit()
    except Exception:  # alone, those that are not at fault go on
        db.session.rollback()
        log.exception("acting on a portion failed", messages=len(ids))
        return [], ids
    crash_point("after commit of action")
    known = {one.id for one in held}
    return acted, [id for id in ids if id not in known]


def _look_up_domains(ids: Collection[UUID]) -> None:
    """Before anybody waits for us: a name may take seconds."""
    domains = domains_to_answer(ids)
    db.session.commit()
    look_up(domains)


def _held(ids: Collection[UUID]) -> Sequence[Any]:
    """Those that may be acted upon together, locked with their conversations, and their mailboxes.

    Nobody is waited for: who holds one of them, and waits for another, would wait for ever.
    """
    return db.session.execute(
        _pending(among(Message.id, ids), Message.work_attempts == 1, _IS_PLAIN)
        .with_only_columns(Message, Thread, Mailbox)
        .limit(None)
        .with_for_update(of=[Message, Thread], key_share=True, skip_locked=True)
    ).all()


def _converted(held: Sequence[Message]) -> list[Message]:
    """Convert as many as there is time for, and write what came of it."""
    know_timelines([one.id for one in held])
    know_what_to_convert(held)
    ends_at = time.monotonic() + SECONDS_TOGETHER
    taken: list[Message] = []
    for message in held:
        if taken and time.monotonic() >= ends_at:
            break
        convert(message)
        taken.append(message)
    write_waiting()
    crash_point("converted")
    return taken


def _finish(ids: Collection[UUID]) -> None:
    db.session.execute(
        update(Message)
        .where(among(Message.id, ids))
        .values(work="done", work_error="")
        .execution_options(synchronize_session=False)
    )


def _count_attempt(which: ColumnElement[bool], number: int) -> None:
    db.session.execute(
        update(Message)
        .where(which)
        .values(work_attempts=Message.work_attempts + number)
        .execution_options(synchronize_session=False)
    )


def _act(message_id: UUID) -> Acted | None:
    message = db.session.scalar(_pending(Message.id == message_id))
    if message is None:
        _give_back([message_id])
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


def _give_back(message_ids: Collection[UUID]) -> None:
    """Attempts that nobody made: somebody else was faster, or held the message for another purpose.

    It waits for them: what is done by then was their attempt.
    """
    _count_attempt(
        among(Message.id, message_ids) & (Message.work == "pending") & (Message.work_attempts > 0), -1
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
