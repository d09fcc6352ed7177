"""The *Unrouted* queue: what nothing routes, held outside all organizations until somebody assigns it.

The session is bound to the installation; only system administrators come here.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, delete, func, select, update

from mailboxes.accounts import Account
from mailboxes.arrivals import Arrival, hold
from mailboxes.crm.paging import Page, page
from mailboxes.parsing import header_block
from mailboxes.raws import raw_content
from mailboxes.routing.records import HAND, Routing, keep_routings
from mailboxes.routing.served import served_by
from tenants.audit import Actor, record_for_system
from tenants.database import db, now
from tenants.database.bulk import among
from tenants.errors import InvalidError, NotFoundError
from tenants.organizations import Organization

SENTENCE = "A system administrator assigned it."
LONGEST_HEADER = 20_000  # characters
MOST_COUNTED = 1_000  # in the navigation
UNDER_WAY = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class Unrouted:
    """A row of the queue, from the header of the message."""

    arrival_id: UUID
    account_id: UUID
    arrived_at: datetime
    size: int
    reason: str
    sender: str
    recipients: tuple[str, ...]
    subject: str
    sent_at: datetime | None


@dataclass(frozen=True, slots=True)
class Assigned:
    """How far an assignment to an organization has come."""

    organization: str
    total: int
    delivered: int


def unrouted_count() -> int:
    """How many wait, at most `MOST_COUNTED`."""
    waiting = select(Arrival.id).where(Arrival.state == "unrouted").limit(MOST_COUNTED).subquery()
    return db.session.scalar(select(func.count()).select_from(waiting)) or 0


def accounts_with_unrouted() -> list[tuple[Account, int]]:
    """Global accounts for which messages wait, with their numbers, by address."""
    query = (
        select(Account, func.count())
        .join(Arrival, Arrival.account_id == Account.id)
        .where(Arrival.state == "unrouted")
        .group_by(Account.id)
        .order_by(Account.address, Account.id)
    )
    return [(account, count) for account, count in db.session.execute(query)]


def unrouted_page(account_id: UUID, cursor: str = "") -> Page[Unrouted]:
    """A page of the queue of an account, the newest first."""
    found = page(_waiting(account_id), Arrival.arrived_at, Arrival.id, is_descending=True, cursor=cursor)
    ways = _ways_of([arrival.id for arrival in found.rows])
    rows = [_row(arrival, ways.get(arrival.id)) for arrival in found.rows]
    return Page(rows, found.previous, found.next)


def unrouted_message(arrival_id: UUID) -> Unrouted:
    """One of them; `NotFoundError` if it does not wait any more."""
    arrival = db.session.scalar(select(Arrival).where(Arrival.id == arrival_id, Arrival.state == "unrouted"))
    if arrival is None:
        raise NotFoundError("This message does not wait to be assigned any more.")
    return _row(arrival, _ways_of([arrival_id]).get(arrival_id))


def unrouted_header(arrival_id: UUID) -> str:
    """The header block as text, cut. The body is nobody's to read before it is somebody's."""
    raw_id = db.session.scalar(
        select(Arrival.raw_id).where(Arrival.id == arrival_id, Arrival.state == "unrouted")
    )
    return header_block(raw_content(raw_id))[:LONGEST_HEADER] if raw_id is not None else ""


def assign(
    account_id: UUID, organization_id: UUID | None, arrival_ids: Collection[UUID] | None, *, by: Actor
) -> int:
    """Deliver these messages, or all that wait (None), to an organization; how many. The caller commits.

    `InvalidError` unless the account serves it. They are delivered by the intake as any others.
    """
    served = {one.organization_id: one.name for one in served_by(account_id) if one.is_open}
    if organization_id is None or organization_id not in served:
        raise InvalidError("Choose an organization that this mailbox serves.", field="organization")
    taken = _taken(account_id, arrival_ids)
    _assign_ways(account_id, organization_id, taken, by)
    if taken:
        after = {"messages": len(taken), "organization": served[organization_id]}
        record_for_system(by, "message.assigned", _address(account_id), {}, after)
    return len(taken)


def route_again(account_id: UUID, *, by: Actor) -> int:
    """Decide anew about everything that waits, by the rules of now; how many. The caller commits."""
    taken = _taken(account_id, None)
    if taken:
        record_for_system(by, "message.routed_again", _address(account_id), {}, {"messages": len(taken)})
    return len(taken)


def assignments(account_id: UUID) -> list[Assigned]:
    """Assignments that are still being delivered, each with its progress."""
    query = (
        select(Organization.name, func.count(), func.count(Routing.delivered_at))
        .join(Organization, Organization.id == Routing.organization_id)
        .where(
            Routing.account_id == account_id,
            Routing.result == HAND,
            Routing.decided_at > now() - UNDER_WAY,
            Routing.left_at.is_(None),
        )
        .group_by(Organization.id, Routing.decided_at)
        .having(func.count() > func.count(Routing.delivered_at))
        .order_by(Routing.decided_at)
    )
    return [Assigned(*row) for row in db.session.execute(query)]


def _waiting(account_id: UUID) -> Select[Arrival]:
    return select(Arrival).where(Arrival.account_id == account_id, Arrival.state == "unrouted")


def _taken(account_id: UUID, arrival_ids: Collection[UUID] | None) -> Sequence[UUID]:
    """Out of the queue and into delivery: whoever comes second gets nothing."""
    chosen: ColumnElement[bool] = Arrival.state == "unrouted"
    if arrival_ids is not None:
        chosen &= among(Arrival.id, arrival_ids)
    return db.session.scalars(
        update(Arrival)
        .where(among(Arrival.id, hold(Arrival.account_id == account_id, chosen)))
        .values(state="stored", attempts=0)
        .returning(Arrival.id)
        .execution_options(synchronize_session=False)
    ).all()


def _assign_ways(account_id: UUID, organization_id: UUID, arrival_ids: Sequence[UUID], by: Actor) -> None:
    """In a few statements, however many they are."""
    values = {
        "organization_id": organization_id,
        "result": HAND,
        "rule_id": None,
        "sentence": SENTENCE,
        "reason": f"{by.name} assigned it.",
        "decided_by": by.name,
        "decided_by_id": by.id,
        "decided_at": now(),
    }
    of_these = among(Routing.arrival_id, arrival_ids)
    has_left = (Routing.organization_id == organization_id) & Routing.left_at.is_not(None)
    db.session.execute(delete(Routing).where(of_these, has_left))
    known = db.session.scalars(
        update(Routing)
        .where(of_these, Routing.organization_id.is_(None))
        .values(**values, facts=Routing.facts.delete_path(["subject"]).delete_path(["sent_at"]))
        .returning(Routing.arrival_id)
        .execution_options(synchronize_session=False)
    ).all()
    unknown = sorted(set(arrival_ids) - set(known))
    keep_routings([{"account_id": account_id, "arrival_id": id, **values} for id in unknown])


def _ways_of(arrival_ids: Sequence[UUID]) -> dict[UUID, Routing]:
    query = select(Routing).where(among(Routing.arrival_id, arrival_ids), Routing.organization_id.is_(None))
    return {way.arrival_id: way for way in db.session.scalars(query)}


def _row(arrival: Arrival, way: Routing | None) -> Unrouted:
    facts: dict[str, Any] = way.facts if way is not None else {}
    sent_at = facts.get("sent_at")
    return Unrouted(
        arrival_id=arrival.id,
        account_id=arrival.account_id,
        arrived_at=arrival.arrived_at,
        size=arrival.size,
        reason=way.reason if way is not None else arrival.failure,
        sender=facts.get("sender", ""),
        recipients=tuple(facts.get("recipients", ())),
        subject=facts.get("subject", ""),
        sent_at=datetime.fromisoformat(sent_at) if sent_at else None,
    )


def _address(account_id: UUID) -> str:
    return db.session.get_one(Account, account_id).address
