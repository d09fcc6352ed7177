"""The part of a file that is about the webhooks of one organization.

A secret is made here and leaves in no file: one that a file has made gets another secret on its page.
"""

from mailboxes.interchange.values import Description
from mailboxes.interchange.work import Work
from mailboxes.webhooks import setup
from mailboxes.webhooks.table import Webhook
from tenants.database import db
from tenants.permissions import PERMISSIONS

EVERYTHING = frozenset(PERMISSIONS)  # who sits at the terminal may do all


def keep_webhooks(current: Description, wanted: Description, work: Work) -> None:
    """New and changed ones; those that the file calls absent go first."""
    present = {one.name: one for one in db.session.scalars(setup.webhooks())}
    for name in [name for name in current if name not in wanted]:
        setup.delete_webhook(present[name], by=work.by)
    for name, one in wanted.items():
        if current.get(name) != one:
            with work.at("webhooks", name):
                _keep(present.get(name), one, work)


def _keep(webhook: Webhook | None, wanted: Description, work: Work) -> None:
    values = setup.WebhookValues(
        wanted["name"],
        wanted.get("url", ""),
        tuple(wanted.get("events", ())),
        setup.mailboxes_at(wanted["mailboxes"]) if "mailboxes" in wanted else None,
        wanted.get("with_text", False),
    )
    if webhook is None:
        webhook, _ = setup.make_webhook(values, by=work.by, may=EVERYTHING)
    else:
        setup.change_webhook(webhook, values, by=work.by, may=EVERYTHING)
    if wanted.get("active", True):
        setup.resume_webhook(webhook, by=work.by)
    else:
        setup.pause_webhook(webhook, by=work.by)
