"""A message that was routed wrongly moves to another organization: it is delivered there anew.

`begin_move` writes down what is to happen, and `finish_moves` carries it out in short transactions: the bytes
come back to the installation, the organization lets go of the message, the arrival waits for delivery again.
At every moment at most one organization has the message; whoever dies in between is followed by somebody who
goes on. The session is bound to the installation.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog
from sqlalchemy import Select, Update, select, update

from mailboxes.accounts import Account
from mailboxes.arrivals import Arrival, delivering, hold
from mailboxes.crash_points import crash_point
from mailboxes.messages import Message
from mailboxes.parsing import parse, stable_hash
from mailboxes.raws import MissingRawError, forget_objects, keep_raws, pack, raw_content
from mailboxes.routing.leaving import (
    arrivals_of,
    hold_to_leave,
    leave,
    message_at,
    others_that_came_in,
)
from mailboxes.routing.marks import forget_marks, lead_marks, marks_made_by, moved_thread_mark
from mailboxes.routing.planning import ways_of
from mailboxes.routing.reading import letter_of
from mailboxes.routing.records import COPIED, MOVED, Routing, keep_routings, routings_of
from mailboxes.routing.served import served_by
from mailboxes.threads import Thread
from tenants.audit import Actor, record_for_system
from tenants.database import db, inside, now
from tenants.errors import ConflictError, InvalidError, NotFoundError

SENTENCE = "A system administrator moved it here."

log = structlog.get_logger()


def routing_to_move(arrival_id: UUID) -> Routing:
    """The way of an arrival whose message may be moved; `NotFoundError` or `ConflictError` says why not."""
    query = select(Routing).where(
        Routing.arrival_id == arrival_id, Routing.delivered_at.is_not(None), Routing.left_at.is_(None)
    )
    found = db.session.scalars(query.order_by(Routing.id)).all()
    if not found:
        raise NotFoundError("No organization has this message.")
    if found[0].result == COPIED:
        raise ConflictError("Each organization has a copy of its own: there is nothing to move.")
    if found[0].leaving_at is not None:
        raise ConflictError("This message is being moved already.")
    return found[0]


def begin_move(arrival_id: UUID, target: UUID | None, *, whole: bool, by: Actor) -> UUID:
    """Write down that a message is to move; with ``whole``, also what else came in in its conversation.

    Returns the account, to ring for. The caller commits. `InvalidError` for a wrong target.
    """
    way = routing_to_move(arrival_id)
    if way.organization_id is None:
        raise NotFoundError("No organization has this message.")
    names = {one.organization_id: one.name for one in served_by(way.account_id) if one.is_open}
    if target is None or target not in names:
        raise InvalidError("Choose an organization that this mailbox serves.", field="organization")
    if target == way.organization_id:
        raise InvalidError("The message is in this organization already.", field="organization")
    moved = _arrivals(way.organization_id, arrival_id, whole=whole)
    _note(way, moved, target, by)
    address = db.session.get_one(Account, way.account_id).address
    before = {"organization": names.get(way.organization_id, "")}
    after = {"organization": names[target], "whole_conversation": whole}
    record_for_system(by, "message.moved", f"A message of {address}", before, after)
    return way.account_id


def finish_moves(account_id: UUID) -> None:
    """Carry out what was begun; commits in between. What cannot move now is tried again later."""
    account = db.session.get(Account, account_id)
    if account is None or account.organization_id is not None:
        return
    with delivering(account_id) as is_ours:
        for id in db.session.scalars(_begun(account_id)).all() if is_ours else ():
            ways = _ways(id)
            away = next((way for way in ways if way.leaving_at is not None), None)
            if away is not None:  # else it went with another copy of its message
                _finish(account, away, next((way for way in ways if way is not away), None))


def _begun(account_id: UUID) -> Select[UUID]:
    query = select(Routing.arrival_id).where(Routing.account_id == account_id)
    return query.where(Routing.leaving_at.is_not(None)).order_by(Routing.arrival_id)


def _ways(arrival_id: UUID) -> list[Routing]:
    return routings_of([arrival_id]).get(arrival_id, [])


def _arrivals(organization_id: UUID, arrival_id: UUID, *, whole: bool) -> list[UUID]:
    with inside(organization_id):
        message = message_at(arrival_id)
        if message is None:
            raise NotFoundError("The organization does not have this message any more.")
        messages = [message, *(others_that_came_in(message) if whole else ())]
        return [id for one in messages for id in arrivals_of(one)]


def _note(way: Routing, arrival_ids: Sequence[UUID], target: UUID, by: Actor) -> None:
    """The ways to the new organization wait; those to the old one are being left."""
    values = {
        "account_id": way.account_id,
        "organization_id": target,
        "result": MOVED,
        "sentence": SENTENCE,
        "reason": f"{by.name} moved it.",
        "decided_by": by.name,
        "decided_by_id": by.id,
    }
    facts = {id: way.facts for id, (way, *_) in routings_of(arrival_ids).items()}
    keep_routings([{"arrival_id": id, **values, "facts": facts.get(id, {})} for id in arrival_ids])
    db.session.execute(_ways_away(way, arrival_ids).values(leaving_at=now()))


def _ways_away(way: Routing, arrival_ids: Sequence[UUID]) -> Update:
    """Change the ways of these arrivals to the organization that they leave."""
    here = (Routing.organization_id == way.organization_id) & Routing.left_at.is_(None)
    statement = update(Routing).where(Routing.arrival_id.in_(arrival_ids), here)
    return statement.execution_options(synchronize_session=False)


# --- carrying it out -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Leaving:
    """What an organization has of a message that leaves it."""

    place: "_Place"
    arrival_ids: list[UUID]
    raw: bytes


@dataclass(frozen=True, slots=True)
class _Place:
    """The conversation that a message is in, whether it ends with its leaving, and what it was split from."""

    thread_id: UUID
    is_ended: bool
    split_family: UUID | None


def _finish(account: Account, away: Routing, onward: Routing | None) -> None:
    source = _organization(away)
    leaving, arrival_ids = _leaving(source, away.arrival_id), [away.arrival_id]
    if leaving is not None and onward is not None:
        arrival_ids = leaving.arrival_ids
        _bring_back(account, source, leaving)
        crash_point("bytes brought back")
        by = Actor(onward.decided_by, onward.decided_by_id)
        if not _has_left(source, away.arrival_id, leaving.place, by):
            return
        crash_point("message left")
    elif leaving is not None or db.session.get_one(Arrival, away.arrival_id).raw_id is None:
        _give_up(away, onward)
        return
    _wait_for_delivery(away, onward, arrival_ids)
    crash_point("move finished")


def _organization(way: Routing) -> UUID:
    if way.organization_id is None:
        raise RuntimeError("a move leads from one organization to another")
    return way.organization_id


def _leaving(organization_id: UUID, arrival_id: UUID) -> _Leaving | None:
    with inside(organization_id):
        message = message_at(arrival_id)
        if message is None or message.raw_id is None:
            return None
        try:
            raw = raw_content(message.raw_id)
        except MissingRawError:
            log.warning("a message without bytes cannot move", arrival=str(arrival_id))
            return None
        return _Leaving(_place_of(message), arrivals_of(message), raw)


def _place_of(message: Message) -> _Place:
    family = db.session.scalar(select(Thread.split_family).where(Thread.id == message.thread_id))
    return _Place(message.thread_id, not others_that_came_in(message), family)


def _bring_back(account: Account, source: UUID, leaving: _Leaving) -> None:
    """The installation holds the bytes again, and knows what they leave."""
    raw_id = keep_raws([pack(leaving.raw)])[0]
    db.session.execute(
        update(Arrival)
        .where(Arrival.id.in_(hold(Arrival.id.in_(leaving.arrival_ids))))
        .values(raw_id=raw_id)
        .execution_options(synchronize_session=False)
    )
    own = ways_of(account).plan.own_addresses
    letter = letter_of(parse(leaving.raw), stable_hash(leaving.raw), own, is_ours=False)
    forget_marks(account.id, source, marks_made_by(letter))
    _note_place(source, leaving.arrival_ids, leaving.place)
    db.session.commit()


def _note_place(source: UUID, arrival_ids: Sequence[UUID], place: _Place) -> None:
    """In place of what was noted when it could not leave, in another conversation or one that went on."""
    ways = select(Routing).where(Routing.arrival_id.in_(arrival_ids), Routing.organization_id == source)
    for way in db.session.scalars(ways):
        others = [id for id in way.left_thread_ids if id != place.thread_id]
        way.left_thread_ids = [*others, place.thread_id] if place.is_ended else others
        way.left_part_id = place.thread_id if place.split_family else None
        way.left_family = place.split_family


def _marks_of_ended(arrival_ids: Sequence[UUID]) -> set[bytes]:
    """Our tokens of the conversations that a message has ended: all follow it to where it is now."""
    ways = select(Routing.organization_id, Routing.left_thread_ids).where(Routing.arrival_id.in_(arrival_ids))
    return {
        moved_thread_mark(organization_id, thread_id)
        for organization_id, thread_ids in db.session.execute(ways)
        for thread_id in thread_ids
        if organization_id is not None
    }


def _has_left(organization_id: UUID, arrival_id: UUID, noted: _Place, by: Actor) -> bool:
    with inside(organization_id):
        message = message_at(arrival_id)
        if message is None:
            return True
        try:
            hold_to_leave(message)
            if _place_of(message) != noted:
                return False  # somebody has split or joined its conversation since: another time
            objects = leave(message, by=by)
        except ConflictError:
            return False  # an answer is on its way, or it is gone already: another time
        db.session.commit()
        forget_objects(objects)
    return True


def _wait_for_delivery(way: Routing, onward: Routing | None, arrival_ids: Sequence[UUID]) -> None:
    """It goes on, and so does what answers the conversations that it has ended."""
    if onward is not None:
        lead_marks(way.account_id, _marks_of_ended(arrival_ids), _organization(onward))
    db.session.execute(_ways_away(way, arrival_ids).values(left_at=now(), leaving_at=None))
    db.session.execute(
        update(Arrival)
        .where(Arrival.id.in_(hold(Arrival.id.in_(arrival_ids))))
        .values(state="stored", attempts=0)
        .execution_options(synchronize_session=False)
    )
    db.session.commit()


def _give_up(way: Routing, onward: Routing | None) -> None:
    """There is nothing to move any more, or nowhere to move it."""
    way.leaving_at = None
    if onward is not None:
        db.session.delete(onward)
    db.session.commit()
