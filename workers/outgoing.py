"""The outbox is sent, and copies of what was sent are filed."""

from mailboxes.outgoing import file_copies, send_due
from tenants.database import current_organization_id
from workers import queues
from workers.runtime import job_in_organization
from workers.turns import in_its_turn


@job_in_organization
@in_its_turn(queues.OUTGOING)
def send_outbox() -> None:
    """Send what is due in an organization; open pages hear what became of it."""
    concluded = send_due()
    for mailbox_id in dict.fromkeys(row.mailbox_id for row in concluded):
        queues.tell_pages(current_organization_id(), mailbox_id, "conversation")
    file_copies()
