"""How an account is, explained: its state, its pace, its folders, its latest passes and its past days.

The session is bound to the account's owner.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, true

from mailboxes.accounts import Account, Folder, account_now
from mailboxes.arrivals import Arrival
from mailboxes.crm.paging import Page
from mailboxes.global_mailboxes.table import GlobalMailbox
from mailboxes.health.awaiting import state_of_any
from mailboxes.health.pass_log import LoggedPass, latest_history, passes_page
from mailboxes.health.volume import AccountHour, HourSums, hours_of
from mailboxes.intake.held import held_counts
from mailboxes.setup.first_sync import FirstSync, first_syncs, history_bytes_left, history_in_a_day
from mailboxes.setup.overview import newest_at
from mailboxes.setup.states import LIVE, STATES, why_no_pass
from mailboxes.sync.auditing import is_audit_wanted, why_never_audited
from mailboxes.sync.estimating import Allowance, Pace
from mailboxes.sync.gaps import GROUPS
from mailboxes.sync.renaming import NewName, new_names
from mailboxes.system_mailboxes import Mailbox
from tenants.database import db, now

DAYS_SHOWN = 14
HOURS_SHOWN = 48
NEWEST_UIDS = 50  # of a folder: what is moved there has a higher UID than younger messages


@dataclass(frozen=True, slots=True)
class FolderHealth:
    """A synced folder: its newest audit (by group, in the order of `GROUPS`), and what is wrong with it.

    ``why_never``: why it has none, in a sentence. ``new_name``: that of the folder which looks like one that
    is gone; "" without any.
    """

    id: UUID
    name: str
    error: str
    is_gone: bool
    new_name: str
    server: int | None
    groups: list[tuple[str, int]]
    vanished: int
    missing: list[int]
    audited_at: datetime | None
    is_awaited: bool
    why_never: str = ""

    @property
    def missing_count(self) -> int:
        """How many messages nothing here accounts for; of a folder that is gone none can be fetched."""
        return 0 if self.is_gone else dict(self.groups).get(GROUPS["missing"], 0)


@dataclass(frozen=True, slots=True)
class Health:
    """What the page of an account's health shows. ``key``: of `STATES`; ``state`` is its tone.

    ``rate``: messages delivered per hour, and ``delay``: the mean of new ones in seconds (None without
    any), both over the last full hour and what has passed of this one. ``nights_left``: how often the first
    sync goes on after midnight (UTC), because more is to come than may be fetched in a day.
    """

    account: Account
    key: str
    newest_at: datetime | None
    waiting: int
    oldest_waiting_at: datetime | None
    held: dict[str, int]
    rate: int
    delay: float | None
    folders: list[FolderHealth]
    first_sync: FirstSync | None
    time_left: timedelta | None
    nights_left: int

    @property
    def state(self) -> str:
        """The tone of it: ok, warn, bad, busy, paused, off."""
        return STATES[self.key][0]

    @property
    def words(self) -> str:
        """Its state for people."""
        return STATES[self.key][1]

    @property
    def is_live(self) -> bool:
        """Whether a pass comes soon, by itself."""
        return self.key in LIVE

    @property
    def why_not(self) -> str:
        """Why no pass comes soon, in a sentence; "" if one does."""
        return why_no_pass(self.key, self.account.quiet_until)

    @property
    def is_left_alone(self) -> bool:
        """Whether the server has asked for quiet, and has it."""
        return self.account.quiet_until is not None and self.account.quiet_until > now()

    @property
    def fetched_today(self) -> int:
        """Bytes, of the day in UTC."""
        return self.account.fetched_bytes if self.account.fetched_on == now().date() else 0

    @property
    def is_awaited(self) -> bool:
        """Whether an audit was asked for and is still to come."""
        return any(folder.is_awaited for folder in self.folders)

    @property
    def is_busy(self) -> bool:
        """Whether the page changes by itself soon."""
        is_filling = self.first_sync is not None and not self.first_sync.waits
        return self.is_live and (self.is_awaited or is_filling)

    @property
    def missing_count(self) -> int:
        """Of all folders."""
        return sum(folder.missing_count for folder in self.folders)


@dataclass(frozen=True, slots=True)
class Past:
    """Points of the charts: by day (label, new, history), by hour (label, seconds of mean delay)."""

    days: list[tuple[str, int, int]]
    delays: list[tuple[str, float]]
    passes: Page[LoggedPass]


def health_of(mailbox: Mailbox | GlobalMailbox) -> Health:
    """How the account of a mailbox is now."""
    account_id = mailbox.account_id
    account = account_now(account_id)
    first_sync = first_syncs(db.session(), [account_id]).get(account_id)
    waiting, oldest = _waiting(account_id)
    since = now().replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
    recent = hours_of(account_id, since)
    names = new_names(account)
    return Health(
        account=account,
        key=state_of_any(mailbox),
        newest_at=_newest(mailbox),
        waiting=waiting,
        oldest_waiting_at=oldest,
        held=held_counts(account_id),
        rate=_per_hour(sum(hour.new_count + hour.history_count for hour in recent), now() - since),
        delay=_mean_delay(recent),
        folders=[_folder(folder, names) for folder in _shown_folders(account)],
        first_sync=first_sync,
        time_left=_time_left(account_id, first_sync),
        nights_left=_nights_left(account_id, first_sync),
    )


def past_of(account_id: UUID, zone: Any, cursor: str = "") -> Past:
    """The charts and a page of the connection log; days and hours are those of a time zone."""
    at = now()
    hours = hours_of(account_id, at - timedelta(days=DAYS_SHOWN))
    past = volume_by_day(hours, at, zone), delay_by_hour(hours, at, zone)
    return Past(*past, passes_page(account_id, cursor))


def _newest(mailbox: Mailbox | GlobalMailbox) -> datetime | None:
    """When its newest message came. Of a global one no message is seen here: by the newest arrivals."""
    if isinstance(mailbox, Mailbox):
        return db.session.scalar(select(newest_at()).select_from(Mailbox).where(Mailbox.id == mailbox.id))
    newest = (
        select(func.least(Arrival.received_at, Arrival.arrived_at).label("received_at"))
        .where(Arrival.folder_id == Folder.id, Arrival.uid_validity == Folder.uid_validity)
        .order_by(Arrival.uid.desc())
        .limit(NEWEST_UIDS)
        .lateral()
    )
    query = select(func.max(newest.c.received_at)).select_from(Folder).join(newest, true())
    found: datetime | None = db.session.scalar(query.where(Folder.account_id == mailbox.account_id))
    return found


def _waiting(account_id: UUID) -> tuple[int, datetime | None]:
    query = select(func.count(), func.min(Arrival.arrived_at)).where(
        Arrival.account_id == account_id, Arrival.state == "stored"
    )
    count, oldest = db.session.execute(query).one()
    return count, oldest


def _per_hour(count: int, span: timedelta) -> int:
    return round(count / (span / timedelta(hours=1)))


def _mean_delay(hours: Sequence[AccountHour]) -> float | None:
    timed = sum(hour.timed_count for hour in hours)
    return sum(hour.delay_milliseconds for hour in hours) / timed / 1000 if timed else None


# --- folders ---------------------------------------------------------------------------------


def _shown_folders(account: Account) -> Sequence[Folder]:
    """Those that are synced, and those that were until they vanished."""
    query = select(Folder).where(Folder.account_id == account.id, Folder.is_synced)
    return db.session.scalars(query.order_by(Folder.name)).all()


def _folder(folder: Folder, new_names: dict[UUID, NewName]) -> FolderHealth:
    found: dict[str, Any] = folder.audit or {}
    counts: dict[str, int] = found.get("groups", {})
    return FolderHealth(
        id=folder.id,
        name=folder.name,
        new_name=new_names[folder.id].name if folder.id in new_names else "",
        error=folder.last_error,
        is_gone=folder.gone_at is not None,
        server=found.get("server"),
        groups=[(words, counts.get(group, 0)) for group, words in GROUPS.items()],
        vanished=found.get("vanished", 0),
        missing=found.get("missing", []),
        audited_at=folder.audited_at,
        is_awaited=_is_audit_to_come(folder),
        why_never=why_never_audited(folder),
    )


def _time_left(account_id: UUID, first_sync: FirstSync | None) -> timedelta | None:
    """As fast as the latest passes were; before any has ended, as the one under way is."""
    if first_sync is None or first_sync.waits:
        return None
    count, worked = latest_history(account_id)
    if not count and first_sync.began_at is not None:
        count, worked = first_sync.done, now() - first_sync.began_at
    return Pace(count, worked).time_for(first_sync.left)


def _nights_left(account_id: UUID, first_sync: FirstSync | None) -> int:
    if first_sync is None:
        return 0
    nights = Allowance(history_in_a_day(), first_sync.today).nights_for(history_bytes_left(account_id))
    return max(nights, 1) if first_sync.waits else nights


def _is_audit_to_come(folder: Folder) -> bool:
    """One that cannot be read waits until it can; nobody is kept waiting before the page."""
    is_visited = folder.gone_at is None and not folder.last_error and not why_never_audited(folder)
    return is_visited and is_audit_wanted(folder)


# --- charts ----------------------------------------------------------------------------------


def volume_by_day(hours: Sequence[HourSums], at: datetime, zone: Any) -> list[tuple[str, int, int]]:
    """New messages and those of the history, by day of a time zone."""
    today = at.astimezone(zone).date()
    days = [today - timedelta(days=back) for back in range(DAYS_SHOWN - 1, -1, -1)]
    found = dict.fromkeys(days, (0, 0))
    for hour in hours:
        day = hour.hour.astimezone(zone).date()
        if day in found:
            new, history = found[day]
            found[day] = (new + hour.new_count, history + hour.history_count)
    return [(f"{day.day} {day:%b}", *counts) for day, counts in found.items()]


def delay_by_hour(hours: Sequence[HourSums], at: datetime, zone: Any) -> list[tuple[str, float]]:
    """Seconds of mean delay, by hour of a time zone."""
    latest = at.replace(minute=0, second=0, microsecond=0)
    known = {hour.hour: hour.mean_delay for hour in hours}
    moments = [latest - timedelta(hours=back) for back in range(HOURS_SHOWN - 1, -1, -1)]
    return [(f"{moment.astimezone(zone):%a %H:%M}", round(known.get(moment, 0.0), 1)) for moment in moments]
