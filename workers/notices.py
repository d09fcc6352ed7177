"""Mail of the system itself leaves."""

from uuid import UUID

from mailboxes.inbox.digests import write_due_digests
from mailboxes.notices import outbox_of, send_due_notices
from mailboxes.people_letters import answer_requests
from tenants.database import INSTALLATION
from workers import queues
from workers.runtime import job


@job
def send_notices(owner_id: str) -> None:
    """Send what is due of an organization, where digests are written, or of the installation, where people
    ask for passwords."""
    owner = UUID(owner_id)
    queues.begun(queues.NOTICES, owner)
    if owner == INSTALLATION:
        with outbox_of(owner):
            answer_requests()
    else:
        write_due_digests(owner)
    send_due_notices(owner)
