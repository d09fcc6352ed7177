"""Organizations that are to go are deleted, a turn at a time."""

from uuid import UUID

from mailboxes.organization_deletion import go_on_deleting
from workers.queues import ring_deletion
from workers.runtime import job


@job
def delete_organization(organization_id: str) -> None:
    """Delete a turn of it; what is left waits behind other jobs."""
    if not go_on_deleting(UUID(organization_id)):
        ring_deletion(UUID(organization_id))
