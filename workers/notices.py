"""Mail of the system itself leaves."""

from uuid import UUID

from mailboxes.notices import outbox_of, send_due_notices
from mailboxes.people_letters import answer_requests
from tenants.database import INSTALLATION
from workers import queues
from workers.runtime import job


@job
def send_notices(owner_id: str) -> None:
    """Send what is due of an organization, or of the installation: there people ask for passwords."""
    owner = UUID(owner_id)
    queues.begun(queues.NOTICES, owner)
    if owner == INSTALLATION:
        with outbox_of(owner):
            answer_requests()
    send_due_notices(owner)
