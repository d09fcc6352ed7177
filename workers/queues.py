"""Every queue and every way onto it.

A job carries ids and nothing else, as JSON. It may run twice, late or never: whatever it is about is
stored, and `workers.schedule` rings again for what is still pending.
"""

import json
from collections.abc import Callable
from functools import lru_cache
from typing import Any
from uuid import UUID, uuid4

import structlog
from flask import current_app
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, Worker
from rq.serializers import JSONSerializer

from tenants.database import INSTALLATION

SYNC = "sync"  # passes over accounts
INTAKE = "intake"  # arrivals become messages
ACTION = "action"  # messages become records and get responses
OUTGOING = "outgoing"  # the outbox is sent
NOTICES = "notices"  # mail of the system itself is sent
WEBHOOKS = "webhooks"  # programs of organizations are told of what happened
DELETION = "deletion"  # jobs of the action queue that delete what is to go
QUEUES = (SYNC, INTAKE, ACTION, OUTGOING, NOTICES, WEBHOOKS)
JOB_SECONDS = 600
PASS_SECONDS = 1200  # no portion is begun after eight minutes, but what hangs takes some more
SENDING_SECONDS = 1800  # a server may take ten minutes for the message, and ten for its answer
SECONDS = {
    SYNC: PASS_SECONDS,
    INTAKE: JOB_SECONDS,
    ACTION: JOB_SECONDS,
    OUTGOING: SENDING_SECONDS,
    NOTICES: SENDING_SECONDS,
    WEBHOOKS: JOB_SECONDS,
}
FIRST = "first-"  # begins the ids of jobs that go before others
CHANGES = "changes"  # prefix of the channels that tell open pages to look again
STATE = "state"  # a kind of change: how a mailbox is, for whoever manages mailboxes

ALIVE = "alive"  # prefix of the keys by which processes say that they live
ALIVE_SECONDS = 45
WAITING_SECONDS = 10  # so long a waiting job is counted on; it may have been lost
DELETION_SECONDS = 86400  # so long a mark is kept of one that deletes

log = structlog.get_logger()


def ring_sync(account_id: UUID, fence: int, *, is_news: bool = False) -> None:
    """Ask for one pass over an account. The lease, not the queue, keeps a second one away.

    ``is_news``: its server tells of new mail, which comes before passes in their rhythm.
    """
    job_id = f"sync-{account_id}-{fence}"
    args = str(account_id), fence, is_news
    _ring(SYNC, "workers.sync.sync_account", *args, job_id=job_id, is_first=is_news)


def ring_intake(account_id: UUID) -> None:
    """Ask that the stored arrivals of an account be delivered, before those that are many."""
    _ring_once(INTAKE, "workers.intake.deliver_arrivals", account_id, is_first=True)


def ring_intake_in_turn(account_id: UUID) -> None:
    """Ask the same where much is to be delivered, or more than a turn: it waits behind what others have."""
    _ring_once(INTAKE, "workers.intake.deliver_arrivals", account_id)


def ring_intake_again(account_id: UUID, shares: int) -> None:
    """Ask so when more has arrived, unless every share of it is put off already.

    Whoever has a share then looks for more before he ends, and rings afterwards. The mark of one who has died
    says nothing: the sweep rings all the same.
    """

    def bell() -> None:
        marks = [_put_off(INTAKE, account_id, share) for share in range(shares)]
        if redis().exists(*marks) < shares:
            ring_intake_in_turn(account_id)

    _quietly(bell)


def ring_action(organization_id: UUID) -> None:
    """Ask that pending messages of an organization be converted and answered."""
    _ring_once(ACTION, "workers.action.act_on_messages", organization_id)


def ring_outgoing(organization_id: UUID) -> None:
    """Ask that the outbox of an organization be sent."""
    _ring_once(OUTGOING, "workers.outgoing.send_outbox", organization_id)


def ring_notices(owner_id: UUID = INSTALLATION) -> None:
    """Ask that the notices of an organization, or of the installation, be sent."""
    _ring_once(NOTICES, "workers.notices.send_notices", owner_id)


def ring_webhooks(organization_id: UUID) -> None:
    """Ask that the webhooks of an organization be called."""
    _ring_once(WEBHOOKS, "workers.webhooks.call_webhooks", organization_id)


def ring_deletion(organization_id: UUID) -> None:
    """Ask that more of an organization that is to go be deleted."""
    _ring_deletion("workers.deletion.delete_organization", organization_id)


def ring_deletion_of_mailbox(organization_id: UUID, mailbox_id: UUID) -> None:
    """Ask that more of a mailbox that is to go be deleted."""
    _ring_deletion("workers.deletion.delete_mailbox", mailbox_id, organization_id)


def ring_deletion_of_global(global_mailbox_id: UUID) -> None:
    """Ask that more of a global mailbox that is to go be deleted."""
    _ring_deletion("workers.deletion.delete_global_mailbox", global_mailbox_id)


def is_new_mail_waiting() -> bool:
    """Whether new mail of an account is to be delivered that nobody delivers yet."""
    try:
        first = queue(INTAKE).get_job_ids(0, 1)
    except RedisError:
        return False
    return bool(first) and first[0].startswith(FIRST)


