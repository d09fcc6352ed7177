"""What runs when: one list, and the loop that goes through it.

Any number of schedules may run; an advisory lock lets one of them lead at a time. It is a hint: whatever is
rung twice is done once, because leases and constraints say so. Everything here reads the tables, so that
an emptied Redis costs seconds.
"""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from types import FrameType
from uuid import UUID

import structlog
from flask import Flask
from redis.exceptions import RedisError
from sqlalchemy import select, text
from sqlalchemy.exc import SQLAlchemyError

from mailboxes import oauth, oidc, troubles
from mailboxes.acting import organizations_with_pending
from mailboxes.global_mailboxes.deleting import global_mailboxes_to_delete
from mailboxes.global_mailboxes.following import catch_up
from mailboxes.global_mailboxes.reporting import report_global_accounts
from mailboxes.health.pass_log import forget_old_passes
from mailboxes.health.volume import forget_old_hours, sum_ended_hours
from mailboxes.inbox.digests import organizations_with_due_digests
from mailboxes.inbox.snoozing import lately_back
from mailboxes.notices import forget_old_notices, owners_with_due_notices
from mailboxes.offering import MOST_IN_A_REQUEST, carry_offers
from mailboxes.organization_deletion import organizations_to_delete
from mailboxes.outgoing import organizations_with_due_mail
from mailboxes.retention import remove_old
from mailboxes.routing.records import forget_facts
from mailboxes.setup.deleting import mailboxes_to_delete
from mailboxes.sync.claiming import (
    Rhythms,
    claim_due,
    give_back,
    go_on_within_budget,
    hurry_for_reads,
)
from mailboxes.webhooks.calling import organizations_with_due_calls
from mailboxes.webhooks.keeping import forget_old_calls
from tenants.database import INSTALLATION, across_organizations, db, inside, inside_installation
from tenants.organizations import Organization
from tenants.users import forget_old_attempts
from tenants.users.password_links import forget_old_links, unanswered
from workers import queues

TICK_SECONDS = 0.5
LEADER = 0x706F7374726F6F6D  # "postroom"
LONGEST_QUEUE = 50  # passes that wait for a worker; more are claimed when these are begun
RUNG_SECONDS = 10  # the sweep rings once in so many seconds for the same thing
OVERLOOKED_SECONDS = 5  # what is younger has been rung for by whoever stored it

log = structlog.get_logger()


@dataclass(frozen=True)
class Periodic:
    """Something that runs again and again. ``run`` must be safe to run twice, and at the same time."""

    name: str
    seconds: float
    run: Callable[[], None]


@dataclass
class Schedule:
    """The list, and when each entry is due next; an entry that fails stops no other."""

    entries: tuple[Periodic, ...]
    due_at: dict[str, float] = field(default_factory=dict)

    def run_due(self, moment: float) -> list[str]:
        """Run what is due at a moment of the monotonic clock; the names of what ran."""
        ran = []
        for entry in self.entries:
            if self.due_at.get(entry.name, moment) > moment:
                continue
            self.due_at[entry.name] = moment + entry.seconds
            _run_quietly(entry)
            ran.append(entry.name)
        return ran


def run_schedule(app: Flask) -> None:
    """Lead, or wait to lead, until the process is asked to end."""
    is_over = until_asked_to_end()
    schedule = Schedule(SCHEDULE)
    with app.app_context():
        while not is_over.is_set():
            tick(schedule)
            is_over.wait(TICK_SECONDS)


def tick(schedule: Schedule) -> list[str]:
    """One turn: what was due has run, unless another schedule leads. Never raises for a lost server."""
    try:
        with _lead() as is_leader:
            return schedule.run_due(time.monotonic()) if is_leader else []
    except SQLAlchemyError as error:
        log.warning("the database cannot be reached", error=type(error).__name__)
        return []


# --- what runs -------------------------------------------------------------------------------


def ring_for_due_accounts() -> None:
    """Claim accounts whose pass is due, as many as the workers can begin soon."""
    room = LONGEST_QUEUE - queues.queue(queues.SYNC).count
    histories = max(1, queues.worker_count(queues.SYNC) - 1)  # one worker is left for new mail
    for claim in claim_due(room, _rhythms, histories=histories) if room > 0 else ():
        try:
            queues.ring_sync(claim.account_id, claim.fence)
        except RedisError:
            give_back(claim)
            raise


