"""Arrivals that are no whole messages: quarantined, too large or not handed out by the server.

For the health section of a mailbox's page, and for the quarantine of everything that an owner fetches.
The session is bound to the owner of the accounts.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Select, exists, func, select, update

from mailboxes.accounts import Folder
from mailboxes.arrivals import Arrival, hold
from mailboxes.crm.paging import Page, page
from mailboxes.messages import Location
from mailboxes.parsing import header_block
from mailboxes.raws import raw_content
from tenants.database import db, now
from tenants.database.bulk import among
from tenants.errors import NotFoundError

STATES = {
    "quarantined": "Quarantined",
    "too_large": "Too large",
    "unfetchable": "Cannot be fetched",
}
DISMISSED = "dismissed"  # of any of these states, and not looked at any more
MISSING = ("too_large", "unfetchable")  # only the header is here, or not even that
MOST_BYTES = 200 * 1024 * 1024  # what a system administrator may set as the limit of an installation
MOST_SHOWN = 50
MOST_COUNTED = 1_000  # in the navigation
LONGEST_HEADER = 20_000  # characters


@dataclass(frozen=True, slots=True)
class Held:
    """One of them. ``size`` is that on the server, in bytes; ``has_raw``: whether bytes were kept;
    ``received_at``: when the server got it, or else when it was seen here first.

    ``is_fetchable``: it can be had from the server, and nobody has asked for it yet; ``is_asked_for``:
    somebody has. ``lost``: why it can not be had any more, in a sentence, or "".
    """

    id: UUID
    account_id: UUID
    state: str
    failure: str
    size: int
    arrived_at: datetime
    received_at: datetime
    folder: str
    uid: int
    has_raw: bool
    is_quarantined: bool
    is_fetchable: bool
    is_asked_for: bool = False
    lost: str = ""
    is_dismissed: bool = False

    @property
    def words(self) -> str:
        """The state for people."""
        return STATES[self.state]


def held_arrivals(account_id: UUID) -> list[Held]:
    """The latest, newest first."""
    query = _held(*_chosen("", account_id))
    return [_shown(*row) for row in db.session.execute(query.order_by(Arrival.id.desc()).limit(MOST_SHOWN))]


def held_page(state: str = "", account_id: UUID | None = None, cursor: str = "") -> Page[Held]:
    """A page of everything that the owner's accounts have, newest first: of one state, of one account."""
    query = select(Arrival).where(*_chosen(state, account_id))
    found = page(query, Arrival.arrived_at, Arrival.id, is_descending=True, cursor=cursor)
    query_folders = select(Folder).where(among(Folder.id, {one.folder_id for one in found.rows}))
    folders = {folder.id: folder for folder in db.session.scalars(query_folders)}
    return Page([_shown(one, folders[one.folder_id]) for one in found.rows], found.previous, found.next)


def held_counts(account_id: UUID | None = None) -> dict[str, int]:
    """How many there are in each state."""
    query = select(Arrival.state, func.count()).where(*_chosen("", account_id)).group_by(Arrival.state)
    return {row[0]: row[1] for row in db.session.execute(query)}


def accounts_with_held() -> dict[UUID, int]:
    """Accounts that have some, with how many."""
    query = select(Arrival.account_id, func.count()).where(*_chosen()).group_by(Arrival.account_id)
    return {row[0]: row[1] for row in db.session.execute(query)}


def quarantined_count() -> int:
    """How many are in quarantine at this owner, at most `MOST_COUNTED`."""
    query = select(Arrival.id).where(*_chosen("quarantined")).limit(MOST_COUNTED)
    return db.session.scalar(select(func.count()).select_from(query.subquery())) or 0


def process_again(
    account_ids: Collection[UUID] | None = None, arrival_ids: Collection[UUID] | None = None
) -> dict[UUID, int]:
    """Let what is in quarantine be read and delivered anew; how many of which account, to ring for.

    None means all there are of this owner. Whoever comes second gets nothing: what is under way is no
    longer in quarantine. It is read apart, as everything that was tried before. The caller commits.
    """
    wanted: list[ColumnElement[bool]] = [Arrival.state == "quarantined", Arrival.raw_id.is_not(None)]
    wanted += [] if account_ids is None else [among(Arrival.account_id, account_ids)]
    wanted += [Arrival.dismissed_at.is_(None)] if arrival_ids is None else [among(Arrival.id, arrival_ids)]
    taken = db.session.scalars(
        update(Arrival)
        .where(among(Arrival.id, hold(*wanted)))
        .values(state="stored", attempts=1, failure="", dismissed_at=None)
        .returning(Arrival.account_id)
        .execution_options(synchronize_session=False)
    ).all()
    return {account_id: taken.count(account_id) for account_id in set(taken)}


def held_count(account_id: UUID) -> int:
    """How many there are in all."""
    query = select(func.count()).where(*_chosen("", account_id))
    return db.session.scalar(query) or 0


def dismissed_count(account_id: UUID | None = None) -> int:
    """How many nobody looks at any more."""
    query = select(func.count()).where(*_chosen(DISMISSED, account_id))
    return db.session.scalar(query) or 0


