"""Which accounts get a pass next: fairly between organizations, each under a lease of its own.

The claim is one statement over all organizations: the first of each organization comes before the second
of any, and none has more than a few under way, however many of its accounts are due. History, which takes
long, never has all places, neither of an organization nor of the installation.
"""

import time
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import bindparam, func, select, text, update
from sqlalchemy.orm import Session
from sqlalchemy.types import Integer

from mailboxes.accounts import Account
from mailboxes.connections import most_in_a_day
from mailboxes.sync import deaths, leases
from mailboxes.sync.foreground import bound_to_owner
from tenants.configuration.layers import value_of
from tenants.configuration.switches import is_on
from tenants.database import across_organizations, db, inside, inside_installation

UNDER_WAY_PER_ORGANIZATION = 3
HISTORIES_PER_ORGANIZATION = 2  # of these, so that new mail of its other accounts finds a place
HISTORY_PATIENCE = 30  # seconds by which accounts with history let others go first
REMEMBERED_SECONDS = 30.0
PAUSED_SECONDS = 60  # until an account is claimed again whose bell was lost, or that is switched off
LONGEST_WITHOUT_PASS = 900


def is_wanted(table: str) -> str:
    """SQL: an enabled organization reads this account.

    A global account counts through any of its mailboxes, or always where it has no home: what nobody gets
    waits to be assigned.
    """
    return f"""({table}.organization_id IS NULL AND {table}.home_organization_id IS NULL OR EXISTS (
        SELECT 1 FROM mailboxes m JOIN organizations o ON o.id = m.organization_id
        WHERE m.account_id = {table}.id AND m.account_owner_id = {table}.owner_id
          AND m.is_enabled AND o.is_enabled))"""  # noqa: S608  # our own alias


def is_switched_on(table: str) -> str:
    """SQL: the configuration lets this account be fetched."""
    return is_on("sync.enabled", f"{table}.owner_id")


def may_be_asked(table: str) -> str:
    """SQL: its server does not ask to be left alone. For who would ask it; trouble it is all the same."""
    return leases.is_over(f"coalesce({table}.quiet_until, '-infinity')")


_DUE = f"""a.is_enabled AND a.imap_enabled AND a.state <> 'disconnected'
        AND {leases.is_over("a.next_attempt_at")} AND {leases.is_over("a.lease_expires_at")}
        AND {is_wanted("a")} AND {may_be_asked("a")}"""
_HAS_HISTORY = """(a.synced_at IS NULL AND a.history IN ('all', 'days') OR EXISTS (SELECT 1 FROM folders f
        WHERE f.account_id = a.id AND f.owner_id = a.owner_id AND f.history_left > 0
          AND f.is_synced AND f.is_selectable AND f.gone_at IS NULL AND f.left_at IS NULL))"""
_CLAIM = text(
    f"""
    WITH under_way AS (
      SELECT a.owner_id, count(*) AS passes, count(*) FILTER (WHERE {_HAS_HISTORY}) AS histories
      FROM accounts a WHERE NOT {leases.is_over("a.lease_expires_at")} GROUP BY a.owner_id
    ), due AS (  -- with history, an account lets others go first for a while
      SELECT a.id, a.owner_id, a.has_history, coalesce(u.passes, 0) AS passes,
        a.next_attempt_at + make_interval(secs => CASE WHEN a.has_history THEN :patience ELSE 0 END) AS since,
        row_number() OVER (PARTITION BY a.owner_id, a.has_history ORDER BY a.next_attempt_at, a.id)
          + coalesce(u.histories, 0) AS history
      FROM (SELECT a.*, {_HAS_HISTORY} AS has_history FROM accounts a WHERE {_DUE}) a
      LEFT JOIN under_way u ON u.owner_id = a.owner_id
    ), fair AS (
      SELECT id, since, has_history,
        row_number() OVER (PARTITION BY owner_id ORDER BY since, id) + passes AS turn
      FROM due WHERE NOT has_history OR history <= :histories_of_one
    ), placed AS (
      SELECT id, since, has_history, turn,
        row_number() OVER (PARTITION BY has_history ORDER BY turn, since) AS place
      FROM fair WHERE turn <= :under_way
    ), chosen AS (
      SELECT id FROM placed
      WHERE NOT has_history OR place <= :histories - (SELECT coalesce(sum(histories), 0) FROM under_way)
      ORDER BY turn, since LIMIT :most
    )
    UPDATE accounts a SET
      lease_owner = '',
      lease_fence = a.lease_fence + 1,
      lease_expires_at = clock_timestamp() + make_interval(secs => :seconds),
      next_attempt_at = clock_timestamp() + make_interval(secs => :pause)
    FROM chosen WHERE a.id = chosen.id AND {leases.is_over("a.lease_expires_at")}
    RETURNING a.id, a.organization_id, a.lease_fence
    """  # noqa: S608  # only our own text is filled in
).bindparams(bindparam("most", type_=Integer))
_IS_DUE = text(f"SELECT EXISTS (SELECT 1 FROM accounts a WHERE {_DUE})")  # noqa: S608  # as above
_WITH_HISTORY = text(f"SELECT {_HAS_HISTORY} FROM accounts a WHERE a.id = :id")  # noqa: S608  # as above