def ring_for_stored_arrivals() -> None:
    """Whatever is stored and not delivered."""
    with across_organizations("the sweep rings for every account with arrivals to deliver") as session:
        waiting = session.scalars(text(_WAITING), {"seconds": OVERLOOKED_SECONDS}).all()
        for account_id in waiting:
            _once("intake", account_id, queues.ring_intake_in_turn)


def ring_for_pending_messages() -> None:
    """Whatever is delivered and not acted upon."""
    for organization_id in organizations_with_pending():
        _once("action", organization_id, queues.ring_action)


def ring_for_due_mail() -> None:
    """Whatever waits in an outbox."""
    for organization_id in organizations_with_due_mail():
        _once("outgoing", organization_id, queues.ring_outgoing)


def ring_for_due_webhooks() -> None:
    """Whatever webhooks are to be told."""
    for organization_id in organizations_with_due_calls():
        _once("webhooks", organization_id, queues.ring_webhooks)


def tell_of_those_back() -> None:
    """Pages whose lists hold conversations again since a moment ago."""
    with across_organizations("pages of every organization hear that conversations are back") as session:
        for organization_id, mailbox_id, id in lately_back(session, timedelta(seconds=RUNG_SECONDS)):
            _once("back", id, partial(_tell_pages, organization_id, mailbox_id))


def tell_of_troubles() -> None:
    """Accounts that wait for people, and folders that are not read."""
    for owner_id in troubles.tell_of_troubles():
        queues.ring_notices(owner_id)


def ring_for_due_notices() -> None:
    """Whatever mail of the system itself waits, and whoever asked for a link by mail."""
    if db.session.scalar(unanswered().limit(1)) is not None:
        _once("notices", INSTALLATION, queues.ring_notices)
    for owner_id in owners_with_due_notices():
        _once("notices", owner_id, queues.ring_notices)


def ring_for_due_digests() -> None:
    """Whoever's hour has come: each organization has a few written in its turn."""
    for organization_id in organizations_with_due_digests():
        _once("notices", organization_id, queues.ring_notices)


def forget_attempts() -> None:
    """Windows of failed sign-ins, sessions, links and ways to an identity provider that are over."""
    forget_old_attempts()
    forget_old_links()
    oidc.forget_old_requests()
    db.session.commit()


def forget_routing_facts() -> None:
    """Who wrote to whom, of what was routed long ago."""
    with inside_installation("what was routed is forgotten in time"):
        forget_facts()
        db.session.commit()


def say_alive() -> None:
    """The schedule leads."""
    queues.say_alive("schedule")


def sum_hours() -> None:
    """What came to all accounts together, of hours that are over."""
    with across_organizations("the hours of all accounts are summed once") as session:
        sum_ended_hours(session)
        session.commit()


def forget_old_health() -> None:
    """The connection logs and hours of long ago, of every account."""
    with across_organizations("the figures of all accounts are forgotten in time") as session:
        forget_old_passes(session)
        forget_old_hours(session)
        session.commit()


def remove_old_conversations() -> None:
    """What organizations no longer keep."""
    for organization_id in _organizations():
        with inside(organization_id):
            remove_old()


def ring_for_organizations_to_delete() -> None:
    """Whatever of an organization that is to go is left."""
    for organization_id in organizations_to_delete():
        _once("deletion", organization_id, queues.ring_deletion)


def ring_for_mailboxes_to_delete() -> None:
    """Whatever of mailboxes that are to go is left."""
    going = global_mailboxes_to_delete()
    for organization_id, mailbox_id in mailboxes_to_delete(but_of=going):
        _once("deletion", mailbox_id, partial(queues.ring_deletion_of_mailbox, organization_id))
    for global_mailbox_id in going:
        _once("deletion", global_mailbox_id, queues.ring_deletion_of_global)


