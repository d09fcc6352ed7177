"""Transaction 1: what was fetched is stored with its bytes, together with the cursor.

Everything is prepared before the transaction begins and while the server sends the next messages; the
fence is checked inside it. Running it again for the same UIDs changes nothing.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.parser import BytesHeaderParser
from typing import Any

from sqlalchemy import func, select, text, update

from mailboxes.accounts import Account, Folder
from mailboxes.arrivals import Arrival, of_another_epoch, share_of
from mailboxes.crash_points import crash_point
from mailboxes.errors import MailServerError
from mailboxes.imap import FetchedMessage
from mailboxes.intake.arrived import TOO_LARGE, UNFETCHABLE
from mailboxes.parsing.dates import sent_at
from mailboxes.raws import Packed, keep_raws, pack, pack_spool
from mailboxes.sync import leases
from mailboxes.sync.plan import LONG_AGO, is_new
from tenants.database import db, now
from tenants.database.bulk import insert_rows

MESSAGES_PER_COMMIT = 500
BYTES_PER_COMMIT = 4 * 1024 * 1024
MOVED_AFTER = timedelta(days=7)  # what the server received so long before it came into the folder …
MOST_MOVED = 20  # … is history, where so many come at once, or within …
MOVED_WITHIN = timedelta(hours=1)
MOVED_BESIDE = 200  # UIDs
LONGEST_HEADER = 64 * 1024


@dataclass(frozen=True, slots=True)
class Prepared:
    """A fetched message with its packed bytes; ``packed`` is None where not even a header came."""

    message: FetchedMessage
    packed: Packed | None
    milliseconds: int = 0  # until the server had handed it out

    @property
    def is_whole(self) -> bool:
        """Whether all bytes are there."""
        return self.message.is_whole


@dataclass(frozen=True, slots=True)
class Advance:
    """How the cursor of a folder moves with a batch: up to a UID, or history down to one; what is left."""

    last_uid: int | None = None
    history_uid: int | None = None
    history_left: int | None = None


@dataclass(frozen=True, slots=True)
class Lane:
    """What is the same for the messages of a batch."""

    uid_validity: int
    is_seen_again: bool = False
    history_through: int = 0  # UIDs up to this one are history …
    new_since: datetime = LONG_AGO  # … unless the server received them since then …
    looked_at: datetime = LONG_AGO  # … and until now …
    new_uid: int = 0  # … and gave them UIDs from this one on
    came_since: datetime | None = None  # the folder was looked through then, and these were not there

    def is_history(self, message: FetchedMessage) -> bool:
        """Whether a message was there before the folder was chosen."""
        is_late = message.uid >= self.new_uid and is_new(message.received_at, self.new_since, self.looked_at)
        return message.uid <= self.history_through and not is_late


def prepared(messages: Iterable[FetchedMessage]) -> Iterator[list[Prepared]]:
    """Pack messages, and group them into what one transaction takes.

    Where the server fails, what has come is given before the error: the next try begins behind it.
    """
    batch: list[Prepared] = []
    size = 0
    try:
        for message, milliseconds in _timed(messages):
            item = Prepared(message, _packed(message), milliseconds)
            length = item.packed.weight if item.packed else 0
            if batch and (size + length > BYTES_PER_COMMIT or len(batch) == MESSAGES_PER_COMMIT):
                yield batch
                batch, size = [], 0
            batch.append(item)
            size += length
    except MailServerError:
        if batch:
            yield batch
        raise
    if batch:
        yield batch


def _timed(messages: Iterable[FetchedMessage]) -> Iterator[tuple[FetchedMessage, int]]:
    """Each message with the time that was waited for it."""
    began = time.perf_counter()
    for message in messages:
        yield message, round((time.perf_counter() - began) * 1000)
        began = time.perf_counter()


def arrive(
    account: Account, folder: Folder, fence: int, lane: Lane, batch: Sequence[Prepared], advance: Advance
) -> int:
    """Store a batch and the cursor in one transaction; how many arrivals are new."""
    leases.demand(account.id, fence)
    db.session.execute(text("SET LOCAL synchronous_commit = on"))
    raws = iter(keep_raws([item.packed for item in batch if item.packed is not None]))
    crash_point("raws stored")
    rows = [_row(account, folder, lane, item, next(raws) if item.packed else None) for item in batch]
    if lane.is_seen_again:
        _take_for_history(folder, lane, rows)
    _take_moved_for_history(folder, lane, rows, batch)
    count = insert_rows(Arrival, rows, ignoring_conflicts=True)
    crash_point("arrivals stored")
    _advance(folder, advance)
    crash_point("before commit of arrivals")
    db.session.commit()
    crash_point("after commit of arrivals")
    return count


def _packed(message: FetchedMessage) -> Packed | None:
    if message.spool is not None:
        return pack_spool(message.spool)
    content = message.raw if message.raw is not None else message.header
    return pack(content) if content else None


def _row(account: Account, folder: Folder, lane: Lane, item: Prepared, raw_id: Any) -> dict[str, Any]:
    message = item.message
    failure = "" if item.is_whole else failure_of(message)
    is_history, is_of_organization = lane.is_history(message), account.organization_id is not None
    return {
        "account_id": account.id,
        "folder_id": folder.id,
        "uid_validity": lane.uid_validity,
        "uid": message.uid,
        "raw_id": raw_id,
        "sha256": item.packed.sha256 if item.packed and item.is_whole else b"",
        "size": message.size,
        "received_at": message.received_at,
        "came_since": lane.came_since,
        "flags": list(message.flags),
        "is_history": is_history,
        "share": share_of(message.uid, is_history=is_history, is_of_organization=is_of_organization),
        "is_seen_again": lane.is_seen_again,
        "state": "stored" if raw_id is not None else _state_without_raw(message),
        "failure": failure,
        "fetch_milliseconds": item.milliseconds,
    }


def _take_for_history(folder: Folder, lane: Lane, rows: Sequence[dict[str, Any]]) -> None:
    """What the folder had before it was renumbered is never new, even if it has been removed here since."""
    new = [row for row in rows if row["sha256"] and not row["is_history"]]
    if not new:
        return
    former = select(Arrival.sha256).where(
        Arrival.folder_id == folder.id,
        of_another_epoch(lane.uid_validity),
        Arrival.sha256.in_([row["sha256"] for row in new]),
    )
    known = set(db.session.scalars(former))
    for row in new:
        row["is_history"] = row["sha256"] in known


def _take_moved_for_history(
    folder: Folder, lane: Lane, rows: Sequence[dict[str, Any]], batch: Sequence[Prepared]
) -> None:
    """Many that are much older than the last look were moved or copied into the folder, or restored there. A
    few may be new, as what is taken out of the spam. Many may come in many batches, or passes.
    """
    oldest = min(lane.new_since, lane.looked_at) - MOVED_AFTER  # our own clock may have been ahead
    new = [(row, item) for row, item in zip(rows, batch, strict=True) if not row["is_history"]]
    old = [row for row, item in new if _is_older(item, oldest)]
    if old and len(old) + _moved_before(folder, lane, old[0]["uid"], oldest) > MOST_MOVED:
        for row in old:
            row["is_history"] = True


def _is_older(item: Prepared, oldest: datetime) -> bool:
    """Whether it was received before. Nothing is before it is written: then the server's clock is behind, for
    all that comes."""
    message = item.message
    if message.received_at is None or message.received_at >= oldest:
        return False
    header = BytesHeaderParser().parsebytes((message.raw or message.header)[:LONGEST_HEADER])
    written_at = sent_at(str(header["Date"] or ""))
    return written_at is None or written_at < oldest


def _moved_before(folder: Folder, lane: Lane, uid: int, oldest: datetime) -> int:
    """How many as old have come in just before, under the UIDs next below."""
    below = select(func.count()).where(
        Arrival.folder_id == folder.id,
        Arrival.uid_validity == lane.uid_validity,
        Arrival.uid.between(max(uid - MOVED_BESIDE, lane.history_through + 1), uid - 1),
        Arrival.received_at < oldest,
        Arrival.arrived_at > now() - MOVED_WITHIN,
    )
    return db.session.scalar(below) or 0


def failure_of(message: FetchedMessage) -> str:
    """Why a message is not whole, for people."""
    return TOO_LARGE if message.is_too_large else f"{UNFETCHABLE}{message.failure}"


def _state_without_raw(message: FetchedMessage) -> str:
    return "too_large" if message.is_too_large else "unfetchable"


def _advance(folder: Folder, advance: Advance) -> None:
    values: dict[str, Any] = {}
    if advance.last_uid is not None:
        values["last_uid"] = func.greatest(Folder.last_uid, advance.last_uid)
    if advance.history_uid is not None:
        values["history_uid"] = func.least(Folder.history_uid, advance.history_uid)
    if advance.history_left is not None:
        values["history_left"] = advance.history_left
    if values:
        db.session.execute(
            update(Folder)
            .where(Folder.id == folder.id)
            .values(**values)
            .execution_options(synchronize_session=False)
        )
