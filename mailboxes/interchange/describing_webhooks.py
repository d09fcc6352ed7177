"""The webhooks of the current organization, in the words of a file."""

from mailboxes.interchange.values import Description
from mailboxes.webhooks import setup
from mailboxes.webhooks.table import Webhook
from tenants.database import db


def describe_webhooks() -> Description:
    """All of the organization, by name; one without ``mailboxes`` is told of everything."""
    return {one.name: _webhook(one) for one in db.session.scalars(setup.webhooks())}


def _webhook(webhook: Webhook) -> Description:
    values = setup.values_of(webhook)
    described: Description = {
        "name": values.name,
        "url": values.url,
        "events": sorted(values.kinds),
        "with_text": values.has_text,
        "active": webhook.is_active,
    }
    if values.mailbox_ids is not None:
        described["mailboxes"] = setup.addresses_of(values.mailbox_ids)
    return described
