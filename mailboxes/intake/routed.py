"""A batch of a global account goes to the organizations that it is for.

Where each message goes is committed first, in the installation; then each organization gets its part in a
transaction of its own; and in the end the installation lets go of what is delivered. Whoever dies in between
is followed by somebody who finds the same decision, and every organization stores an arrival once.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from uuid import UUID

from mailboxes.accounts import Account
from mailboxes.crash_points import crash_point
from mailboxes.intake.arrived import Waiting, mark_delivered, mark_unrouted
from mailboxes.intake.batches import Delivered, Outcome, as_of_now, delivered_to, read_all, store_all
from mailboxes.intake.counted import count_delivered
from mailboxes.intake.rows import COLLECTING_FOLDERS
from mailboxes.intake.storing import Item, Stored, held_mailbox, store
from mailboxes.raws import forget_objects, forget_raws
from mailboxes.reading.apart import ReaderApart
from mailboxes.routing.planning import Decided, Read, Ways, decide, keep_marks_of, ways_of
from mailboxes.routing.records import MOVED, Routing, note_delivered
from mailboxes.routing.served import Served
from tenants.audit import Actor, record
from tenants.database import db, inside


def deliver_to_organizations(
    account: Account, batch: list[Waiting], apart: ReaderApart
) -> Iterator[Delivered]:
    """Deliver a batch, and tell of each organization's part once it is committed."""
    ways = ways_of(account)
    crash_point("before parsing")
    items, quarantined = read_all(batch, ways.trusted_authserv_id, apart)
    crash_point("after parsing")
    decided = decide(ways, [_read(item) for item in items])
    _hold(decided)
    db.session.commit()
    crash_point("ways decided")
    failed: set[UUID] = set()
    total = Outcome()
    for organization_id, routings in decided.by_organization().items():
        part = [_routed(item, routings) for item in items if item.arrival.id in routings]
        destination = ways.by_organization[organization_id]
        part, unreadable = _read_anew(ways, destination, part, apart)
        outcome = store_all(part, partial(_stored, destination, account))
        crash_point("between organizations")
        total.add(outcome)
        failed |= outcome.failed | ({*routings} - {item.arrival.id for item in part})
        yield delivered_to(organization_id, destination.mailbox_id, outcome, unreadable)
    _let_go(account, ways, decided, [item for item in items if item.arrival.id not in failed], total.stored)
    held = len(decided.unrouted())
    if held or quarantined:
        yield Delivered(None, None, quarantined_count=quarantined)


def _read(item: Item) -> Read:
    return Read(
        item.arrival.id,
        item.reading.parsed,
        item.reading.stable_hash,
        is_ours=item.arrival.box in ("sent", "drafts"),
        is_collected=item.arrival.special_use in COLLECTING_FOLDERS,
    )


def _hold(decided: Decided) -> None:
    """No organization gets these messages: they are kept outside all of them until somebody assigns them."""
    for way in decided.unrouted():
        mark_unrouted(way.arrival_id, way.reason)


def _routed(item: Item, routings: Mapping[UUID, Routing]) -> Item:
    return replace(item, way=routings[item.arrival.id])


def _read_anew(
    ways: Ways, destination: Served, part: list[Item], apart: ReaderApart
) -> tuple[list[Item], int]:
    """An organization that trusts another authentication server has its messages read by that."""
    if destination.trusted_authserv_id == ways.trusted_authserv_id:
        return part, 0
    chosen = {item.arrival.id: item.way for item in part}
    again, quarantined = read_all([item.arrival for item in part], destination.trusted_authserv_id, apart)
    return [replace(item, way=chosen[item.arrival.id]) for item in again], quarantined


def _stored(destination: Served, account: Account, items: Sequence[Item]) -> Stored:
    items = as_of_now(items)
    with inside(destination.organization_id) as session:
        stored = store(held_mailbox(destination.mailbox_id), account, items)
        _tell_of_moves(items, destination)
        crash_point("before commit of delivery")
        session.commit()
    crash_point("after commit of delivery")
    db.session.commit()  # whoever follows the server need not wait until all organizations have their part
    return stored


def _tell_of_moves(items: Sequence[Item], destination: Served) -> None:
    """The record of the organization says who brought a message here, not where it was before.

    Nor what it is about: whoever reads the record need not be granted the mailbox.
    """
    for item in items:
        way = item.way
        if way is not None and way.result == MOVED and way.delivered_at is None:
            actor = Actor(way.decided_by, way.decided_by_id)
            record(actor, "message.moved_here", f"A message of {destination.addresses[0]}")


def _let_go(account: Account, ways: Ways, decided: Decided, items: Sequence[Item], stored: Stored) -> None:
    """The bytes have moved into organizations: the installation keeps the arrivals and their hashes."""
    unrouted = {way.arrival_id for way in decided.unrouted()}
    let_go = [item for item in items if item.arrival.id not in unrouted]
    gone = [item.arrival for item in let_go]
    ids = [arrival.id for arrival in gone]
    mark_delivered(gone, keeps_raw=False)
    count_delivered(account, let_go, stored)
    note_delivered(ids)
    keep_marks_of(ways, decided, ids)
    objects = forget_raws([arrival.raw_id for arrival in gone])
    db.session.commit()
    crash_point("let go")
    if objects:
        forget_objects(objects)
        db.session.commit()
