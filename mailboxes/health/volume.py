"""How much came to each account in each hour, and how late: what the charts and the metrics are drawn from.

Counted where an arrival is delivered, in the same transaction, so that each is counted once.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Index, Select, UniqueConstraint, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from mailboxes.accounts import Account
from tenants.database import Base, OptionallyScoped, db, now, owned_key, uuid7

KEPT = timedelta(days=35)
STAGES = ("fetch", "parse", "thread", "store")
SUMMED = ("new_count", "history_count", "timed_count", "delay_milliseconds")  # of all accounts together, too
LATEST_DELIVERY = timedelta(hours=1)  # after the end of an hour, of what counts in it: no job lasts so long
LONGEST_DELAY = timedelta(days=7)  # what a server received earlier came by another way than late delivery


class HourSums:
    """An hour (UTC): messages delivered, and the delays of new ones.

    A delay lasts from the server's receipt to the delivery here; ``timed_count`` messages have one.
    """

    hour: Mapped[datetime]
    new_count: Mapped[int] = mapped_column(default=0)
    history_count: Mapped[int] = mapped_column(default=0)
    timed_count: Mapped[int] = mapped_column(default=0)
    delay_milliseconds: Mapped[int] = mapped_column(default=0)

    @property
    def mean_delay(self) -> float:
        """Seconds; 0 where nothing new came."""
        return self.delay_milliseconds / self.timed_count / 1000 if self.timed_count else 0.0


class AccountHour(OptionallyScoped, HourSums, Base):
    """An hour of an account, with the longest delay and the time of each stage."""

    __tablename__ = "account_hours"
    __table_args__ = (
        UniqueConstraint("account_id", "hour"),
        owned_key("account_id", "accounts", ondelete="CASCADE"),
        Index("ix_account_hours_hour", "hour"),
    )

    account_id: Mapped[UUID]
    longest_delay_milliseconds: Mapped[int] = mapped_column(default=0)
    fetch_milliseconds: Mapped[int] = mapped_column(default=0)
    parse_milliseconds: Mapped[int] = mapped_column(default=0)
    thread_milliseconds: Mapped[int] = mapped_column(default=0)
    store_milliseconds: Mapped[int] = mapped_column(default=0)


class InstallationHour(HourSums, Base):
    """An hour that is over, of all accounts together, also of those that were deleted since.

    So the past days of an installation cost the same however many accounts it has.
    """

    __tablename__ = "installation_hours"

    hour: Mapped[datetime] = mapped_column(primary_key=True)


@dataclass(slots=True)
class Volume:
    """What one transaction of delivery adds to the hour."""

    new_count: int = 0
    history_count: int = 0
    delays: list[timedelta] = field(default_factory=list)
    milliseconds: dict[str, int] = field(default_factory=lambda: dict.fromkeys(STAGES, 0))


def delays_of(received: Iterable[datetime | None], at: datetime) -> list[timedelta]:
    """How late messages are that a server received then; clocks that disagree make no delay below nothing."""
    spans = (max(at - moment, timedelta()) for moment in received if moment is not None)
    return [span for span in spans if span <= LONGEST_DELAY]


def add_volume(account: Account, volume: Volume) -> None:
    """Add to the hour of now. The session is bound to the account's owner; the caller commits."""
    if not volume.new_count + volume.history_count:
        return
    spans = [round(span.total_seconds() * 1000) for span in volume.delays]
    sums = {
        "new_count": volume.new_count,
        "history_count": volume.history_count,
        "timed_count": len(spans),
        "delay_milliseconds": sum(spans),
        **{f"{stage}_milliseconds": volume.milliseconds[stage] for stage in STAGES},
    }
    longest = max(spans, default=0)
    hour = _this_hour()
    row = {"organization_id": account.organization_id, "account_id": account.id, "hour": hour}
    statement = insert(AccountHour).values(id=uuid7(), **row, **sums, longest_delay_milliseconds=longest)
    added = {name: getattr(AccountHour, name) + number for name, number in sums.items()}
    db.session.execute(
        statement.on_conflict_do_update(
            index_elements=["account_id", "hour"],
            set_={
                **added,
                "longest_delay_milliseconds": func.greatest(AccountHour.longest_delay_milliseconds, longest),
            },
        )
    )


def hours_of(account_id: UUID, since: datetime) -> Sequence[AccountHour]:
    """The hours of an account in which something came, in order."""
    query = select(AccountHour).where(AccountHour.account_id == account_id, AccountHour.hour >= since)
    return db.session.scalars(query.order_by(AccountHour.hour)).all()


def sum_ended_hours(session: Session) -> None:
    """Sum the hours that are over and were not summed yet. The caller commits."""
    ended = _sums_after(_summed_until(session)).where(AccountHour.hour < _this_hour() - LATEST_DELIVERY)
    statement = insert(InstallationHour).from_select(["hour", *SUMMED], ended)
    session.execute(statement.on_conflict_do_nothing())


def hours_of_all(session: Session, since: datetime) -> list[HourSums]:
    """The hours of all accounts together in which something came, in order; the session sees all of them.

    Hours that are over were summed once (`sum_ended_hours`); what came after them is summed now.
    """
    ended = select(InstallationHour).where(InstallationHour.hour >= since).order_by(InstallationHour.hour)
    recent = _sums_after(max(_summed_until(session), since)).order_by(AccountHour.hour)
    return [*session.scalars(ended), *(_summed(row) for row in session.execute(recent))]


def forget_old_hours(session: Session) -> None:
    """Forget what is older than `KEPT`. The caller commits."""
    session.execute(delete(AccountHour).where(AccountHour.hour < now() - KEPT))
    session.execute(delete(InstallationHour).where(InstallationHour.hour < now() - KEPT))


def _this_hour() -> datetime:
    return now().replace(minute=0, second=0, microsecond=0)


def _summed_until(session: Session) -> datetime:
    """The latest hour that is summed; before the first one, long ago."""
    return session.scalar(select(func.max(InstallationHour.hour))) or now() - 2 * KEPT


def _sums_after(hour: datetime) -> Select[Any]:
    """Each hour after this one, of all accounts together."""
    sums = [func.sum(getattr(AccountHour, name)).label(name) for name in SUMMED]
    return select(AccountHour.hour, *sums).where(AccountHour.hour > hour).group_by(AccountHour.hour)


def _summed(row: Any) -> InstallationHour:
    return InstallationHour(hour=row.hour, **{name: int(getattr(row, name)) for name in SUMMED})
