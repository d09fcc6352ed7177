"""Messages that have come in are converted and answered."""

from mailboxes.acting import act_on_pending, has_pending
from tenants.database import current_organization_id
from workers import queues
from workers.runtime import job_in_organization
from workers.turns import in_its_turn

MESSAGES_A_TURN = 200
SECONDS_A_TURN = 20.0  # of clock: each sender's domain is looked up, which may take two


@job_in_organization
@in_its_turn(queues.ACTION)
def act_on_messages() -> None:
    """Act on what is pending in an organization; then the outbox and the open pages hear of it.

    What is more than a turn waits behind other organizations.
    """
    organization_id = current_organization_id()
    acted = act_on_pending(MESSAGES_A_TURN, SECONDS_A_TURN)
    if has_pending():
        queues.ring_action(organization_id)
    if any(one.is_answered for one in acted):
        queues.ring_outgoing(organization_id)
    for mailbox_id in dict.fromkeys(one.mailbox_id for one in acted):
        queues.tell_pages(organization_id, mailbox_id, "conversation")
