"""The body of a call: ids, kinds and addresses; what people wrote only where the webhook says so.

It is read when the call is made: what has been deleted meanwhile is not told any more, and nothing that
people wrote is stored a second time.
"""

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

from flask import current_app
from sqlalchemy import select

from mailboxes.crm.cases import Case, CaseComment
from mailboxes.crm.leads import Lead
from mailboxes.messages import Message
from mailboxes.system_mailboxes import Mailbox
from mailboxes.threads import Thread
from mailboxes.webhooks.table import Webhook, WebhookCall
from tenants.application import settings_of
from tenants.database import db
from tenants.organizations import Organization

MOST_TEXT = 20_000  # characters
Described = dict[str, Any]


def body_of(call: WebhookCall, webhook: Webhook) -> bytes:
    """What the receiver gets, as JSON."""
    organization = db.session.get_one(Organization, call.organization_id)
    body = {
        "id": str(call.id),
        "type": call.kind,
        "occurred_at": call.occurred_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "sequence": call.sequence,
        "organization": {"id": str(organization.id), "slug": organization.slug},
        "data": _data_of(call, has_text=webhook.has_text),
    }
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def _data_of(call: WebhookCall, *, has_text: bool) -> Described:
    data: Described = {"mailbox": _mailbox(call.mailbox_id)} if call.mailbox_id is not None else {}
    for name, value in call.details.items():
        describe = _THINGS.get(name)
        data[name] = value if describe is None else describe(UUID(value), has_text)
    return data


def _mailbox(id: UUID) -> Described:
    address = db.session.scalar(select(Mailbox.address).where(Mailbox.id == id))
    return {"id": str(id), "address": address}


def _conversation(id: UUID, has_text: bool) -> Described:
    thread = db.session.scalar(select(Thread).where(Thread.id == id)) if has_text else None
    words = {"subject": thread.subject} if thread is not None else {}
    return {"id": str(id), "url": _url(f"mail/conversations/{id}"), **words}


def _message(id: UUID, has_text: bool) -> Described:
    message = db.session.scalar(select(Message).where(Message.id == id)) if has_text else None
    if message is None:
        return {"id": str(id)}
    return {
        "id": str(id),
        "sender": {"name": message.sender_name, "address": message.sender_address},
        "subject": message.subject,
        "text": message.text[:MOST_TEXT],
        "is_text_cut": len(message.text) > MOST_TEXT,
    }


def _lead(id: UUID, has_text: bool) -> Described:
    lead = db.session.scalar(select(Lead).where(Lead.id == id)) if has_text else None
    return {
        "id": str(id),
        "url": _url(f"leads/{id}"),
        **({"name": lead.name} if lead is not None else {}),
    }


def _case(id: UUID, has_text: bool) -> Described:
    case = db.session.scalar(select(Case).where(Case.id == id)) if has_text else None
    return {
        "id": str(id),
        "url": _url(f"cases/{id}"),
        **({"subject": case.subject} if case is not None else {}),
    }


def _comment(id: UUID, has_text: bool) -> Described:
    query = select(CaseComment).where(CaseComment.id == id)
    comment = db.session.scalar(query) if has_text else None
    if comment is None:
        return {"id": str(id)}
    return {"id": str(id), "author": comment.author_name, "text": comment.text[:MOST_TEXT]}


def _url(path: str) -> str:
    return f"{settings_of(current_app).base_url}/{path}"


_THINGS: dict[str, Callable[[UUID, bool], Described]] = {
    "conversation": _conversation,
    "message": _message,
    "lead": _lead,
    "case": _case,
    "comment": _comment,
}
