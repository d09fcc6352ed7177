"""*Fetch anyway* in a folder whose UIDs mean nothing: the message is found again by date, size and header.

Of several that look alike, each goes where its header is. One of which not even that is here is fetched if
nothing else looks like it. What is not found says so, and can be asked for again.
"""

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, select

from mailboxes.accounts import Folder
from mailboxes.arrivals import Arrival, hold
from mailboxes.errors import UidValidityChangedError
from mailboxes.imap import FolderState
from mailboxes.intake.arrived import UNFETCHABLE
from mailboxes.intake.held import MISSING, MOST_BYTES
from mailboxes.raws import raw_contents
from mailboxes.sync import leases
from mailboxes.sync.arriving import Prepared, failure_of, prepared
from mailboxes.sync.history import OVERLAP, day_of
from mailboxes.sync.refetching import AT_ONCE, Look, fill, write
from mailboxes.sync.running import Pass, portions
from tenants.database import db
from tenants.database.bulk import among

AROUND = 2 * OVERLAP + timedelta(days=1)
NOT_FOUND = f"{UNFETCHABLE}It has nothing of this date, size and header that is not here as another message."


@dataclass(frozen=True, slots=True)
class Stub:
    """A message that is not whole here. ``epoch``: in one, each is another message; those of ours are one."""

    id: UUID
    epoch: int
    is_wanted: bool
    header: bytes

    def is_of(self, item: Prepared, *, is_alone: bool) -> bool:
        """Whether this is the message, which is alone of its look or not."""
        return _beginning(item, len(self.header)) == self.header if self.header else is_alone


def refetch_unstable(run: Pass, folder: Folder, state: FolderState) -> None:
    """Fetch what somebody asked for, whatever its size; commits. The folder is open.

    Raises `TimeIsUpError` where the pass is over: the rest is fetched in the next one.
    """
    wanted = _wanted(folder)
    there = _alike(run, state, set(wanted)) if wanted else {}
    for number, look in enumerate(wanted):
        if number:
            run.demand_time()
        run.demand_budget()
        try:
            failure = _refetch(run, folder, look, there.get(look, []))
        except UidValidityChangedError as error:  # a folder that is renumbered at each opening, and a cut
            _give_up(run, folder, look, f"{UNFETCHABLE}{error.message}")
            raise
        _give_up(run, folder, look, failure)


def _wanted(folder: Folder) -> list[Look]:
    """The looks of what is asked for, the latest first."""
    query = (
        select(Arrival.received_at, Arrival.size)
        .where(*_missing(folder), Arrival.is_wanted)
        .order_by(Arrival.id.desc())
        .limit(AT_ONCE)
    )
    looks = [(row.received_at, row.size) for row in db.session.execute(query)]
    db.session.commit()
    return list(dict.fromkeys(looks))


def _alike(run: Pass, state: FolderState, looks: set[Look]) -> Mapping[Look, list[int]]:
    """UIDs of what the server has of these looks, now."""
    dates = [received_at for received_at, _ in looks if received_at is not None]
    if len(dates) < len(looks):
        uids = array("q", run.imap.all_uids(state))
    else:
        uids = run.imap.search_uids(since=day_of(min(dates)), before=day_of(max(dates) + AROUND))
    found: dict[Look, list[int]] = {}
    for portion in portions(uids):
        for uid, told in run.imap.fetch_details(portion).items():
            at = told.received_at
            for look in {(at, max(0, told.size)), (at, 0)} & looks:  # the size may not have been told before
                found.setdefault(look, []).append(uid)
    return found


def _refetch(run: Pass, folder: Folder, look: Look, uids: Sequence[int]) -> str:
    """Put what the server has of a look where it belongs, and commit; why the rest does not come."""
    stubs = _stubs(folder, look)
    failure = NOT_FOUND
    for batch in prepared(run.imap.fetch_messages(uids, MOST_BYTES)):
        for item in batch:
            if not item.is_whole:
                failure = failure_of(item.message)
            elif taken := _takers(folder, stubs, item, is_alone=len(uids) == 1):
                _put(run, [stub.id for stub in taken], item)
                stubs = [stub for stub in stubs if stub not in taken]
        run.demand_budget()
        if not any(stub.is_wanted for stub in stubs):
            break
    return failure


def _takers(folder: Folder, stubs: Sequence[Stub], item: Prepared, *, is_alone: bool) -> list[Stub]:
    """Whose content it is: one of each epoch in which it is not here, if somebody asks for one of them."""
    if item.packed is None:
        return []
    query = select(Arrival.uid_validity).where(
        Arrival.folder_id == folder.id, Arrival.sha256 == item.packed.sha256
    )
    epochs = {max(0, uid_validity) for uid_validity in db.session.scalars(query)}
    db.session.commit()
    takers: dict[int, Stub] = {}
    for stub in stubs:
        if stub.epoch not in epochs and stub.is_of(item, is_alone=is_alone):
            takers.setdefault(stub.epoch, stub)
    return list(takers.values()) if any(stub.is_wanted for stub in takers.values()) else []


def _put(run: Pass, ids: Sequence[UUID], item: Prepared) -> None:
    leases.demand(run.account.id, run.fence)
    hold(Arrival.state.in_(MISSING), among(Arrival.id, ids))
    run.report.new_count += fill([((Arrival.state.in_(MISSING), Arrival.id == id), item) for id in ids])
    db.session.commit()
    if run.stored is not None:
        run.stored(False)


def _give_up(run: Pass, folder: Folder, look: Look, failure: str) -> None:
    """Say why what is still asked for of this look does not come, and commit."""
    leases.demand(run.account.id, run.fence)
    left = hold(*_missing(folder), *_of_look(look), Arrival.is_wanted.is_(True))
    if left:
        write((among(Arrival.id, left),), failure=failure)
    db.session.commit()


def _stubs(folder: Folder, look: Look) -> list[Stub]:
    """What is here of a look and not whole, first what is asked for."""
    rows = db.session.execute(
        select(Arrival.id, Arrival.uid_validity, Arrival.is_wanted, Arrival.raw_id)
        .where(*_missing(folder), *_of_look(look))
        .order_by(Arrival.is_wanted.desc(), Arrival.id.desc())
        .limit(AT_ONCE)
    ).all()
    headers = raw_contents([row.raw_id for row in rows if row.raw_id is not None])
    db.session.commit()
    return [
        Stub(row.id, max(0, row.uid_validity), row.is_wanted, headers.get(row.raw_id, b"").rstrip(b"\r\n"))
        for row in rows
    ]


def _beginning(item: Prepared, size: int) -> bytes:
    message = item.message
    return message.spool.opened().read(size) if message.spool is not None else (message.raw or b"")[:size]


def _missing(folder: Folder) -> tuple[ColumnElement[bool], ...]:
    return Arrival.folder_id == folder.id, Arrival.state.in_(MISSING), Arrival.vanished_at.is_(None)


def _of_look(look: Look) -> tuple[ColumnElement[bool], ...]:
    received_at, size = look
    return Arrival.received_at.is_not_distinct_from(received_at), Arrival.size == size