def carry_what_the_system_offers() -> None:
    """To organizations that have not got the latest: a change reaches all of them, or died on its way."""
    carry_offers(MOST_IN_A_REQUEST)


SCHEDULE = (
    Periodic("claim due accounts", 0.5, ring_for_due_accounts),
    Periodic("deliver what is stored", 2, ring_for_stored_arrivals),
    Periodic("act on what is pending", 2, ring_for_pending_messages),
    Periodic("send what is due", 2, ring_for_due_mail),
    Periodic("call webhooks", 2, ring_for_due_webhooks),
    Periodic("tell of those back from snooze", 2, tell_of_those_back),
    Periodic("say that it lives", 10, say_alive),
    Periodic("tell of troubles", 10, tell_of_troubles),
    Periodic("report how global mailboxes are", 10, report_global_accounts),
    Periodic("send notices", 2, ring_for_due_notices),
    Periodic("write digests", 10, ring_for_due_digests),
    Periodic("go on within the budget", 10, go_on_within_budget),
    Periodic("mirror what was read", 10, hurry_for_reads),
    Periodic("follow the system's mailboxes", 30, catch_up),
    Periodic("delete mailboxes", 30, ring_for_mailboxes_to_delete),
    Periodic("delete organizations", 30, ring_for_organizations_to_delete),
    Periodic("carry what the system offers", 5, carry_what_the_system_offers),
    Periodic("sum hours that are over", 600, sum_hours),
    Periodic("forget old sign-ins", 3600, forget_attempts),
    Periodic("forget unused connections", 3600, oauth.forget_unused),
    Periodic("forget old notices", 3600, forget_old_notices),
    Periodic("forget old calls of webhooks", 3600, forget_old_calls),
    Periodic("forget who wrote what was routed", 3600, forget_routing_facts),
    Periodic("forget old health", 3600, forget_old_health),
    Periodic("remove old conversations", 3600, remove_old_conversations),
)


# --- private ---------------------------------------------------------------------------------

_rhythms = Rhythms()
_WAITING = """
WITH RECURSIVE waiting AS (  -- one of each account, by one step of an index, however much it has
  (SELECT account_id, arrived_at FROM arrivals WHERE state = 'stored'
   ORDER BY account_id, share, is_history, id LIMIT 1)
  UNION ALL
  SELECT next.* FROM waiting, LATERAL (
    SELECT account_id, arrived_at FROM arrivals
    WHERE state = 'stored' AND account_id > waiting.account_id
    ORDER BY account_id, share, is_history, id LIMIT 1) next)
SELECT account_id FROM waiting WHERE arrived_at < now() - make_interval(secs => :seconds)
UNION
SELECT account_id FROM routings WHERE leaving_at < now() - make_interval(secs => :seconds)
"""


def _once(bell: str, id: UUID, ring: Callable[[UUID], None]) -> None:
    """Ring, unless that was done a moment ago; an emptied Redis only forgets that it was."""
    if queues.redis().set(f"rung:{id}:{bell}", 1, nx=True, ex=RUNG_SECONDS):
        ring(id)


def _tell_pages(organization_id: UUID, mailbox_id: UUID, id: UUID) -> None:
    queues.tell_pages(organization_id, mailbox_id, "conversation")


def _organizations() -> list[UUID]:
    return list(db.session.scalars(select(Organization.id).where(Organization.is_enabled)))


def _run_quietly(entry: Periodic) -> None:
    try:
        entry.run()
    except RedisError as error:
        log.warning("redis cannot be reached", entry=entry.name, error=type(error).__name__)
    except Exception:  # one entry must not stop the others
        log.exception("an entry of the schedule failed", entry=entry.name)
    finally:
        db.session.remove()


@contextmanager
def _lead() -> Iterator[bool]:
    """Whether this schedule leads for this turn; the lock ends with its transaction, poolers included."""
    with db.engines["system"].connect() as connection, connection.begin():
        yield bool(connection.scalar(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": LEADER}))


def until_asked_to_end() -> threading.Event:
    """An event that is set when the process gets SIGTERM or SIGINT."""
    is_over = threading.Event()

    def end(signal_number: int, frame: FrameType | None) -> None:
        is_over.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    return is_over
