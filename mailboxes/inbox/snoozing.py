"""Conversations are put away until a time, for everybody who sees them; the time itself brings them back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from mailboxes.inbox.conversation import answerable, change_status, change_threads, remember
from mailboxes.system_mailboxes import Mailbox, hold_mailboxes
from mailboxes.threads import Thread
from tenants.database import db, now
from tenants.errors import InvalidError
from tenants.organizations import Membership

LONGEST = timedelta(days=5 * 365)
LATER = timedelta(hours=3)
MORNING = 9  # o'clock
TOO_LATE = "This time is over. Choose a later one."
TOO_FAR = "Choose a time within the next five years."


@dataclass(frozen=True)
class Choice:
    """A usual time."""

    label: str
    at: datetime


def choices(at: datetime) -> list[Choice]:
    """The usual times, each once, seen from a moment in the zone of whoever chooses."""
    morning = at.replace(hour=MORNING, minute=0, second=0, microsecond=0)
    later = (at + LATER).replace(minute=0, second=0, microsecond=0)
    usual = [
        Choice("Later today", later),
        Choice("Tomorrow morning", morning + timedelta(days=1)),
        Choice("On Monday", morning + timedelta(days=7 - at.weekday())),
        Choice("In a week", morning + timedelta(days=7)),
    ]
    first_at = {choice.at: choice for choice in reversed(usual) if choice is not usual[0]}
    today = [usual[0]] if later.date() == at.date() else []
    return [*today, *(choice for choice in usual[1:] if first_at[choice.at] is choice)]


def snooze(member: Membership, thread_ids: Sequence[UUID], until: datetime) -> int:
    """Put conversations away until a time, given in the member's zone; how many changed.

    One that was done is open then. `ForbiddenError` where the member may not reply to one of them.
    """
    if until <= now():
        raise InvalidError(TOO_LATE, field="until")
    if until > now() + LONGEST:
        raise InvalidError(TOO_FAR, field="until")
    mailbox_ids = answerable(member, thread_ids)
    these = Thread.id.in_(thread_ids) & Thread.mailbox_id.in_(mailbox_ids)
    hold_mailboxes(Mailbox.id.in_(select(Thread.mailbox_id).where(these)))  # nobody is done meanwhile
    done = select(Thread.id).where(these, Thread.status == "done")
    change_status(member, db.session.scalars(done).all(), "open")
    changed = change_threads(mailbox_ids, thread_ids, "snoozed_until", until)
    day = f"{until:%A} {until.day} {until:%B %Y, %H:%M %Z}"
    for thread in changed:
        sentence = f"{member.name} snoozed the conversation until {day}, or until the customer answers."
        remember(thread, "snoozed", sentence)
    return len(changed)


def bring_back(member: Membership, thread_ids: Sequence[UUID]) -> int:
    """Put conversations where they were before they were snoozed; how many changed."""
    changed = change_threads(answerable(member, thread_ids), thread_ids, "snoozed_until", None)
    for thread in changed:
        remember(thread, "brought back", f"{member.name} brought the conversation back from snooze.")
    return len(changed)


def lately_back(session: Session, span: timedelta) -> list[tuple[UUID, UUID, UUID]]:
    """Organization, mailbox and id of each conversation whose time has come within so long."""
    at = now()
    columns = select(Thread.organization_id, Thread.mailbox_id, Thread.id)
    back = columns.where(Thread.snoozed_until > at - span, Thread.snoozed_until <= at)
    return [(row[0], row[1], row[2]) for row in session.execute(back)]
