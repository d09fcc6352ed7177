"""Mail of the system itself leaves."""

from uuid import UUID

from mailboxes.notices import send_due_notices
from workers import queues
from workers.runtime import job


@job
def send_notices(owner_id: str) -> None:
    """Send what is due of an organization, or of the installation."""
    owner = UUID(owner_id)
    queues.begun(queues.NOTICES, owner)
    send_due_notices(owner)
