"""An answer without a draft: a program has its text whole, and nobody takes it back."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from mailboxes import outgoing
from mailboxes.access import demand_reply, readable_message
from mailboxes.drafts.room import MEGABYTE
from mailboxes.drafts.sending import ConversationMovedOnError
from mailboxes.filenames import safe_filename
from mailboxes.messages import Message
from mailboxes.outgoing import Outgoing, Reply
from mailboxes.replies import AddressProblem, Person, recipients_of_reply, subject_of_reply, typed_people
from mailboxes.system_mailboxes import Mailbox, hold_mailboxes
from mailboxes.threads import Thread
from tenants.configuration.layers import value_of
from tenants.database import db
from tenants.errors import InvalidError
from tenants.organizations import Membership

File = tuple[str, str, bytes]  # name, type, content


def answer(member: Membership, message: Message, wanted: dict[str, Any], files: Sequence[File]) -> Outgoing:
    """Queue an answer to a message: `text`; perhaps `to_all`, `to`, `cc`, `bcc`, `subject`, `message_count`.

    `InvalidError` at its field; `ConversationMovedOnError` where the conversation has more messages than the
    writer says to have seen; `ForbiddenError` where the member may read it only.
    """
    hold_mailboxes(Mailbox.id == message.mailbox_id)
    demand_reply(member, message.mailbox_id)
    answered = readable_message(member, message.id)
    db.session.refresh(answered, ["thread_id"])
    _demand_seen(answered, wanted.get("message_count"))
    _demand_room(files)
    mailbox = db.session.scalars(select(Mailbox).where(Mailbox.id == answered.mailbox_id)).one()
    reply = Reply(
        subject=wanted.get("subject", "").strip() or subject_of_reply(answered.subject),
        text=wanted["text"],
        attachments=[(safe_filename(name), kind, content) for name, kind, content in files],
        **_recipients(answered, mailbox, wanted),
    )
    return outgoing.queue_reply(mailbox, member, reply, answers=answered)


def _demand_seen(answered: Message, count: int | None) -> None:
    thread = db.session.get_one(Thread, (answered.organization_id, answered.thread_id))
    if count is not None and thread.message_count > count:
        raise ConversationMovedOnError(thread.message_count - count)


def _demand_room(files: Sequence[File]) -> None:
    most = int(value_of("mail.max_upload_mb"))
    if sum(len(content) for _, _, content in files) > most * MEGABYTE:
        raise InvalidError(f"All files of one message together may have {most} MB.", field="attachments")


def _recipients(answered: Message, mailbox: Mailbox, wanted: dict[str, Any]) -> dict[str, tuple[Person, ...]]:
    """Those who are named; else whoever a reply goes to."""
    named: dict[str, tuple[Person, ...]] = {
        name: _people(wanted[name], name) for name in ("to", "cc", "bcc") if name in wanted
    }
    usual = recipients_of_reply(
        answered.addresses,
        (mailbox.address, *mailbox.aliases),
        to_all=wanted.get("to_all", False),
        is_ours=answered.direction == "out",
    )
    people: dict[str, tuple[Person, ...]] = {"to": usual.to, "cc": usual.cc, **dict(named)}
    if not any(people.values()):
        raise InvalidError("Say who gets this message.", field="to")
    return people


def _people(typed: list[str], field: str) -> tuple[Person, ...]:
    try:
        return typed_people("\n".join(typed))
    except AddressProblem as problem:
        raise InvalidError(str(problem), field=field) from None
