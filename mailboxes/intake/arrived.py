"""Arrivals that wait for delivery, with their bytes and their attempts (both owners alike)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from itertools import islice, takewhile
from typing import Any
from uuid import UUID

from sqlalchemy import Select, bindparam, case, select, update
from sqlalchemy.orm import aliased

from mailboxes.accounts import Folder
from mailboxes.arrivals import Arrival, Raw, hold
from mailboxes.raws import raw_contents
from tenants.database import db
from tenants.database.bulk import among

BATCH_MESSAGES = 500  # as many as neighbours are delivered together
BATCH_BYTES = 10 * 1024 * 1024
SUSPECTS_TOGETHER = 50  # as many are read apart and stored together where one process died over them
FEW_ATTEMPTS = 3  # a message that was tried no more often is still delivered before newer ones
MOST_ATTEMPTS = 25  # deaths nobody could explain: most are of others' making, as when a machine ends
TOO_LARGE = "It is larger than messages that are fetched; it stays on the server."
UNFETCHABLE = "The server does not hand it out: "

_BOXES = {"inbox": "inbox", "sent": "sent", "drafts": "drafts", "junk": "spam", "trash": "trash"}


@dataclass(frozen=True, slots=True)
class Waiting:
    """An arrival as delivery sees it. ``raw``: its bytes, or those of its header if ``is_stub``."""

    id: UUID
    folder_id: UUID
    folder_name: str
    special_use: str
    uid_validity: int
    uid: int
    raw_id: UUID
    raw: bytes
    size: int
    received_at: datetime | None
    came_since: datetime | None
    arrived_at: datetime
    flags: list[str]
    is_history: bool
    is_seen_again: bool
    is_stub: bool
    failure: str
    attempts: int
    fetch_milliseconds: int | None = None
    vanished_at: datetime | None = None

    @property
    def box(self) -> str:
        """The kind of folder it lies in, as messages know it."""
        return box_of(self.special_use)

    @property
    def final_state(self) -> str:
        """The state of the arrival once it is delivered."""
        if not self.is_stub:
            return "delivered"
        return "too_large" if self.failure == TOO_LARGE else "unfetchable"


def box_of(special_use: str) -> str:
    """The kind of folder, as messages know it."""
    return _BOXES.get(special_use, "other")


def next_batch(account_id: UUID, share: int) -> list[Waiting] | None:
    """The arrivals of a share to deliver next: new mail before history, each in order; suspects apart.

    What has been tried often comes last, so that it holds up nothing. The attempt is counted, and must be
    committed by the caller before anything is parsed. None if nothing waits; what the object store has
    lost is set aside and left out.
    """
    of_share = {"of_account": account_id, "of_share": share, "most": BATCH_MESSAGES}
    rows = (
        db.session.execute(_pending(is_tried_often=False), of_share).all()
        or db.session.execute(_pending(is_tried_often=True), of_share).all()
    )
    chosen = list(_fitting(_together(rows)))
    if not chosen:
        return None
    db.session.execute(
        update(Arrival)
        .where(among(Arrival.id, hold(among(Arrival.id, [row.id for row in chosen]))))
        .values(attempts=Arrival.attempts + 1)
        .execution_options(synchronize_session=False)
    )
    contents = raw_contents([row.raw_id for row in chosen])
    for row in chosen:
        if row.raw_id not in contents:
            mark(row.id, "quarantined", "Its bytes are missing from the object store.")
    chosen.sort(key=_turn)
    return [_waiting(row, contents[row.raw_id]) for row in chosen if row.raw_id in contents]


def held(waiting: Sequence[Waiting]) -> dict[UUID, Waiting]:
    """The same by id, with their flags and places of now, which nobody changes before the transaction ends.

    Whoever follows the server holds the mailbox, then arrivals, then messages, and so does delivery: else
    they would wait for one another, and what happens meanwhile would be written where no message is yet.
    """
    query = (
        select(Arrival.id, Arrival.flags, Arrival.vanished_at)
        .where(among(Arrival.id, [one.id for one in waiting]))
        .order_by(Arrival.id)
        .with_for_update(key_share=True)
    )
    now = {row.id: row for row in db.session.execute(query)}
    return {
        one.id: replace(one, flags=now[one.id].flags, vanished_at=now[one.id].vanished_at)
        for one in waiting
        if one.id in now
    }


def mark_delivered(delivered: Sequence[Waiting], *, keeps_raw: bool = True) -> None:
    """Delivered; of a global account the raw has moved to an organization, and only its hash stays."""
    if not delivered:
        return
    values: dict[str, Any] = {
        "state": case({item.id: item.final_state for item in delivered}, value=Arrival.id)
        if any(item.is_stub for item in delivered)
        else "delivered"
    }
    if not keeps_raw:
        values["raw_id"] = None
    db.session.execute(
        update(Arrival)
        .where(among(Arrival.id, [item.id for item in delivered]))
        .values(**values)
        .execution_options(synchronize_session=False)
    )


def mark(arrival_id: UUID, state: str, failure: str) -> None:
    """Set an arrival aside: quarantined, with the reason for people."""
    db.session.execute(
        update(Arrival)
        .where(Arrival.id == arrival_id)
        .values(state=state, failure=failure)
        .execution_options(synchronize_session=False)
    )


def mark_unrouted(arrival_id: UUID, reason: str) -> None:
    """Nobody gets it for now. Of a stub the reason why it is one stays."""
    is_stub = Arrival.sha256 == b""
    db.session.execute(
        update(Arrival)
        .where(Arrival.id == arrival_id)
        .values(state="unrouted", failure=case((is_stub, Arrival.failure), else_=reason))
        .execution_options(synchronize_session=False)
    )


def is_waiting(account_id: UUID) -> bool:
    """Whether anything of this account waits for delivery."""
    found = select(Arrival.id).where(Arrival.account_id == account_id, Arrival.state == "stored").limit(1)
    return db.session.scalar(found) is not None


@cache
def _pending(*, is_tried_often: bool) -> Select[*tuple[Any, ...]]:
    """The first ``:most`` that wait in a share. Made once: that takes longer than to carry it out."""
    few = Arrival.attempts <= FEW_ATTEMPTS
    waits = Arrival.state == "stored", Arrival.raw_id.is_not(None), ~few if is_tried_often else few
    first = (  # before anything is joined, or the database might join all that waits
        select(Arrival)
        .where(Arrival.account_id == bindparam("of_account"), Arrival.share == bindparam("of_share"), *waits)
        .order_by(Arrival.is_history, Arrival.id)
        .limit(bindparam("most"))
    )
    waiting = aliased(Arrival, first.subquery())
    return (
        select(
            waiting.id,
            waiting.folder_id,
            Folder.name.label("folder_name"),
            Folder.special_use,
            waiting.uid_validity,
            waiting.uid,
            waiting.raw_id,
            waiting.sha256,
            waiting.size,
            waiting.received_at,
            waiting.came_since,
            waiting.arrived_at,
            waiting.flags,
            waiting.is_history,
            waiting.is_seen_again,
            waiting.failure,
            waiting.attempts,
            waiting.fetch_milliseconds,
            Raw.size.label("raw_size"),
        )
        .join(Folder, (Folder.owner_id == waiting.owner_id) & (Folder.id == waiting.folder_id))
        .join(Raw, (Raw.owner_id == waiting.owner_id) & (Raw.id == waiting.raw_id))
        .order_by(waiting.is_history, waiting.id)
    )


def _together(rows: Sequence[Any]) -> Sequence[Any]:
    """Everything of a lane that is no suspect: new mail is soon done by itself.

    Of suspects some, for whoever died was reading hundreds; and one alone when somebody has died over those.
    """
    if not rows:
        return rows
    attempts, is_history = rows[0].attempts, rows[0].is_history
    alike = takewhile(lambda row: (row.attempts, row.is_history) == (attempts, is_history), rows)
    return list(islice(alike, (None, SUSPECTS_TOGETHER, 1)[min(attempts, 2)]))


def _turn(row: Any) -> tuple[bool, datetime, int]:
    """New mail in the order the server received it, so that questions come before answers."""
    if row.is_history:
        return True, row.arrived_at, -row.uid
    return False, row.received_at or row.arrived_at, row.uid


def _fitting(rows: Sequence[Any]) -> Iterator[Any]:
    total = 0
    for row in rows:
        total += row.raw_size
        if total > BATCH_BYTES and total != row.raw_size:
            return
        yield row


def _waiting(row: Any, raw: bytes) -> Waiting:
    return Waiting(
        id=row.id,
        folder_id=row.folder_id,
        folder_name=row.folder_name,
        special_use=row.special_use,
        uid_validity=row.uid_validity,
        uid=row.uid,
        raw_id=row.raw_id,
        raw=raw,
        size=row.size,
        received_at=row.received_at,
        came_since=row.came_since,
        arrived_at=row.arrived_at,
        flags=row.flags,
        is_history=row.is_history,
        is_seen_again=row.is_seen_again,
        is_stub=not row.sha256,
        failure=row.failure,
        attempts=row.attempts,  # before this one
        fetch_milliseconds=row.fetch_milliseconds,
    )
