"""What is to go is deleted, a turn at a time; what is left waits behind other jobs."""

from uuid import UUID

from mailboxes import organization_deletion
from mailboxes.global_mailboxes import deleting as global_deleting
from mailboxes.setup import deleting
from tenants.database import inside
from workers import queues
from workers.runtime import job


@job
def delete_organization(organization_id: str) -> None:
    """Delete a turn of an organization."""
    if not organization_deletion.go_on_deleting(UUID(organization_id)):
        queues.ring_deletion(UUID(organization_id))


@job
def delete_mailbox(organization_id: str, mailbox_id: str) -> None:
    """Delete a turn of a mailbox; also where its organization is disabled."""
    with inside(UUID(organization_id)):
        is_gone = deleting.go_on_deleting(UUID(mailbox_id))
    if not is_gone:
        queues.ring_deletion_of_mailbox(UUID(organization_id), UUID(mailbox_id))


@job
def delete_global_mailbox(global_mailbox_id: str) -> None:
    """Delete a turn of a global mailbox, in some organizations."""
    if not global_deleting.go_on_deleting(UUID(global_mailbox_id)):
        queues.ring_deletion_of_global(UUID(global_mailbox_id))
