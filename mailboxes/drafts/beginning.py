"""A draft begins: a reply, a forward, or a message that begins a conversation, with what stands in it."""

from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select

from mailboxes.access import demand_reply, readable_message
from mailboxes.drafts.room import demand_room_for_a_draft
from mailboxes.drafts.sending import written_count
from mailboxes.drafts.table import Draft, forget_sent, own_drafts
from mailboxes.drafts.writing import attach
from mailboxes.messages import Attachment, Message
from mailboxes.parsing import attachment_contents
from mailboxes.raws import raw_content
from mailboxes.replies import (
    Person,
    forwarded,
    quotation,
    recipients_of_reply,
    subject_of_forward,
    subject_of_reply,
)
from mailboxes.system_mailboxes import Mailbox, hold_mailboxes
from tenants.configuration.layers import value_of
from tenants.database import db
from tenants.errors import InvalidError, NotFoundError
from tenants.organizations import Membership


def begin_answer(member: Membership, message_id: UUID, kind: str) -> Draft:
    """A reply, reply to all or forward of a message; the one that was begun before, if there is one."""
    message = readable_message(member, message_id)
    demand_reply(member, message.mailbox_id)
    if kind not in ("reply", "reply_all", "forward"):
        raise NotFoundError
    _hold(message)
    forget_sent(member, Draft.answers_id == message.id, Draft.kind == kind)
    begun = db.session.scalar(own_drafts(member).where(Draft.answers_id == message.id, Draft.kind == kind))
    if begun is not None:
        return begun
    demand_room_for_a_draft(member)
    draft = Draft(
        membership_id=member.id,
        mailbox_id=message.mailbox_id,
        thread_id=message.thread_id,
        answers_id=message.id,
        kind=kind,
        seen_count=written_count(message.thread_id),
        **_beginning(member, message, kind),
    )
    db.session.add(draft)
    db.session.flush()
    if kind == "forward":
        _take_along_attachments(draft, message)
    return draft


def begin_message(member: Membership, mailbox_id: UUID) -> Draft:
    """A message that begins a conversation, from a mailbox."""
    demand_reply(member, mailbox_id)
    demand_room_for_a_draft(member)
    draft = Draft(
        membership_id=member.id, mailbox_id=mailbox_id, kind="new", body=_signature(member, mailbox_id)
    )
    db.session.add(draft)
    db.session.flush()
    return draft


def signature_of(member: Membership, mailbox_id: UUID) -> str:
    """The mailbox's signature, else the person's own, set apart as mail programs know it."""
    of_mailbox = db.session.scalar(select(Mailbox.signature).where(Mailbox.id == mailbox_id))
    words = of_mailbox if of_mailbox is not None else value_of("mail.signature", user=member.user)
    return f"\n\n-- \n{words.strip()}\n" if words and words.strip() else ""


def _beginning(member: Membership, message: Message, kind: str) -> dict[str, Any]:
    signature = _signature(member, message.mailbox_id)
    sender = str(Person(message.sender_name, message.sender_address))
    at = message.shown_at.astimezone(ZoneInfo(str(value_of("general.time_zone", user=member.user))))
    if kind == "forward":
        to = ", ".join(one["address"] for one in message.addresses.get("to", ()))
        body = forwarded(sender, at, message.subject, to, message.text, message.language)
        return {"subject": subject_of_forward(message.subject), "body": f"{signature}\n\n{body}"}
    mailbox = db.session.scalars(select(Mailbox).where(Mailbox.id == message.mailbox_id)).one()
    recipients = recipients_of_reply(
        message.addresses,
        (mailbox.address, *mailbox.aliases),
        to_all=kind == "reply_all",
        is_ours=message.direction == "out",
    )
    quoted = quotation(sender, at, message.reply_text or message.text, message.language)
    return {
        "to": ", ".join(map(str, recipients.to)),
        "cc": ", ".join(map(str, recipients.cc)),
        "subject": subject_of_reply(message.subject),
        "body": f"{signature}\n\n{quoted}",
    }


def _hold(message: Message) -> None:
    """Pressed twice at once, or in two tabs: the second finds the draft that the first has begun.

    Who waited may find the message in another conversation: somebody split or joined.
    """
    hold_mailboxes(Mailbox.id == message.mailbox_id)
    db.session.refresh(message, ["thread_id"])


def _signature(member: Membership, mailbox_id: UUID) -> str:
    is_appended = value_of("mail.append_signature", user=member.user) == "auto"
    return signature_of(member, mailbox_id) if is_appended else ""


def _take_along_attachments(draft: Draft, message: Message) -> None:
    """What hangs on a forwarded message goes with it, as far as it may be uploaded at all."""
    attachments = list(
        db.session.scalars(
            select(Attachment)
            .where(Attachment.message_id == message.id, Attachment.is_inline.is_(False))
            .order_by(Attachment.position)
        )
    )
    if not attachments or message.raw_id is None:
        return
    contents = attachment_contents(raw_content(message.raw_id), [one.position for one in attachments])
    for one, content in zip(attachments, contents, strict=True):
        try:
            attach(draft, one.filename, one.content_type, content)
        except InvalidError as error:
            draft.body = f"{draft.body}\n[{error.message}]\n"
