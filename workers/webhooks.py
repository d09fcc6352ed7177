"""Webhooks are called."""

from mailboxes.webhooks.calling import call_due, has_due_calls
from tenants.database import current_organization_id
from workers import queues
from workers.runtime import job_in_organization
from workers.turns import in_its_turn


@job_in_organization
@in_its_turn(queues.WEBHOOKS)
def call_webhooks() -> None:
    """Call what is due in an organization, a turn of it; what is left waits behind other organizations."""
    call_due()
    if has_due_calls():
        queues.ring_webhooks(current_organization_id())
