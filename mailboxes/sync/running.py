"""What the steps of one pass share: its connection, its fence, its report, and how messages are taken in."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select

from mailboxes.accounts import Account, Folder
from mailboxes.errors import MailServerError
from mailboxes.imap import ImapConnection
from mailboxes.sync.arriving import Advance, Lane, arrive, prepared
from mailboxes.sync.budget import Budget
from mailboxes.sync.plan import LONG_AGO, UIDS_AT_ONCE, Cursor
from mailboxes.uids import Uids
from tenants.database import db, now

Progress = Callable[[int, int], None]
Heard = Callable[[bool], None]  # whether what was stored is history


@dataclass
class PassReport:
    """What a pass has done. ``error``: why it ended early; ``has_more``: something is left for another one.

    ``is_news``: the account is well, or unwell, in another way than before.
    """

    new_count: int = 0
    history_count: int = 0
    vanished_count: int = 0
    changed_count: int = 0
    folder_count: int = 0
    has_more: bool = False
    fetched_bytes: int = 0
    seconds: float = 0.0
    is_throttled: bool = False
    is_lease_lost: bool = False
    is_news: bool = False
    error: MailServerError | None = None
    trouble: str = ""  # what went wrong and ended nothing

    def __str__(self) -> str:
        """For a terminal."""
        if self.error is not None:
            return self.error.explained
        parts = [f"{self.new_count} new", f"{self.history_count} from the history"]
        parts += [f"{self.changed_count} changed", f"{self.vanished_count} gone"]
        return f"{', '.join(parts)} in {self.folder_count} folders."


class TimeIsUpError(Exception):
    """A pass has taken as long as it may: the rest waits for the next one."""


@dataclass
class Pass:
    """What the steps of a pass share."""

    account: Account
    fence: int
    imap: ImapConnection
    report: PassReport
    progress: Progress | None
    stored: Heard | None
    deadline: float
    turn_ends: float  # from when on it is over where others wait
    do_others_wait: Callable[[], bool]
    budget: Budget
    began_at: datetime = field(default_factory=now)
    troubled: dict[UUID, MailServerError] = field(default_factory=dict)  # what folders failed by in this pass
    fetched: set[UUID] = field(default_factory=set)  # folders whose new mail was fetched in this pass
    hung_before: set[UUID] = field(default_factory=set)  # folders in which the server last said nothing more
    visited_before: dict[UUID, datetime | None] = field(default_factory=dict)  # their last turn
    reconnect_count: int = 0  # after what a folder failed by
    is_doubtful: bool = False  # the connection ended before any folder was asked for: it may be the server
    cut: set[UUID] = field(default_factory=set)  # folders whose visit broke off, as the time was over
    is_cut: bool = False  # it ends before all folders were visited: its time is over
    left: dict[UUID, Uids] = field(default_factory=dict)  # UIDs of history to fetch, by folder
    portion: int = 0  # of history, between two looks for new mail; 0: not known yet
    due_at: datetime | None = None  # when the next pass was due as this round began
    looked_at: datetime = LONG_AGO  # when this round began
    done: int = 0
    total: int = 0

    def demand_budget(self) -> None:
        """Raise `BudgetSpentError` if nothing more may be fetched today."""
        self.budget.demand(self.imap.received_count)

    def connect_again(self) -> None:
        """Open the connection if it was lost."""
        if not self.imap.is_open:
            self.imap.open()

    @property
    def is_over(self) -> bool:
        """Whether another account has its turn now: soon where one waits, else after a long while."""
        return self.is_out_of_time or (time.monotonic() > self.turn_ends and self.do_others_wait())

    @property
    def is_out_of_time(self) -> bool:
        """Whether it has taken as long as any pass may, whoever waits."""
        return time.monotonic() > self.deadline

    def demand_time(self) -> None:
        """Raise `TimeIsUpError` if another account has its turn now."""
        if self.is_over:
            raise TimeIsUpError

    @property
    def is_history_over(self) -> bool:
        """Whether history has to wait for tomorrow."""
        return not self.budget.is_left_for_history(self.imap.received_count)

    def begin_round(self) -> None:
        """New mail is looked for now: whoever calls from here on has heard of more."""
        self.looked_at = now()
        self.due_at = db.session.scalar(select(Account.next_attempt_at).where(Account.id == self.account.id))
        db.session.commit()

    @property
    def is_called(self) -> bool:
        """Whether another pass has become due since the round began: the watcher has heard of new mail."""
        called = select(
            Account.next_attempt_at <= func.clock_timestamp(), Account.next_attempt_at != self.due_at
        ).where(Account.id == self.account.id)
        row = db.session.execute(called).one_or_none()  # None: it was deleted, as the fence will tell
        db.session.commit()
        return row is not None and all(row)

    def expect(self, count: int) -> None:
        self.total += count
        self._tell()

    def note_done(self, count: int) -> None:
        self.done += count
        self._tell()

    def _tell(self) -> None:
        if self.progress is not None:
            self.progress(self.done, self.total)


def take_in(
    run: Pass,
    folder: Folder,
    lane: Lane,
    uids: Sequence[int],
    advance: Callable[[list[int]], Advance],
    *,
    is_expected: bool = False,
) -> int:
    """Fetch and store; every batch commits with the cursor. How many arrivals are new.

    Raises `TimeIsUpError` where the pass is over before all are taken in; some are in each pass.
    """
    if not is_expected:
        run.expect(len(uids))
    count = taken = 0
    for portion in portions(uids):
        run.demand_budget()
        for batch in prepared(run.imap.fetch_messages(portion)):
            moved = advance([item.message.uid for item in batch])
            count += arrive(run.account, folder, run.fence, lane, batch, moved)
            run.note_done(len(batch))
            if run.stored is not None:
                run.stored(is_expected)  # history alone is told of before
            run.demand_budget()
            taken += len(batch)
            if taken < len(uids):
                run.demand_time()
    return count


def portions(uids: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(uids), UIDS_AT_ONCE):
        yield uids[start : start + UIDS_AT_ONCE]


def lane_of(run: Pass, cursor: Cursor, *, is_seen_again: bool = False) -> Lane:
    """Of UIDs up to the one that was the newest when the folder was chosen, only what came since is new."""
    return Lane(
        validity_of(cursor),
        is_seen_again=is_seen_again,
        history_through=cursor.first_uid,
        new_since=cursor.new_since,
        looked_at=run.looked_at,
        new_uid=cursor.new_uid,
    )


def validity_of(cursor: Cursor) -> int:
    return cursor.uid_validity or 0


def epoch_of_ours() -> int:
    """A UIDVALIDITY that no server has, and no two visits have the same."""
    return -(time.time_ns() // 1_000_000)
