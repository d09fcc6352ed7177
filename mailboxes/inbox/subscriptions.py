"""Subscriptions: which mailboxes a member hears of, in the header and by a digest.

Without a row a mailbox is followed and in no digest: there are rows only of what somebody wants otherwise.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import CheckConstraint, Index, Select, UniqueConstraint, select, text
from sqlalchemy.orm import Mapped, mapped_column

from mailboxes.access import readable_ids
from mailboxes.messages import settled_id
from mailboxes.system_mailboxes import Mailbox
from tenants.configuration.layers import value_of
from tenants.database import Base, OrganizationScoped, db, is_one_of, now, scoped_key
from tenants.database.locks import hold_row
from tenants.organizations import Membership
from tenants.users import User

NEVER, DAILY, WORKING_DAYS = "never", "daily", "working_days"
DIGESTS = {NEVER: "Never", DAILY: "Daily", WORKING_DAYS: "On working days"}
SATURDAY = 5


class Subscription(OrganizationScoped, Base):
    """What a member wants to hear of a mailbox, where that is not the usual.

    ``due_at``: when it is in a digest again, if ever. ``told_through``: up to this message a digest has told.
    """

    __tablename__ = "subscriptions"
    __table_args__ = (
        UniqueConstraint("organization_id", "membership_id", "mailbox_id"),
        scoped_key("membership_id", "memberships", ondelete="CASCADE"),
        scoped_key("mailbox_id", "mailboxes", ondelete="CASCADE"),
        CheckConstraint("digest IN ('never', 'daily', 'working_days')", name="digest"),
        CheckConstraint("(digest = 'never') = (due_at IS NULL)", name="due"),
        CheckConstraint("(digest = 'never') = (told_through IS NULL)", name="told"),
        Index("ix_subscriptions_mailbox", "organization_id", "mailbox_id"),
        Index("ix_subscriptions_due", "due_at", postgresql_where=text("due_at IS NOT NULL")),
    )

    membership_id: Mapped[UUID]
    mailbox_id: Mapped[UUID]
    is_followed: Mapped[bool] = mapped_column(default=True)
    digest: Mapped[str] = mapped_column(default=NEVER)
    due_at: Mapped[datetime | None] = mapped_column(default=None)
    told_through: Mapped[UUID | None] = mapped_column(default=None)


@dataclass(frozen=True)
class Wish:
    """What a member wants to hear of a mailbox; made without anything, it is the usual."""

    is_followed: bool = True
    digest: str = NEVER


@dataclass(frozen=True)
class Rhythm:
    """When a person's digests are due: at an hour of their day."""

    zone: ZoneInfo
    hour: int

    def is_due(self, digest: str, moment: datetime) -> bool:
        """Whether this is one of its days, and its hour has come."""
        day = moment.astimezone(self.zone).date()
        return _is_day_of(digest, day) and self._on(day) <= moment

    def next(self, digest: str, moment: datetime) -> datetime:
        """When it is due after a moment."""
        day = moment.astimezone(self.zone).date()
        while not (_is_day_of(digest, day) and self._on(day) > moment):
            day += timedelta(days=1)
        return self._on(day)

    def _on(self, day: date) -> datetime:
        return datetime.combine(day, time(self.hour), self.zone).astimezone(UTC)


def rhythm_of(user: User) -> Rhythm:
    """When digests of the current organization are due for a person."""
    zone = ZoneInfo(str(value_of("general.time_zone", user=user)))
    return Rhythm(zone, int(value_of("mail.digest_hour", user=user)))


def unfollowed_ids(member: Membership) -> Select[UUID]:
    """Ids of the mailboxes that a member does not follow, as a subquery."""
    own = (Subscription.membership_id == member.id, Subscription.is_followed.is_(False))
    return select(Subscription.mailbox_id).where(*own)


def wishes_of(member: Membership, mailbox_ids: list[UUID]) -> dict[UUID, Wish]:
    """What a member wants to hear of each of these mailboxes."""
    own = _stored(member, mailbox_ids)
    return {id: Wish(own[id].is_followed, own[id].digest) if id in own else Wish() for id in mailbox_ids}


def subscribe(member: Membership, wishes: Mapping[UUID, Wish]) -> int:
    """Have a member hear of these mailboxes as they wish, of those they may read; how many changed."""
    hold_row(member)
    ids = list(db.session.scalars(readable_ids(member).where(is_one_of(Mailbox.id, wishes))))
    before, stored = wishes_of(member, ids), _stored(member, ids)
    changed = [id for id in ids if wishes[id] != before[id]]
    for id in changed:
        _put(member, id, stored.get(id), wishes[id])
    return len(changed)


def _put(member: Membership, mailbox_id: UUID, row: Subscription | None, wish: Wish) -> None:
    if wish == Wish():
        if row is not None:
            db.session.delete(row)
        return
    if row is None:
        row = Subscription(membership_id=member.id, mailbox_id=mailbox_id, digest=NEVER)
        db.session.add(row)
    if wish.digest == NEVER:
        row.due_at = row.told_through = None
    elif wish.digest != row.digest:
        row.due_at = rhythm_of(member.user).next(wish.digest, now())
        row.told_through = row.told_through or settled_id()
    row.is_followed, row.digest = wish.is_followed, wish.digest


def _stored(member: Membership, mailbox_ids: list[UUID]) -> dict[UUID, Subscription]:
    own = (Subscription.membership_id == member.id, is_one_of(Subscription.mailbox_id, mailbox_ids))
    return {row.mailbox_id: row for row in db.session.scalars(select(Subscription).where(*own))}


def _is_day_of(digest: str, day: date) -> bool:
    return digest == DAILY or day.weekday() < SATURDAY
