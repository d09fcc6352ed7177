"""What the server did not hand out, or what was too large, is fetched when it can be or somebody asks for it.

A message that could not be fetched is tried again with each full comparison, and some minutes after it came,
where the server only sent nothing, or said goodbye; one that was too large, when the limit has been raised.
*Fetch anyway* asks for a single one, whatever its size (up to `MOST_BYTES`).
"""

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, func, or_, select, update

from mailboxes.accounts import Account, Folder
from mailboxes.arrivals import Arrival, hold
from mailboxes.errors import CommandRefusedError, TurnedAwayError
from mailboxes.imap.dialogue import GOODBYE
from mailboxes.imap.fetching import NO_CONTENT, PLACEHOLDER
from mailboxes.intake.arrived import UNFETCHABLE
from mailboxes.intake.held import MISSING, MOST_BYTES, is_read
from mailboxes.raws import keep_raws
from mailboxes.sync import leases
from mailboxes.sync.arriving import Prepared, failure_of, prepared
from mailboxes.sync.plan import Cursor
from mailboxes.sync.reusing import reused_uid_of
from mailboxes.sync.running import Pass
from tenants.database import db, now
from tenants.database.bulk import among

AT_ONCE = 200
SOON = (timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=2))  # after it came; then daily
AROUND_A_PASS = timedelta(minutes=1)  # an hour that struck while the last one ended still counts
PASSING = tuple(
    f"{UNFETCHABLE}{why}"
    for why in (NO_CONTENT, PLACEHOLDER, GOODBYE, CommandRefusedError.message, TurnedAwayError.message)
)

Missing = Row[UUID, int, bool]
Place = tuple[ColumnElement[bool], ...]  # which arrival
Look = tuple[datetime | None, int]  # when the server received a message, and its size


def fetch_anyway(
    account_ids: Collection[UUID] | None = None,
    arrival_ids: Collection[UUID] | None = None,
    states: Collection[str] = MISSING,
) -> dict[UUID, int]:
    """Ask for messages that are not whole here, with the next pass, which is due at once; how many of which
    account.

    None means all there are of this owner. Those that are whole by now, or gone, or larger than anything that
    is fetched, are left out. The session is bound to the accounts' owner; the caller commits.
    """
    wanted: list[ColumnElement[bool]] = [
        Arrival.state.in_(states),
        Arrival.vanished_at.is_(None),
        Arrival.is_wanted.is_(False),
        Arrival.size <= MOST_BYTES,
        is_read(),
    ]
    wanted += [] if account_ids is None else [among(Arrival.account_id, account_ids)]
    wanted += [Arrival.dismissed_at.is_(None)] if arrival_ids is None else [among(Arrival.id, arrival_ids)]
    asked = db.session.scalars(
        update(Arrival)
        .where(among(Arrival.id, hold(*wanted)))
        .values(is_wanted=True, dismissed_at=None)
        .returning(Arrival.account_id)
        .execution_options(synchronize_session=False)
    ).all()
    hurry(set(asked))
    return dict(Counter(asked))


def hurry(account_ids: Collection[UUID]) -> None:
    """These accounts get a pass at once, unless they fail and wait for their turn. The caller commits."""
    db.session.execute(
        update(Account)
        .where(among(Account.id, account_ids), Account.next_attempt_at > now(), Account.state == "ok")
        .values(next_attempt_at=now())
        .execution_options(synchronize_session=False)
    )


def refetch(run: Pass, folder: Folder, cursor: Cursor, *, is_daily: bool) -> None:
    """Fetch again what is not whole here. The folder is open.

    What somebody asked for goes on with the next pass, where the time of this one is over; the others wait
    for the next day then, and where the rest of the day's bytes is for new mail. While another message
    may lie under a UID, nothing is: its bytes would complete one that they are not of.
    """
    is_certain = reused_uid_of(folder) is None
    missing = _missing(run, folder, cursor, is_daily=is_daily) if is_certain else []
    db.session.commit()
    wanted = [row.uid for row in missing if row.is_wanted]
    others = [] if run.is_history_over else [row.uid for row in missing if not row.is_wanted]
    for uids, most_bytes in ((wanted, MOST_BYTES), (others, None)):
        for batch in prepared(run.imap.fetch_messages(uids, most_bytes)):
            run.report.new_count += _complete(run, folder, cursor, batch)
            if run.stored is not None:
                run.stored(False)
            run.demand_budget()
            run.demand_time()


