"""Jobs of the sync queue: one pass over one account."""

from functools import partial
from uuid import UUID

from redis.exceptions import RedisError

from mailboxes.arrivals import SHARES
from mailboxes.sync import leases
from mailboxes.sync.claiming import is_anybody_due, keep_rhythm
from mailboxes.sync.foreground import bind_to_owner, owner_of, readers_of, worker_name
from mailboxes.sync.passes import PassReport
from mailboxes.sync.passes import sync_account as run_pass
from tenants.errors import NotFoundError
from workers.queues import STATE, SYNC, queue, ring_intake, ring_intake_again, tell_pages
from workers.runtime import job


@job
def sync_account(account_id: str, fence: int, is_news: bool = False) -> None:
    """Run a pass under the lease that was taken for it, or under a new one; intake is rung meanwhile.

    ``is_news``: new mail is to be looked for; history has its turn another time where others wait.
    """
    account = UUID(account_id)
    try:
        bind_to_owner(owner_of(account))
    except NotFoundError:
        return  # deleted since the bell was rung
    held_fence = leases.confirm(account, fence, worker_name())
    if held_fence is None:
        return
    keep_rhythm(account)
    with leases.held(account, held_fence):
        report = run_pass(
            account,
            held_fence,
            stored=partial(_ring, account),
            do_others_wait=do_others_wait,
            is_news=is_news,
        )
    _tell(account, report)


def do_others_wait() -> bool:
    """Whether a pass of another account waits for a worker, or to be claimed."""
    try:
        is_queued = queue(SYNC).count > 0
    except RedisError:
        is_queued = False
    return is_queued or is_anybody_due()


def _ring(account: UUID, is_history: bool) -> None:
    """A job for each batch of a large history would only find that others deliver it."""
    if is_history:
        ring_intake_again(account, SHARES)
    else:
        ring_intake(account)


def _tell(account: UUID, report: PassReport) -> None:
    """Open pages look again, if the pass changed what they show."""
    kinds = ["messages"] if report.changed_count or report.vanished_count else []
    kinds += [STATE] if report.is_news else []
    for organization_id, mailbox_id in readers_of(account) if kinds else ():
        for kind in kinds:
            tell_pages(organization_id, mailbox_id, kind)
