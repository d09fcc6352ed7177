"""The connection log: the latest passes over each account, when, how long, what came, what went wrong.

No word of the dialogue with a server is in it, so that no secret can be. Passes of an hour that were alike
(nothing came, or the same failure) are one row with their number: a quiet account leaves 24 rows a day.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Index, delete, func, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from mailboxes.accounts import Account
from mailboxes.crm.paging import Page, page
from tenants.database import Base, OptionallyScoped, db, now, owned_key

KEPT = timedelta(days=14)
TOGETHER = timedelta(hours=1)  # passes that were alike are one row for so long
MOST_SHOWN = 40  # on a page
PACE_OF = 5  # passes that tell how fast a first sync is now
EVENTS = ("new_count", "history_count", "changed_count", "vanished_count")


class LoggedPass(OptionallyScoped, Base):
    """One pass over an account, or several in a row that were alike (``count``).

    ``milliseconds`` is the time of all of them together; ``error`` a sentence for people, or "".
    """

    __tablename__ = "passes"
    __table_args__ = (
        owned_key("account_id", "accounts", ondelete="CASCADE"),
        Index("ix_passes_account_id", "account_id", "id"),
        Index("ix_passes_ended_at", "ended_at"),
    )

    account_id: Mapped[UUID]
    began_at: Mapped[datetime]
    ended_at: Mapped[datetime]
    count: Mapped[int] = mapped_column(default=1)
    milliseconds: Mapped[int] = mapped_column(default=0)
    new_count: Mapped[int] = mapped_column(default=0)
    history_count: Mapped[int] = mapped_column(default=0)
    changed_count: Mapped[int] = mapped_column(default=0)
    vanished_count: Mapped[int] = mapped_column(default=0)
    fetched_bytes: Mapped[int] = mapped_column(default=0)
    error: Mapped[str] = mapped_column(default="")


@dataclass(frozen=True, slots=True)
class Done:
    """What one pass did."""

    seconds: float
    new_count: int = 0
    history_count: int = 0
    changed_count: int = 0
    vanished_count: int = 0
    fetched_bytes: int = 0
    error: str = ""


def log_pass(account: Account, done: Done) -> None:
    """Write down a pass that has just ended. The caller commits."""
    if _events(done) == 0 and _add_to_the_last(account, done):
        return
    at = now()
    db.session.add(
        LoggedPass(
            organization_id=account.organization_id,
            account_id=account.id,
            began_at=at - timedelta(seconds=done.seconds),
            ended_at=at,
            milliseconds=round(done.seconds * 1000),
            fetched_bytes=done.fetched_bytes,
            error=done.error,
            **{name: getattr(done, name) for name in EVENTS},
        )
    )


def passes_page(account_id: UUID, cursor: str = "") -> Page[LoggedPass]:
    """A page of the connection log of an account, newest first."""
    query = select(LoggedPass).where(LoggedPass.account_id == account_id)
    return page(query, LoggedPass.began_at, LoggedPass.id, is_descending=True, cursor=cursor, size=MOST_SHOWN)


def latest_history(account_id: UUID) -> tuple[int, timedelta]:
    """How much history the latest passes that brought some have brought, and how long they took."""
    latest = (
        select(LoggedPass.history_count, LoggedPass.milliseconds)
        .where(LoggedPass.account_id == account_id, LoggedPass.history_count > 0)
        .order_by(LoggedPass.id.desc())
        .limit(PACE_OF)
        .subquery()
    )
    row = db.session.execute(select(func.sum(latest.c.history_count), func.sum(latest.c.milliseconds))).one()
    return int(row[0] or 0), timedelta(milliseconds=int(row[1] or 0))


def forget_old_passes(session: Session) -> None:
    """Forget what is older than `KEPT`. The caller commits."""
    session.execute(delete(LoggedPass).where(LoggedPass.ended_at < now() - KEPT))


def _add_to_the_last(account: Account, done: Done) -> bool:
    """Whether the last row tells the same and is young enough: then it counts this pass too."""
    last = (
        select(LoggedPass.id)
        .where(LoggedPass.account_id == account.id)
        .order_by(LoggedPass.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    added = db.session.scalar(
        update(LoggedPass)
        .where(
            LoggedPass.id == last,
            LoggedPass.error == done.error,
            LoggedPass.began_at > now() - TOGETHER,
            _events(LoggedPass) == 0,
        )
        .values(
            ended_at=now(),
            count=LoggedPass.count + 1,
            milliseconds=LoggedPass.milliseconds + round(done.seconds * 1000),
            fetched_bytes=LoggedPass.fetched_bytes + done.fetched_bytes,
        )
        .returning(LoggedPass.id)
        .execution_options(synchronize_session=False)
    )
    return added is not None


def _events(of: Done | type[LoggedPass]) -> Any:
    """What a pass has to tell of, counted; of the table, as SQL. 0: nothing happened."""
    return sum(getattr(of, name) for name in EVENTS)