def complete_alike(run: Pass, folder: Folder, batch: Sequence[Prepared]) -> list[Prepared]:
    """Where UIDs mean nothing: put the bytes of what is whole where its header or a reason was, known by date
    and size if these leave no doubt, and commit; the others are returned.
    """
    alike = Counter(map(_look, batch))
    wanted = {_look(item): item for item in batch if item.is_whole and alike[_look(item)] == 1}
    stubs = _stubs_alike(folder, wanted)
    leases.demand(run.account.id, run.fence)
    hold(Arrival.state.in_(MISSING), among(Arrival.id, stubs.values()))
    fill([((Arrival.state.in_(MISSING), Arrival.id == id), wanted[look]) for look, id in stubs.items()])
    db.session.commit()
    return [item for item in batch if wanted.get(_look(item)) is not item or _look(item) not in stubs]


def _look(item: Prepared) -> Look:
    return item.message.received_at, item.message.size


def _stubs_alike(folder: Folder, looks: Collection[Look]) -> dict[Look, UUID]:
    """Of these looks, those that one message has which is not whole here: where it was met last."""
    rows = db.session.execute(
        select(Arrival.id, Arrival.uid_validity, Arrival.received_at, Arrival.size)
        .where(
            Arrival.folder_id == folder.id,
            Arrival.state.in_(MISSING),
            Arrival.vanished_at.is_(None),
            Arrival.received_at.is_not(None),
            among(Arrival.size, {size for _, size in looks}),
        )
        .order_by(Arrival.id)
    ).all()
    epochs = Counter((row.received_at, row.size, max(row.uid_validity, 0)) for row in rows)
    last = {(row.received_at, row.size): row for row in rows}
    return {
        look: row.id
        for look, row in last.items()
        if look in looks and epochs[*look, max(row.uid_validity, 0)] == 1
    }


def _missing(run: Pass, folder: Folder, cursor: Cursor, *, is_daily: bool) -> Sequence[Missing]:
    limit = run.imap.settings.max_message_bytes
    is_worth_a_try = (Arrival.state == "unfetchable") | Arrival.size.between(1, limit)
    is_due = Arrival.is_wanted | (is_worth_a_try if is_daily else _is_soon(run, folder))
    return db.session.execute(
        select(Arrival.id, Arrival.uid, Arrival.is_wanted)
        .where(*_missing_of(folder, cursor), Arrival.vanished_at.is_(None), is_due)
        .order_by(Arrival.is_wanted.desc(), Arrival.uid.desc())
        .limit(AT_ONCE)
    ).all()


def _is_soon(run: Pass, folder: Folder) -> ColumnElement[bool]:
    """Whether one of the times for another try has passed since the last visit: what Exchange and others do
    not hand out at once is often there some minutes later, and asking costs little."""
    since = (run.visited_before.get(folder.id) or now()) - AROUND_A_PASS
    has_struck = [Arrival.arrived_at.between(since - after, now() - after) for after in SOON]
    return (Arrival.state == "unfetchable") & Arrival.failure.in_(PASSING) & or_(*has_struck)


def _complete(run: Pass, folder: Folder, cursor: Cursor, batch: Sequence[Prepared]) -> int:
    """Put the bytes where only a reason was; commits. How many messages are whole now."""
    leases.demand(run.account.id, run.fence)
    hold(*_missing_of(folder, cursor), among(Arrival.uid, [item.message.uid for item in batch]))
    places = [((*_missing_of(folder, cursor), Arrival.uid == item.message.uid), item) for item in batch]
    count = fill(places)
    for place, item in places:
        if not item.is_whole:
            write(place, failure=failure_of(item.message))
    db.session.commit()
    return count


def fill(places: Sequence[tuple[Place, Prepared]]) -> int:
    """What is whole gets its bytes; how many these are. The caller commits."""
    whole = [
        (place, item, item.packed) for place, item in places if item.is_whole and item.packed is not None
    ]
    raw_ids = keep_raws([packed for _, _, packed in whole])
    for (place, item, packed), raw_id in zip(whole, raw_ids, strict=True):
        received_at = func.coalesce(Arrival.received_at, item.message.received_at)
        found = {"raw_id": raw_id, "sha256": packed.sha256, "size": packed.size, "received_at": received_at}
        write(place, **found, state="stored", failure="", attempts=0)
    return len(whole)


def write(place: Place, **values: Any) -> None:
    """What is written about it answers whoever asked for it. The caller commits."""
    db.session.execute(
        update(Arrival)
        .where(*place)
        .values(is_wanted=False, **values)
        .execution_options(synchronize_session=False)
    )


def _missing_of(folder: Folder, cursor: Cursor) -> Place:
    return (
        Arrival.folder_id == folder.id,
        Arrival.uid_validity == cursor.uid_validity,
        Arrival.state.in_(MISSING),
    )
