"""*Try routing*: where a message would go and why, and what another list would have done. No effects.

The session is bound to the installation.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Select, select

from mailboxes.accounts import Account
from mailboxes.parsing import parse, stable_hash
from mailboxes.routing.deciding import Decision, Facts, Plan, Rule, route
from mailboxes.routing.planning import facts_of, ways_of
from mailboxes.routing.reading import letter_of
from mailboxes.routing.records import COPIED, FACTS_DAYS, Routing, facts_from
from tenants.database import db, now

MOST_REPLAYED = 10_000
MOST_SHOWN = 100
MOST_RECENT = 50


@dataclass(frozen=True, slots=True)
class Trial:
    """What would become of one message."""

    facts: Facts
    decision: Decision


@dataclass(frozen=True, slots=True)
class Difference:
    """A message that would have gone elsewhere; None: it is, or would be, unrouted."""

    arrival_id: UUID
    decided_at: datetime
    facts: Facts
    before: UUID | None
    before_reason: str
    after: UUID | None
    after_reason: str


@dataclass(frozen=True, slots=True)
class Replay:
    """What a list of rules would have done with the messages of the last days.

    ``moves``: how many would have gone (from, to).
    """

    total: int
    differences: list[Difference]
    moves: dict[tuple[UUID | None, UUID | None], int]
    is_cut: bool

    @property
    def difference_count(self) -> int:
        """How many messages would have gone elsewhere, shown or not."""
        return sum(self.moves.values())


def try_raw(account: Account, raw: bytes) -> Trial:
    """Where these bytes would go, as if they arrived now."""
    ways = ways_of(account)
    letter = letter_of(parse(raw), stable_hash(raw), ways.plan.own_addresses, is_ours=False)
    facts = facts_of(account.id, letter, ways.served)
    return Trial(facts, route(facts, ways.plan))


def try_again(account: Account, arrival_id: UUID, rules: Sequence[Rule] | None = None) -> Trial | None:
    """Where a message of the last days would go; None if what it was decided by is forgotten."""
    way = db.session.scalar(_remembered(account.id).where(Routing.arrival_id == arrival_id).limit(1))
    if way is None:
        return None
    facts = facts_from(way.facts)
    return Trial(facts, route(facts, _with(ways_of(account).plan, rules)))


def recent(account_id: UUID) -> list[Routing]:
    """The latest messages that can be tried, newest first."""
    return list(db.session.scalars(_remembered(account_id).limit(MOST_RECENT)))


def replay(account: Account, rules: Sequence[Rule], days: int = FACTS_DAYS) -> Replay:
    """What these rules would have done with what arrived in the last days, against where it is now."""
    plan = _with(ways_of(account).plan, rules)
    since = now() - timedelta(days=min(days, FACTS_DAYS))
    query = _remembered(account.id).where(Routing.decided_at >= since).limit(MOST_REPLAYED + 1)
    found = db.session.scalars(query).all()
    compared = [_compared(way, plan) for way in found[:MOST_REPLAYED]]
    different = [one for one in compared if one.before != one.after]
    moves = Counter((one.before, one.after) for one in different)
    return Replay(
        total=len(compared),
        differences=different[:MOST_SHOWN],
        moves=dict(moves.most_common()),
        is_cut=len(found) > MOST_REPLAYED,
    )


def _with(plan: Plan, rules: Sequence[Rule] | None) -> Plan:
    return plan if rules is None else replace(plan, rules=tuple(rules))


def _remembered(account_id: UUID) -> Select[Routing]:
    return (
        select(Routing)
        .where(
            Routing.account_id == account_id,
            Routing.result != COPIED,
            Routing.left_at.is_(None),
            Routing.facts.has_key("sender"),
        )
        .order_by(Routing.id.desc())
    )


def _compared(way: Routing, plan: Plan) -> Difference:
    facts = facts_from(way.facts)
    decision = route(facts, plan)
    return Difference(
        arrival_id=way.arrival_id,
        decided_at=way.decided_at,
        facts=facts,
        before=way.organization_id,
        before_reason=way.reason,
        after=decision.organization_id,
        after_reason=decision.reason,
    )
