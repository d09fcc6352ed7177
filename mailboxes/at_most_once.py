"""What leaves by SMTP leaves at most once: messages of people and robots, and notices (reliability §3.4).

``ready → claimed(fence) → committing → sent | failed | unknown``. *committing* is committed between the last
byte of a message and the final dot: a crash before it is safe to repeat, a crash, time-out or lost connection
after it leaves *unknown*, and nobody sends again unasked. Every step here is its own transaction; no
transaction is open while a server is waited for.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID

from sqlalchemy import Select, select, text, update
from sqlalchemy.orm import Mapped, mapped_column

from mailboxes.smtp import DeliveryResult
from tenants.database import db, now

CLAIM = timedelta(minutes=25)  # longer than a server may take for all steps together
BACK_OFF = tuple(timedelta(minutes=minutes) for minutes in (1, 2, 5, 15, 30, 60, 120, 240, 360))
LOST_TRACK = "The connection ended when the message was complete: it may have been sent."
GAVE_UP = "It could not be sent in time."


class Leaving:
    """A row of an outbox; a table of its own for each kind of sender."""

    id: Mapped[UUID]
    state: Mapped[str] = mapped_column(default="ready")
    fence: Mapped[int] = mapped_column(default=0)
    claim_expires_at: Mapped[datetime | None] = mapped_column(default=None)
    attempts: Mapped[int] = mapped_column(default=0)
    next_attempt_at: Mapped[datetime] = mapped_column(default=now)
    give_up_at: Mapped[datetime]
    last_error: Mapped[str] = mapped_column(default="")

    def put_back(self, reason: str) -> timedelta:
        """Free it for a later attempt; returns how long it waits until then."""
        wait = BACK_OFF[min(self.attempts, len(BACK_OFF)) - 1]
        self.state, self.claim_expires_at = "ready", None
        self.next_attempt_at, self.last_error = now() + wait, reason
        return wait


class ClaimLostError(RuntimeError):
    """Somebody else has taken the message over; without the dot nothing was sent."""


Row = TypeVar("Row", bound=Leaving)


def end_what_was_left(table: type[Row], end: Callable[[Row, str, str], None]) -> None:
    """What a crash left behind: claims before the dot are free again, those after it are unknown.

    What has waited too long has failed. ``end`` writes a final state and its reason; the caller commits.
    """
    moment = now()
    expired = select(table).where(
        table.state.in_(("claimed", "committing")), table.claim_expires_at <= moment
    )
    for row in db.session.scalars(expired.with_for_update(skip_locked=True)).all():
        if row.state == "claimed":
            row.state, row.claim_expires_at = "ready", None
        else:
            end(row, "unknown", LOST_TRACK)
    late = select(table).where(table.state == "ready", table.give_up_at <= moment)
    for row in db.session.scalars(late.with_for_update(skip_locked=True)).all():
        end(row, "failed", row.last_error or GAVE_UP)


def claim_next(table: type[Row], due: Select[Row]) -> Row | None:
    """The first of those that are due, taken for us alone; commits."""
    first = (
        due.where(table.state == "ready", table.next_attempt_at <= now())
        .order_by(table.next_attempt_at, table.id)
        .limit(1)
    )
    row = db.session.scalar(
        first.with_for_update(of=table, skip_locked=True).execution_options(populate_existing=True)
    )
    if row is not None:
        row.state, row.claim_expires_at = "claimed", now() + CLAIM
        row.fence += 1
        row.attempts += 1
    db.session.commit()
    return row


def pass_the_point_of_no_return(table: type[Leaving], id: UUID, fence: int) -> None:
    """Commit, durably, that the dot is about to be sent; `ClaimLostError` if it is not ours to send."""
    db.session.execute(text("SET LOCAL synchronous_commit = on"))
    passed = db.session.execute(
        update(table)
        .where(table.id == id, table.fence == fence, table.state == "claimed")
        .values(state="committing", claim_expires_at=now() + CLAIM)
        .returning(table.id)
        .execution_options(synchronize_session=False)
    ).scalar()
    db.session.commit()
    if passed is None:
        raise ClaimLostError


def still_ours(table: type[Row], id: UUID, fence: int, result: DeliveryResult) -> Row | None:
    """The row whose attempt ended so, locked; None if the claim on it was lost.

    A clear answer also settles what the sweep has meanwhile called unknown.
    """
    states = ("claimed", "committing", "unknown") if result.is_sent else ("claimed", "committing")
    ours = select(table).where(table.id == id, table.fence == fence, table.state.in_(states))
    return db.session.scalar(ours.with_for_update().execution_options(populate_existing=True))
