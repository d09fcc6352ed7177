"""What is to go is deleted, a turn at a time; what is left waits behind other jobs.

One job is about the same thing at a time: another one would wait for its rows, and hold a process meanwhile.
"""

from collections.abc import Callable
from uuid import UUID

from mailboxes import organization_deletion
from mailboxes.global_mailboxes import deleting as global_deleting
from mailboxes.setup import deleting
from tenants.database import inside
from tenants.database.locks import lock_holder, try_lock
from workers import queues
from workers.runtime import job
from workers.turns import SECONDS_TO_END


@job
def delete_organization(organization_id: str) -> None:
    """Delete a turn of an organization."""
    id = UUID(organization_id)
    if _is_left(id, lambda: organization_deletion.go_on_deleting(id)):
        queues.ring_deletion(id)


@job
def delete_mailbox(organization_id: str, mailbox_id: str) -> None:
    """Delete a turn of a mailbox; also where its organization is disabled."""
    owner, id = UUID(organization_id), UUID(mailbox_id)

    def go_on() -> bool:
        with inside(owner):
            return deleting.go_on_deleting(id)

    if _is_left(id, go_on):
        queues.ring_deletion_of_mailbox(owner, id)


@job
def delete_global_mailbox(global_mailbox_id: str) -> None:
    """Delete a turn of a global mailbox, in some organizations."""
    id = UUID(global_mailbox_id)
    if _is_left(id, lambda: global_deleting.go_on_deleting(id)):
        queues.ring_deletion_of_global(id)


def _is_left(id: UUID, go_on: Callable[[], bool]) -> bool:
    """Whether something is left after a turn; not where another job has it, which rings for the rest."""
    queues.begun(queues.DELETION, id)
    with lock_holder(queues.JOB_SECONDS + SECONDS_TO_END) as connection:
        return try_lock(connection, f"deletion:{id}") and not go_on()