_SET_NEXT = text(
    """
    UPDATE accounts SET next_attempt_at = clock_timestamp() + make_interval(secs => :seconds)
    WHERE id = ANY (:ids)
    """
)
_CALL = text(  # while a pass runs, a later moment tells it that there is more; one that waits keeps its place
    """
    UPDATE accounts SET next_attempt_at = CASE WHEN lease_expires_at < clock_timestamp()
      THEN least(next_attempt_at, clock_timestamp()) ELSE clock_timestamp() END
    WHERE id = :id
    """
)
_PUT_OFF = text(
    """
    UPDATE accounts SET next_attempt_at = greatest(next_attempt_at,
      least(clock_timestamp() + make_interval(secs => :seconds),
            synced_at + make_interval(secs => :longest)))
    WHERE id = ANY (:ids) AND next_attempt_at > clock_timestamp() AND synced_at IS NOT NULL
    """
)


_HURRY_FOR_READS = text(
    """
    UPDATE accounts a SET next_attempt_at = clock_timestamp()
    WHERE a.mirrors_read_state AND a.state = 'ok' AND a.next_attempt_at > clock_timestamp()
      AND (EXISTS (SELECT 1 FROM messages g
        JOIN mailboxes m ON m.organization_id = g.organization_id AND m.id = g.mailbox_id
        WHERE g.organization_id = a.organization_id AND m.account_id = a.id AND g.unread_at > a.synced_at)
      OR EXISTS (SELECT 1 FROM message_reads r
        JOIN messages g ON g.organization_id = r.organization_id AND g.id = r.message_id
        JOIN mailboxes m ON m.organization_id = g.organization_id AND m.id = g.mailbox_id
        WHERE r.organization_id = a.organization_id AND r.read_at > a.synced_at AND m.account_id = a.id))
    """
)
_HURRY_FOR_ROUTED = text(
    """
    UPDATE accounts a SET next_attempt_at = clock_timestamp()
    WHERE a.organization_id IS NULL AND a.mirrors_read_state AND a.delivery_mode = 'routed'
      AND a.state = 'ok' AND a.next_attempt_at > clock_timestamp()
      AND EXISTS (SELECT 1 FROM mailboxes m
        WHERE m.account_owner_id = a.owner_id AND m.account_id = a.id
        AND (EXISTS (SELECT 1 FROM messages g
          WHERE g.organization_id = m.organization_id AND g.mailbox_id = m.id AND g.unread_at > a.synced_at)
        OR EXISTS (SELECT 1 FROM message_reads r
          JOIN messages g ON g.organization_id = r.organization_id AND g.id = r.message_id
          WHERE r.organization_id = m.organization_id AND g.mailbox_id = m.id
            AND r.read_at > a.synced_at)))
    """
)


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to run one pass over an account."""

    account_id: UUID
    organization_id: UUID | None
    fence: int


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often the accounts of an owner get a pass, if at all."""

    is_enabled: bool
    seconds: int


class Rhythms:
    """The rhythm of each owner, asked anew every now and then."""

    def __init__(self) -> None:
        self._known: dict[UUID | None, tuple[float, Rhythm]] = {}

    def of(self, organization_id: UUID | None) -> Rhythm:
        """The rhythm of an organization's accounts, or of the installation's."""
        asked_at, rhythm = self._known.get(organization_id, (0.0, None))
        if rhythm is None or time.monotonic() - asked_at > REMEMBERED_SECONDS:
            rhythm = _rhythm(organization_id)
            self._known[organization_id] = time.monotonic(), rhythm
        return rhythm


def claim_due(most: int, rhythms: Rhythms, *, histories: int = 3) -> list[Claim]:
    """Take the leases of accounts that are due, for whoever hears the bell, and say when they are due again;
    commits.

    ``histories``: of how many accounts at once history is taken over, fewer than there are workers.
    """
    with across_organizations("the schedule claims due accounts of all organizations") as session:
        deaths.note_deaths(session)
        rows = session.execute(
            _CLAIM,
            {
                "under_way": UNDER_WAY_PER_ORGANIZATION,
                "histories_of_one": HISTORIES_PER_ORGANIZATION,
                "histories": histories,
                "patience": HISTORY_PATIENCE,
                "most": most,
                "seconds": leases.SECONDS,
                "pause": PAUSED_SECONDS,
            },
        ).all()
        session.commit()
        claims = [Claim(row.id, row.organization_id, row.lease_fence) for row in rows]
        allowed = [claim for claim in claims if rhythms.of(claim.organization_id).is_enabled]
        _set_rhythm(session, claims, rhythms)
        session.commit()
    for claim in claims:
        if claim not in allowed:
            give_back(claim)
    return allowed


