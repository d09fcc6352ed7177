"""A stub is known again by its header where a server tells another size, or it is older than their hashes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import select

from mailboxes.intake.rows import Item
from mailboxes.messages import Location, Message
from mailboxes.parsing import stub_hash
from tenants.database import db


@dataclass(slots=True)
class _Stub:
    """``places``: folder and UIDVALIDITY of where it still lies."""

    id: UUID
    hash: bytes
    size: int
    places: set[tuple[UUID, int]] = field(default_factory=set)


def stubs_by_header(mailbox_id: UUID, items: Sequence[Item]) -> dict[bytes, UUID]:
    """Ids of stubs of the same header that lie nowhere else any more, each once, by the item's hash."""
    wanted = [item for item in items if item.arrival.is_stub and item.reading.parsed.message_id]
    stubs = _stubs(mailbox_id, wanted) if wanted else []
    known: dict[bytes, UUID] = {}
    for item in wanted:
        stub = next((stub for stub in stubs if _is_left_by(stub, item)), None)
        if stub is not None:
            known[item.reading.stable_hash] = stub.id
            stubs.remove(stub)
    return known


def _stubs(mailbox_id: UUID, items: Sequence[Item]) -> list[_Stub]:
    ids = {item.reading.parsed.message_id for item in items}
    rows = db.session.execute(
        select(Message.id, Message.stable_hash, Message.size, Location.folder_id, Location.uid_validity)
        .outerjoin(
            Location,
            (Location.organization_id == Message.organization_id)
            & (Location.message_id == Message.id)
            & Location.vanished_at.is_(None),
        )
        .where(Message.mailbox_id == mailbox_id, Message.is_stub, Message.message_id.in_(ids))
        .order_by(Message.id)
    )
    stubs: dict[UUID, _Stub] = {}
    for row in rows:
        stub = stubs.setdefault(row.id, _Stub(row.id, row.stable_hash, row.size))
        if row.folder_id is not None:
            stub.places.add((row.folder_id, row.uid_validity))
    return list(stubs.values())


def _is_left_by(stub: _Stub, item: Item) -> bool:
    """Whether it has the item's header, and lies nowhere else; its folder may have been renumbered since."""
    header_hash, arrival = item.reading.parsed.stable_hash, item.arrival
    is_same = stub.hash in (header_hash, stub_hash(header_hash, stub.size), stub_hash(header_hash, 0))
    return is_same and all(
        folder_id == arrival.folder_id and uid_validity != arrival.uid_validity
        for folder_id, uid_validity in stub.places
    )
