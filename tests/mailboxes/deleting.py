"""What the job does of mailboxes that are to go."""

from mailboxes.setup.deleting import go_on_deleting, mailboxes_to_delete
from tenants.database import inside


def finish_deleting() -> None:
    """Delete them to their end, in every organization."""
    for organization_id, mailbox_id in mailboxes_to_delete():
        with inside(organization_id):
            while not go_on_deleting(mailbox_id):
                pass
