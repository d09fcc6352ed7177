"""A webhook that does not work any more is told of once, and told of again when it does."""

from flask import current_app
from sqlalchemy import select

from mailboxes.notices import queue_notice
from mailboxes.notices.queueing import cut_line
from mailboxes.webhooks.table import GONE, Webhook, WebhookCall
from tenants.application import settings_of
from tenants.database import db, now
from tenants.errors import InvalidError
from tenants.organizations import Organization
from tenants.permissions import members_who_may

MAY = "organization.configure"

_PAUSED = """\
Hello,

The webhook {name} of {organization} was paused: {why}
{last}
Nothing is told to it any more, and what happens meanwhile is not kept for it. When its receiver works again,
send a test and resume it here; what failed can be sent again:

{url}
"""
_WORKS = """\
Hello,

The webhook {name} of {organization} works again: its receiver has taken a call.

{url}
"""


def tell_of_pause(webhook: Webhook, call: WebhookCall) -> None:
    """Queue the notices of a webhook that was paused by itself. The caller commits."""
    webhook.told_at = now()
    is_gone = webhook.paused_because == GONE
    why = "its receiver answered that it is gone (410)." if is_gone else "it has failed for a day."
    last = f"The last answer was {call.status}." if call.status is not None else call.error
    subject = f"The webhook {cut_line(webhook.name)} was paused"
    _queue(webhook, "webhook.paused", subject, _PAUSED, why=why, last=f"{last}\n" if last else "")


def tell_of_recovery(webhook: Webhook) -> None:
    """Queue the notices of one that was told of and works. The caller commits."""
    _queue(webhook, "webhook.ok", f"The webhook {cut_line(webhook.name)} works again", _WORKS)
    webhook.told_at = None


def _queue(webhook: Webhook, kind: str, subject: str, words: str, **more: str) -> None:
    name = db.session.scalars(
        select(Organization.name).where(Organization.id == webhook.organization_id)
    ).one()
    url = f"{settings_of(current_app).base_url}/configuration/webhooks/{webhook.id}/calls"
    body = words.format(name=cut_line(webhook.name), organization=name, url=url, **more)
    for member in db.session.scalars(members_who_may(MAY)):
        once = f"{kind} {webhook.id} {webhook.told_at:%Y%m%dT%H%M%S%f} {member.user.address}"
        try:
            queue_notice(kind, member.user.address, subject, body, about_id=webhook.id, once=once)
        except InvalidError:
            continue  # no letter reaches this address; the others are told
