"""What was decided about each message of a global account: where it goes, by what, and whether it is there.

A decision is committed before anything is delivered, so that whatever dies in between goes on with the same
one, and no change of the rules ever puts one message into two organizations. The session is bound to the
installation.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, Select, UniqueConstraint, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from mailboxes.routing.deciding import Facts, Step, comparable
from tenants.database import Base, db, now, uuid7
from tenants.database.bulk import among

COPIED, HAND, MOVED = "copied", "hand", "moved"  # results beside those of `deciding`
FACTS_DAYS = 30  # so long, sender and recipients are kept for *Try routing*


class Routing(Base):
    """The way of an arrival to one organization, or to none yet (*unrouted*).

    ``facts`` are what the decision was made from, for a while; of what is unrouted also what its list
    shows. ``leaving_at``: a move away has begun; ``left_at``: the message has left this organization;
    ``left_thread_ids``: the conversations that ended there with its leaving; ``left_part_id``: the part of a
    split one that it was in, of ``left_family``.
    """

    __tablename__ = "routings"
    __table_args__ = (
        UniqueConstraint("arrival_id", "organization_id", postgresql_nulls_not_distinct=True),
        Index("ix_routings_account_id", "account_id", "id"),
        Index("ix_routings_rule_id", "rule_id", "decided_at", postgresql_where=text("rule_id IS NOT NULL")),
        Index("ix_routings_leaving", "account_id", postgresql_where=text("leaving_at IS NOT NULL")),
        Index("ix_routings_facts", "decided_at", postgresql_where=text("facts <> '{}'::jsonb")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"))
    arrival_id: Mapped[UUID] = mapped_column(ForeignKey("arrivals.id", ondelete="CASCADE"))
    organization_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("organizations.id", ondelete="CASCADE"), default=None
    )
    result: Mapped[str]  # again, token, answer, rule, home, hand, moved, copied, unrouted
    rule_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("routing_rules.id", ondelete="SET NULL"), default=None
    )
    sentence: Mapped[str] = mapped_column(default="")  # for the organization: about nobody else
    reason: Mapped[str] = mapped_column(default="")  # for the system: with what was skipped
    steps: Mapped[list[dict[str, Any]]] = mapped_column(default=list)
    facts: Mapped[dict[str, Any]] = mapped_column(default=dict)
    decided_by: Mapped[str] = mapped_column(default="")  # a person's name, where one decided
    decided_by_id: Mapped[UUID | None] = mapped_column(default=None)
    decided_at: Mapped[datetime] = mapped_column(default=now)
    delivered_at: Mapped[datetime | None] = mapped_column(default=None)
    leaving_at: Mapped[datetime | None] = mapped_column(default=None)
    left_at: Mapped[datetime | None] = mapped_column(default=None)
    left_thread_ids: Mapped[list[UUID]] = mapped_column(default=list)
    left_part_id: Mapped[UUID | None] = mapped_column(default=None)
    left_family: Mapped[UUID | None] = mapped_column(default=None)


def keep_routings(rows: Sequence[Mapping[str, Any]]) -> None:
    """Store ways. One to an organization that the message has left before is taken again."""
    if not rows:
        return
    statement = insert(Routing)
    anew = {name: statement.excluded[name] for name in ("facts", "steps", *_DECIDED)}
    db.session.execute(
        statement.on_conflict_do_update(
            index_elements=["arrival_id", "organization_id"],
            set_={**anew, "delivered_at": None, "leaving_at": None, "left_at": None},
        ),
        [{"id": uuid7(), "decided_at": now(), **row} for row in rows],
    )


_DECIDED = ("result", "rule_id", "sentence", "reason", "decided_by", "decided_by_id", "decided_at")


def routings_of(arrival_ids: Iterable[UUID]) -> dict[UUID, list[Routing]]:
    """The ways of arrivals, without those that a message has left; in the order of their making."""
    query = select(Routing).where(among(Routing.arrival_id, arrival_ids), Routing.left_at.is_(None))
    found: dict[UUID, list[Routing]] = {}
    for row in db.session.scalars(query.order_by(Routing.id).execution_options(populate_existing=True)):
        found.setdefault(row.arrival_id, []).append(row)
    return found


def holders_of(arrival_ids: Iterable[UUID]) -> list[UUID]:
    """The organizations that have messages of these arrivals."""
    query = select(Routing.organization_id).where(
        among(Routing.arrival_id, arrival_ids),
        Routing.organization_id.is_not(None),
        Routing.left_at.is_(None),
    )
    return [id for id in db.session.scalars(query.distinct().order_by(Routing.organization_id)) if id]


def held_by_one(arrival_ids: Iterable[UUID]) -> set[UUID]:
    """Those of these arrivals that one organization alone has: of others each has a copy of its own."""
    query = select(Routing.arrival_id).where(
        among(Routing.arrival_id, arrival_ids),
        Routing.organization_id.is_not(None),
        Routing.left_at.is_(None),
    )
    return set(db.session.scalars(query.group_by(Routing.arrival_id).having(func.count() == 1)))


def note_delivered(arrival_ids: Iterable[UUID]) -> None:
    """Their messages are where they were to go. The caller commits."""
    db.session.execute(
        update(Routing)
        .where(
            among(Routing.arrival_id, arrival_ids),
            Routing.organization_id.is_not(None),
            Routing.left_at.is_(None),
            Routing.delivered_at.is_(None),
        )
        .values(delivered_at=now())
        .execution_options(synchronize_session=False)
    )


def every_way_of(arrival_id: UUID) -> list[Routing]:
    """Everything that was decided about an arrival, the ways it has left first."""
    query = select(Routing).where(Routing.arrival_id == arrival_id)
    return list(db.session.scalars(query.order_by(Routing.left_at.is_(None), Routing.decided_at, Routing.id)))


def latest(account_id: UUID, address: str = "") -> Select[Routing]:
    """What was decided about messages that are somewhere; from or to an address, if one is given."""
    query = select(Routing).where(
        Routing.account_id == account_id, Routing.organization_id.is_not(None), Routing.left_at.is_(None)
    )
    if not address:
        return query
    wanted = comparable(address) or address.lower()
    is_sender, is_recipient = {"sender": wanted}, {"recipients": [wanted]}
    return query.where(Routing.facts.contains(is_sender) | Routing.facts.contains(is_recipient))


def hits_of_rules(account_id: UUID) -> dict[UUID, int]:
    """How many messages each rule of an account has decided about in the last `FACTS_DAYS` days."""
    query = (
        select(Routing.rule_id, func.count())
        .where(
            Routing.account_id == account_id,
            Routing.rule_id.is_not(None),
            Routing.decided_at > now() - timedelta(days=FACTS_DAYS),
        )
        .group_by(Routing.rule_id)
    )
    return {rule_id: count for rule_id, count in db.session.execute(query) if rule_id is not None}


def forget_facts() -> None:
    """Forget from what was decided, where that is long ago and nothing waits. The caller commits."""
    db.session.execute(
        update(Routing)
        .where(
            Routing.decided_at < now() - timedelta(days=FACTS_DAYS),
            Routing.organization_id.is_not(None),
            Routing.facts != {},
        )
        .values(facts={}, steps=[])
        .execution_options(synchronize_session=False)
    )


# --- facts and steps, as they are stored -------------------------------------------------------


def stored_facts(facts: Facts) -> dict[str, Any]:
    """Facts as JSON."""
    return {
        "sender": facts.sender,
        "recipients": list(facts.recipients),
        "copies": [str(id) for id in facts.copies],
        "tokens": [str(id) for id in facts.tokens],
        "answers": [str(id) for id in facts.answers],
    }


def facts_from(stored: Mapping[str, Any]) -> Facts:
    """Facts from JSON."""
    return Facts(
        sender=stored["sender"],
        recipients=tuple(stored["recipients"]),
        copies=tuple(map(UUID, stored["copies"])),
        tokens=tuple(map(UUID, stored["tokens"])),
        answers=tuple(map(UUID, stored["answers"])),
    )


def stored_steps(steps: Sequence[Step]) -> list[dict[str, Any]]:
    """What was considered, as JSON."""
    return [
        {name: str(value) if isinstance(value, UUID) else value for name, value in asdict(step).items()}
        for step in steps
    ]


def steps_from(stored: Sequence[Mapping[str, Any]]) -> list[Step]:
    """What was considered, from JSON."""
    return [
        Step(
            kind=one["kind"],
            outcome=one["outcome"],
            sentence=one["sentence"],
            organization_id=UUID(one["organization_id"]) if one["organization_id"] else None,
            rule_id=UUID(one["rule_id"]) if one["rule_id"] else None,
        )
        for one in stored
    ]