def dismiss(arrival_ids: Collection[UUID]) -> int:
    """Take what nobody needs out of the list and the counts; how many. What was kept of it stays.

    The caller commits.
    """
    return _set_dismissed(arrival_ids, Arrival.dismissed_at.is_(None), now())


def bring_back(arrival_ids: Collection[UUID]) -> int:
    """Put what was dismissed into the list again; how many. The caller commits."""
    return _set_dismissed(arrival_ids, Arrival.dismissed_at.is_not(None), None)


def _set_dismissed(arrival_ids: Collection[UUID], which: ColumnElement[bool], at: datetime | None) -> int:
    changed = db.session.scalars(
        update(Arrival)
        .where(among(Arrival.id, hold(among(Arrival.id, arrival_ids), Arrival.state.in_(STATES), which)))
        .values(dismissed_at=at)
        .returning(Arrival.id)
        .execution_options(synchronize_session=False)
    )
    return len(changed.all())


def held_arrival(account_id: UUID, arrival_id: UUID) -> Held:
    """One of this account; `NotFoundError` if there is none, or if it was delivered meanwhile."""
    one = _held(Arrival.account_id == account_id, Arrival.id == arrival_id)
    row = db.session.execute(one).one_or_none()
    if row is None:
        raise NotFoundError("This message is not held any more.")
    return _shown(*row)


def held_of_messages(message_ids: Collection[UUID]) -> dict[UUID, Held]:
    """What is held of messages of which only the header is here, by message; of own accounts alone."""
    query = _held().add_columns(Location.message_id)
    query = query.join(Location, Location.arrival_id == Arrival.id)
    rows = db.session.execute(query.where(among(Location.message_id, message_ids)).order_by(Arrival.id))
    return {row[2]: _shown(row[0], row[1]) for row in rows}


def without_place(message_ids: Collection[UUID]) -> set[UUID]:
    """Those that lie in no folder: what was fetched of them is another message, that was here already."""
    places = select(Location.message_id).where(among(Location.message_id, message_ids))
    return set(message_ids) - set(db.session.scalars(places))


def held_raw(held: Held) -> bytes:
    """The bytes that were kept: the whole message, or its header only. `NotFoundError` without any."""
    raw_id = db.session.scalar(select(Arrival.raw_id).where(Arrival.id == held.id))
    if raw_id is None:
        raise NotFoundError("No bytes of this message were kept.")
    return raw_content(raw_id)


def held_header(held: Held) -> str:
    """The header block as text, cut; "" without any bytes."""
    return header_block(held_raw(held))[:LONGEST_HEADER] if held.has_raw else ""


def _chosen(state: str = "", account_id: UUID | None = None) -> list[ColumnElement[bool]]:
    is_dismissed = Arrival.dismissed_at.is_not(None)
    chosen = [
        Arrival.state == state if state in STATES else Arrival.state.in_(STATES),
        is_dismissed if state == DISMISSED else ~is_dismissed,
    ]
    return chosen if account_id is None else [*chosen, Arrival.account_id == account_id]


def is_read() -> ColumnElement[bool]:
    """Whether the folder of an arrival is visited, in a query of arrivals."""
    return exists().where(
        Folder.owner_id == Arrival.owner_id,
        Folder.id == Arrival.folder_id,
        Folder.is_synced,
        Folder.gone_at.is_(None),
        Folder.left_at.is_(None),
    )


def _held(*which: ColumnElement[bool]) -> Select[Arrival, Folder]:
    return (
        select(Arrival, Folder)
        .join(Folder, (Folder.owner_id == Arrival.owner_id) & (Folder.id == Arrival.folder_id))
        .where(Arrival.state.in_(STATES), *which)
    )


def _shown(arrival: Arrival, folder: Folder) -> Held:
    lost = _lost(arrival, folder)
    is_to_be_had = arrival.state in MISSING and not lost
    return Held(
        id=arrival.id,
        account_id=arrival.account_id,
        state=arrival.state,
        failure=arrival.failure,
        size=arrival.size,
        arrived_at=arrival.arrived_at,
        received_at=arrival.received_at or arrival.arrived_at,
        folder=folder.name,
        uid=arrival.uid,
        has_raw=arrival.raw_id is not None,
        is_quarantined=arrival.state == "quarantined" and arrival.raw_id is not None,
        is_fetchable=is_to_be_had and not arrival.is_wanted,
        is_asked_for=is_to_be_had and arrival.is_wanted,
        lost=lost,
        is_dismissed=arrival.dismissed_at is not None,
    )


def _lost(arrival: Arrival, folder: Folder) -> str:
    if folder.left_at is not None:
        return "Its account reads another server now."
    if arrival.vanished_at is not None:
        return "Gone on the server."
    if folder.gone_at is not None:
        return "Its folder is gone on the server."
    if not folder.is_synced:
        return "Its folder is not fetched any more."
    if arrival.size > MOST_BYTES:
        return f"It is larger than anything that is fetched ({MOST_BYTES >> 20} MB); it stays on the server."
    return ""
