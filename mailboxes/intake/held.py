"""Arrivals that are no whole messages: quarantined, too large or not handed out by the server.

For the health section of a mailbox's page. The session is bound to the owner of the account.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, func, select

from mailboxes.accounts import Folder
from mailboxes.arrivals import Arrival
from mailboxes.parsing import header_block
from mailboxes.raws import raw_content
from tenants.database import db
from tenants.errors import NotFoundError

STATES = {
    "quarantined": "Quarantined",
    "too_large": "Too large",
    "unfetchable": "Cannot be fetched",
}
MISSING = ("too_large", "unfetchable")  # only the header is here, or not even that
MOST_SHOWN = 50
LONGEST_HEADER = 20_000  # characters


@dataclass(frozen=True, slots=True)
class Held:
    """One of them. ``size`` is that on the server, in bytes; ``has_raw``: whether bytes were kept.

    ``is_fetchable``: it is on the server, and nobody has asked for it yet.
    """

    id: UUID
    state: str
    failure: str
    size: int
    arrived_at: datetime
    folder: str
    uid: int
    has_raw: bool
    is_quarantined: bool
    is_fetchable: bool

    @property
    def words(self) -> str:
        """The state for people."""
        return STATES[self.state]


def held_arrivals(account_id: UUID) -> list[Held]:
    """The latest, newest first."""
    rows = db.session.execute(_held(account_id).order_by(Arrival.id.desc()).limit(MOST_SHOWN))
    return [_shown(arrival, folder) for arrival, folder in rows]


def held_count(account_id: UUID) -> int:
    """How many there are in all."""
    query = select(func.count()).where(Arrival.account_id == account_id, Arrival.state.in_(STATES))
    return db.session.scalar(query) or 0


def held_arrival(account_id: UUID, arrival_id: UUID) -> Held:
    """One of this account; `NotFoundError` if there is none, or if it was delivered meanwhile."""
    row = db.session.execute(_held(account_id).where(Arrival.id == arrival_id)).one_or_none()
    if row is None:
        raise NotFoundError("This message is not held any more.")
    return _shown(*row)


def held_raw(held: Held) -> bytes:
    """The bytes that were kept: the whole message, or its header only. `NotFoundError` without any."""
    raw_id = db.session.scalar(select(Arrival.raw_id).where(Arrival.id == held.id))
    if raw_id is None:
        raise NotFoundError("No bytes of this message were kept.")
    return raw_content(raw_id)


def held_header(held: Held) -> str:
    """The header block as text, cut; "" without any bytes."""
    return header_block(held_raw(held))[:LONGEST_HEADER] if held.has_raw else ""


def _held(account_id: UUID) -> Select[Arrival, str]:
    return (
        select(Arrival, Folder.name)
        .join(Folder, (Folder.owner_id == Arrival.owner_id) & (Folder.id == Arrival.folder_id))
        .where(Arrival.account_id == account_id, Arrival.state.in_(STATES))
    )


def _shown(arrival: Arrival, folder: str) -> Held:
    return Held(
        id=arrival.id,
        state=arrival.state,
        failure=arrival.failure,
        size=arrival.size,
        arrived_at=arrival.arrived_at,
        folder=folder,
        uid=arrival.uid,
        has_raw=arrival.raw_id is not None,
        is_quarantined=arrival.state == "quarantined" and arrival.raw_id is not None,
        is_fetchable=arrival.state in MISSING and arrival.vanished_at is None and not arrival.is_wanted,
    )
