"""What is forgotten in time: calls that came to an end long ago."""

from datetime import timedelta

from sqlalchemy import delete, select

from mailboxes.webhooks.table import WAITING, Webhook, WebhookCall
from tenants.database import across_organizations, now

KEPT = timedelta(days=30)
AT_ONCE = 5_000  # rows of one transaction


def forget_old_calls() -> None:
    """Remove the log of more than a month ago, of every organization; commits in between."""
    edge = now() - KEPT
    with across_organizations("the calls of all webhooks are forgotten in time") as session:
        for row in session.execute(select(Webhook.organization_id, Webhook.id)).all():
            old = (
                select(WebhookCall.id)
                .where(
                    WebhookCall.organization_id == row.organization_id,
                    WebhookCall.webhook_id == row.id,
                    WebhookCall.occurred_at < edge,
                    WebhookCall.state != WAITING,
                )
                .limit(AT_ONCE)
            )
            while ids := session.scalars(old).all():
                session.execute(
                    delete(WebhookCall).where(
                        WebhookCall.organization_id == row.organization_id, WebhookCall.id.in_(ids)
                    )
                )
                session.commit()
