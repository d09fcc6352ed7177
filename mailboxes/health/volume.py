"""How much came to each account in each hour, and how late: what the charts and the metrics are drawn from.

Counted where an arrival is delivered, in the same transaction, so that each is counted once.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from mailboxes.accounts import Account
from tenants.database import Base, OptionallyScoped, db, now, owned_key, uuid7

KEPT = timedelta(days=35)
STAGES = ("fetch", "parse", "thread", "store")
LONGEST_DELAY = timedelta(days=7)  # what a server received earlier came by another way than late delivery


class AccountHour(OptionallyScoped, Base):
    """An hour (UTC) of an account: messages delivered, the delays of new ones, and the time of each stage.

    A delay lasts from the server's receipt to the delivery here; ``timed_count`` messages have one.
    """

    __tablename__ = "account_hours"
    __table_args__ = (
        UniqueConstraint("account_id", "hour"),
        owned_key("account_id", "accounts", ondelete="CASCADE"),
        Index("ix_account_hours_hour", "hour"),
    )

    account_id: Mapped[UUID]
    hour: Mapped[datetime]
    new_count: Mapped[int] = mapped_column(default=0)
    history_count: Mapped[int] = mapped_column(default=0)
    timed_count: Mapped[int] = mapped_column(default=0)
    delay_milliseconds: Mapped[int] = mapped_column(default=0)
    longest_delay_milliseconds: Mapped[int] = mapped_column(default=0)
    fetch_milliseconds: Mapped[int] = mapped_column(default=0)
    parse_milliseconds: Mapped[int] = mapped_column(default=0)
    thread_milliseconds: Mapped[int] = mapped_column(default=0)
    store_milliseconds: Mapped[int] = mapped_column(default=0)

    @property
    def mean_delay(self) -> float:
        """Seconds; 0 where nothing new came."""
        return self.delay_milliseconds / self.timed_count / 1000 if self.timed_count else 0.0


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
    hour = now().replace(minute=0, second=0, microsecond=0)
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


def forget_old_hours(session: Session) -> None:
    """Forget what is older than `KEPT`. The caller commits."""
    session.execute(delete(AccountHour).where(AccountHour.hour < now() - KEPT))