def keep_rhythm(account_id: UUID) -> None:
    """Its pass begins: until then it was due again soon, for the bell may have been lost. One that is due
    stays due. The session is bound to the account's owner; commits.
    """
    seconds = int(value_of("sync.interval_seconds"))
    if seconds > PAUSED_SECONDS:
        later = func.clock_timestamp() + func.make_interval(0, 0, 0, 0, 0, 0, seconds)
        db.session.execute(
            update(Account)
            .where(Account.id == account_id, Account.next_attempt_at > func.clock_timestamp())
            .values(next_attempt_at=func.greatest(Account.next_attempt_at, later))
            .execution_options(synchronize_session=False)
        )
        db.session.commit()


def is_anybody_due() -> bool:
    """Whether an account waits for its pass that nobody has claimed yet."""
    with across_organizations("a pass ends earlier where accounts of other organizations wait") as session:
        return bool(session.scalar(_IS_DUE))


def claim_now(account_id: UUID) -> int | None:
    """The server has news: the fence of a lease, or None while a pass runs, which another will follow.

    None also while as many passes of the same owner are under way as it may have, fewer where it has history:
    then the schedule claims the account in its turn. Thousands of bells of one owner would stand before those
    of others. And while it is left alone because workers die of it: each message would end another one.
    """
    with bound_to_owner(account_id):
        if deaths.is_left_alone(account_id):
            return None
        fence = None if _has_its_share(account_id) else leases.take(account_id, owner="")
    with across_organizations("a watcher has heard of new messages") as session:
        if fence is None:
            session.execute(_CALL, {"id": account_id})
        else:
            _set_next(session, [account_id], PAUSED_SECONDS)
        session.commit()
    return fence


def _has_its_share(account_id: UUID) -> bool:
    """Whether the owner that the session is bound to has as many passes under way as this account leaves."""
    has_history = db.session.scalar(_WITH_HISTORY, {"id": account_id})
    is_held = text(f"NOT {leases.is_over('lease_expires_at')}")
    under_way = select(func.count()).select_from(Account).where(is_held)
    most = HISTORIES_PER_ORGANIZATION if has_history else UNDER_WAY_PER_ORGANIZATION
    return (db.session.scalar(under_way) or 0) >= most


def put_off(account_ids: Iterable[UUID], seconds: int) -> None:
    """These accounts need no pass for so long, because somebody watches them; commits.

    One that is due stays due, and the longest time without a pass is bounded.
    """
    given = {"ids": list(account_ids), "seconds": seconds, "longest": LONGEST_WITHOUT_PASS}
    with across_organizations("a watcher looks at accounts of all organizations") as session:
        session.execute(_PUT_OFF, given)
        session.commit()


def hurry_for_reads() -> None:
    """What was read here since the last pass is told to the server soon, where it is mirrored; commits."""
    with across_organizations("reads are mirrored on the servers of all organizations") as session:
        session.execute(_HURRY_FOR_READS)
        session.execute(_HURRY_FOR_ROUTED)
        session.commit()


def go_on_within_budget() -> None:
    """What was spent by a former budget of a day, and is not by the one of now, is due at once; commits.

    However the budget was raised: by a page, a file or a command.
    """
    with inside_installation("the budget of a day is the system's"):
        most = most_in_a_day()
    with across_organizations("the budget of a day is one for the accounts of all organizations") as session:
        session.execute(
            update(Account)
            .where(Account.is_spent, Account.fetched_bytes < most)
            .values(is_spent=False, quiet_until=None, next_attempt_at=func.clock_timestamp())
            .execution_options(synchronize_session=False)
        )
        session.commit()


def give_back(claim: Claim) -> None:
    """Release a lease that is not used; commits."""
    with bound_to_owner(claim.account_id):
        leases.release(claim.account_id, claim.fence)


def _set_rhythm(session: Session, claims: list[Claim], rhythms: Rhythms) -> None:
    by_seconds: dict[int, list[UUID]] = {}
    for claim in claims:
        rhythm = rhythms.of(claim.organization_id)
        if rhythm.is_enabled and rhythm.seconds < PAUSED_SECONDS:
            by_seconds.setdefault(rhythm.seconds, []).append(claim.account_id)
    for seconds, ids in by_seconds.items():
        _set_next(session, ids, seconds)


def _set_next(session: Session, ids: list[UUID], seconds: int) -> None:
    session.execute(_SET_NEXT, {"ids": ids, "seconds": seconds})


def _rhythm(organization_id: UUID | None) -> Rhythm:
    with _scope(organization_id):
        return Rhythm(bool(value_of("sync.enabled")), int(value_of("sync.interval_seconds")))


def _scope(organization_id: UUID | None) -> AbstractContextManager[Session]:
    if organization_id is None:
        return inside_installation("the rhythm of global accounts")
    return inside(organization_id)