def begun(name: str, id: UUID) -> None:
    """A job about this begins, and looks after this call: what is stored from now on needs another bell."""
    _quietly(lambda: redis().delete(_waiting(name, id), _waiting(name, id, is_first=True)))


def put_off(name: str, id: UUID, share: int = 0) -> None:
    """A job about this, or a share of it, had no place: whoever has one rings again when it ends."""
    _quietly(lambda: redis().set(_put_off(name, id, share), 1, ex=SENDING_SECONDS))


def ring_for_put_off(name: str, id: UUID, share: int = 0) -> None:
    """A place is free again: ring for what has been put off meanwhile."""

    def bell() -> None:
        if redis().delete(_put_off(name, id, share)):
            _BELLS[name](id)

    _quietly(bell)


def tell_pages(organization_id: UUID, mailbox_id: UUID, kind: str) -> None:
    """Tell open pages of an organization that something changed; nothing readable is in it."""
    text = json.dumps({"mailbox": str(mailbox_id), "kind": kind})
    _quietly(lambda: redis().publish(channel_of(organization_id), text))


def channel_of(organization_id: UUID) -> str:
    """The channel on which an organization's pages listen."""
    return f"{CHANGES}:{organization_id}"


def say_alive(name: str, count: int = 1) -> None:
    """A process of this name lives now; it says so every few seconds. ``count``: what it holds, a watcher's
    connections."""
    _quietly(lambda: redis().set(f"{ALIVE}:{name}", count, ex=ALIVE_SECONDS))


def watched_count() -> int:
    """How many connections the watchers hold that live. `RedisError` where it cannot be asked."""
    keys = list(redis().scan_iter(f"{ALIVE}:watch *"))
    return sum(int(count or 0) for count in redis().mget(keys)) if keys else 0


def living(names: str = "*") -> list[str]:
    """Processes that have said a moment ago that they live. `RedisError` where it cannot be asked."""
    return sorted(key.decode().removeprefix(f"{ALIVE}:") for key in redis().scan_iter(f"{ALIVE}:{names}"))


def pace() -> dict[str, tuple[int, int]]:
    """For each queue, how many jobs wait and how many workers live. `RedisError` where it cannot be asked."""
    return {name: (queue(name).count, len(Worker.all(queue=queue(name)))) for name in QUEUES}


def worker_count(name: str) -> int:
    """How many processes work off this queue, those that died a moment ago included."""
    return Worker.count(queue=queue(name))


def redis() -> Redis:
    """The Redis server of this process."""
    return _redis_at(current_app.config["POSTROOM"].redis_url)


def queue(name: str) -> Queue:
    """A queue, read and written as JSON."""
    return Queue(name, connection=redis(), serializer=JSONSerializer)


def _ring(name: str, function: str, *args: Any, job_id: str | None = None, is_first: bool = False) -> None:
    _quietly(
        lambda: queue(name).enqueue(
            function,
            args=args,
            job_id=job_id,
            job_timeout=SECONDS[name],
            result_ttl=0,
            failure_ttl=3600,
            at_front=is_first,
        )
    )


def _ring_once(name: str, function: str, id: UUID, *, is_first: bool = False) -> None:
    """Ring unless a job about the same thing waits at this end: a flood takes one place."""

    def bell() -> None:
        if redis().set(_waiting(name, id, is_first=is_first), 1, nx=True, ex=WAITING_SECONDS):
            job_id = f"{FIRST}{uuid4()}" if is_first else None
            _ring(name, function, str(id), job_id=job_id, is_first=is_first)

    _quietly(bell)


def _ring_deletion(function: str, id: UUID, *owner: UUID) -> None:
    """Ring unless such a job waits, be it for minutes: else each sweep would add another one.

    The mark names the job, which may be lost: what counts is whether it is in the queue.
    """

    def bell() -> None:
        mark = _waiting(DELETION, id)
        job_id = redis().get(mark)
        if not isinstance(job_id, bytes) or queue(ACTION).get_job_position(job_id.decode()) is None:
            redis().set(mark, new_id := f"deletion-{uuid4()}", ex=DELETION_SECONDS)
            _ring(ACTION, function, *map(str, (*owner, id)), job_id=new_id)

    _quietly(bell)


_BELLS: dict[str, Callable[[UUID], None]] = {
    INTAKE: ring_intake_in_turn,
    ACTION: ring_action,
    OUTGOING: ring_outgoing,
    WEBHOOKS: ring_webhooks,
}


def _waiting(name: str, id: UUID, *, is_first: bool = False) -> str:
    return f"waiting:{name}:{id}:first" if is_first else f"waiting:{name}:{id}"


def _put_off(name: str, id: UUID, share: int) -> str:
    return f"put off:{name}:{id}:{share}"


def _quietly(bell: Callable[[], Any]) -> None:
    """A bell that cannot be rung is no error: the sweep finds what was missed."""
    try:
        bell()
    except RedisError as error:
        log.warning("bell not rung", error=type(error).__name__)


@lru_cache(maxsize=4)
def _redis_at(url: str) -> Redis:
    return Redis.from_url(url, socket_timeout=5, socket_connect_timeout=2)
