"""Jobs of the intake queue: what has arrived becomes messages."""

from dataclasses import dataclass
from uuid import UUID

from mailboxes.intake import Delivered, deliver
from mailboxes.reading import read_message
from mailboxes.routing.moving import finish_moves
from mailboxes.sync.foreground import bind_to_owner, owner_of
from tenants.errors import NotFoundError
from workers.queues import (
    INTAKE,
    begun,
    is_new_mail_waiting,
    put_off,
    ring_action,
    ring_for_put_off,
    ring_intake_in_turn,
    ring_webhooks,
    tell_pages,
)
from workers.runtime import job

BATCHES_A_TURN = 2  # a second or two; one where new mail waits


@job
def deliver_arrivals(account_id: str) -> None:
    """Deliver what waits for an account, a turn of it; after each commit, whoever goes on is rung.

    First, messages that are to move to another organization leave theirs, and wait with the others. What is
    left waits behind the accounts of others.
    """
    account = UUID(account_id)
    begun(INTAKE, account)
    try:
        bind_to_owner(owner_of(account))
    except NotFoundError:
        return  # deleted since the bell was rung
    finish_moves(account)
    turn = _Turn()
    deliver(account, ring_on, is_turn_over=turn.ends_after, bells=_Bells(account))
    if turn.is_over:
        ring_intake_in_turn(account)


def ring_on(batch: Delivered) -> None:
    """A batch is committed: its organization acts on it, and open pages look again."""
    if batch.organization_id is None or batch.mailbox_id is None:
        return
    if batch.has_work:
        ring_action(batch.organization_id)
    if batch.is_told:
        ring_webhooks(batch.organization_id)
    if batch.new_count or batch.seen_again_count:
        tell_pages(batch.organization_id, batch.mailbox_id, "messages")


def warm_up() -> None:
    """Load what reading most messages needs, before the first one comes."""
    read_message(b"From: a@example.test\r\n\r\nLieferung Stuttgart morgen verschoben\r\n", "")


@dataclass(slots=True)
class _Turn:
    """So long a job delivers, before it lets others go first."""

    is_over: bool = False

    def ends_after(self, batches: int) -> bool:
        self.is_over = batches >= BATCHES_A_TURN or is_new_mail_waiting()
        return self.is_over


@dataclass(frozen=True, slots=True)
class _Bells:
    """No job waits for another one of its account: the mail of others would wait with it."""

    account_id: UUID

    def put_off(self, share: int) -> None:
        put_off(INTAKE, self.account_id, share)

    def ring(self, share: int) -> None:
        ring_for_put_off(INTAKE, self.account_id, share)
