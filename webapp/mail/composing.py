"""What the composer shows: a draft, its form and files, and what to be careful about."""

from typing import Any
from uuid import UUID

from flask import g, url_for
from sqlalchemy import select

from mailboxes.access import mailboxes_to_write_from
from mailboxes.conversion import links_of
from mailboxes.drafts import MEGABYTE, UNDO, Draft, files_of, news_since, own_draft
from mailboxes.inbox.conversation import Conversation
from mailboxes.messages import Message
from mailboxes.outgoing import Outgoing
from mailboxes.system_mailboxes import Mailbox
from mailboxes.templates import templates
from tenants.configuration.layers import value_of
from tenants.database import db, now
from webapp.choosing import searched
from webapp.mail.forms import DraftForm, form_of
from webapp.records import uuid_or_none

MOST_SENDERS = 50  # in the list; others are found by typing

_TITLES = {"reply": "Reply", "reply_all": "Reply to all", "forward": "Forward", "new": "New message"}
_LOOKS = {"reply": "reply", "reply_all": "reply", "forward": "forward", "new": "new"}


def composer_of(conversation: Conversation, draft_id: str = "") -> dict[str, Any] | None:
    """The composer below a conversation: of the draft that is named, else of the last one begun there."""
    if not conversation.may_reply or not conversation.drafts:
        return None
    named = [draft for draft in conversation.drafts if str(draft.id) == draft_id]
    return shown_draft(named[0] if named else conversation.drafts[0])


def shown_draft(draft: Draft, form: DraftForm | None = None) -> dict[str, Any]:
    """A draft in its composer; ``form`` is one that was refused, with its errors."""
    mailbox = db.session.scalars(select(Mailbox).where(Mailbox.id == draft.mailbox_id)).one()
    form = form or form_of(draft)
    files = [
        {"id": row.id, "name": row.filename, "size": row.size} for row in db.session.execute(files_of(draft))
    ]
    limit = int(value_of("mail.max_upload_mb"))
    return {
        "draft": draft,
        "form": form,
        "files": files,
        "title": _TITLES[draft.kind],
        "look": _LOOKS[draft.kind],
        "sender": mailbox.address,
        "senders": sender_options(searched("mailbox"), form.mailbox.data) if draft.kind == "new" else [],
        "most_senders": MOST_SENDERS,
        "warning": _reply_to_warning(draft),
        "news": news_since(draft),
        "limit": limit,
        "limit_bytes": limit * MEGABYTE,
        "autocomplete_from": int(value_of("mail.autocomplete_characters")),
        "may_append_signature": value_of("mail.append_signature", user=g.user) == "manual",
        "templates": list(db.session.scalars(templates("message", *_records_of(draft)))),
    }


def _records_of(draft: Draft) -> list[str]:
    """The kinds of records behind a conversation that the member may see: there are templates for these."""
    records = links_of(draft.thread_id) if draft.thread_id is not None else []
    return [record.kind for record in records if f"{record.kind}.view" in g.permissions]


def sender_options(words: str, chosen: str) -> list[tuple[str, str]]:
    """(id, label and address) of the first mailboxes that the member may send from and that have some words.

    And of the one that is chosen, whatever was searched for.
    """
    found = list(db.session.scalars(mailboxes_to_write_from(g.member, words).limit(MOST_SENDERS)))
    chosen_id = uuid_or_none(chosen)
    if chosen_id is not None and chosen_id not in {one.id for one in found}:
        found += db.session.scalars(mailboxes_to_write_from(g.member).where(Mailbox.id == chosen_id))
    return [(str(one.id), f"{one.label} · {one.address}") for one in found]


def undo_of(outgoing_id: str) -> dict[str, Any] | None:
    """The bar that takes a sending back, while it is possible."""
    try:
        id = UUID(outgoing_id)
    except ValueError:
        return None
    queued = db.session.scalar(
        select(Outgoing).where(
            Outgoing.id == id, Outgoing.created_by_id == g.member.id, Outgoing.state == "ready"
        )
    )
    if queued is None:
        return None
    left = (queued.created_at + UNDO - now()).total_seconds()
    return {"url": url_for("mail.take_back", outgoing_id=id), "seconds": int(left)} if left > 1 else None


def draft_of_member(id: UUID) -> Draft:
    """The member's own draft; `NotFoundError` for every other."""
    return own_draft(g.member, id)


def _reply_to_warning(draft: Draft) -> str:
    """Where an answer would go to another domain than it came from: that is how people are tricked."""
    if draft.kind not in ("reply", "reply_all") or draft.answers_id is None:
        return ""
    message = db.session.scalar(select(Message).where(Message.id == draft.answers_id))
    if message is None or not message.facts.get("has_foreign_reply_to"):
        return ""
    asked = ", ".join(one["address"] for one in message.addresses.get("reply_to", ()))
    return (
        f"The sender asks for answers at {asked}, which is another domain than the message came from "
        f"({message.sender_address}). Answer only if you expected that."
    )
