"""Drafts of replies, kept on the server with every change, until they are sent and beyond undo."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import CheckConstraint, Select, UniqueConstraint, delete, func, or_, select
from sqlalchemy.orm import Mapped, mapped_column

from mailboxes import outgoing, templates
from mailboxes.access import demand_reply, is_readable, readable_message
from mailboxes.filenames import safe_filename
from mailboxes.messages import Attachment, Message
from mailboxes.outgoing import Outgoing
from mailboxes.parsing import attachment_contents
from mailboxes.raws import raw_content
from mailboxes.replies import (
    AddressProblem,
    Person,
    forwarded,
    quotation,
    recipients_of_reply,
    subject_of_forward,
    subject_of_reply,
    typed_people,
)
from mailboxes.system_mailboxes import Mailbox
from mailboxes.template_values import hidden_from, values_for
from mailboxes.threads import Thread
from tenants.configuration.layers import value_of
from tenants.database import Base, OrganizationScoped, db, now, scoped_key
from tenants.errors import ConflictError, InvalidError, NotFoundError
from tenants.organizations import Membership

UNDO = timedelta(seconds=10)
MEGABYTE = 1024 * 1024
LONGEST = {"to": 10_000, "cc": 10_000, "bcc": 10_000, "subject": 500, "body": 500_000}


class Draft(OrganizationScoped, Base):
    """What a member has written and not sent. Addresses are kept as typed."""

    __tablename__ = "drafts"
    __table_args__ = (
        UniqueConstraint("organization_id", "membership_id", "answers_id", "kind"),
        scoped_key("membership_id", "memberships", ondelete="CASCADE"),
        scoped_key("mailbox_id", "mailboxes", ondelete="CASCADE"),
        scoped_key("thread_id", "threads", ondelete="CASCADE"),
        scoped_key("answers_id", "messages", ondelete="CASCADE"),
        scoped_key("outgoing_id", "outgoing", ondelete="SET NULL (outgoing_id)"),
        CheckConstraint("kind IN ('reply', 'reply_all', 'forward', 'new')", name="kind"),
    )

    membership_id: Mapped[UUID]
    mailbox_id: Mapped[UUID]
    thread_id: Mapped[UUID | None] = mapped_column(default=None)
    answers_id: Mapped[UUID | None] = mapped_column(default=None)
    kind: Mapped[str] = mapped_column(default="reply")
    to: Mapped[str] = mapped_column(default="")
    cc: Mapped[str] = mapped_column(default="")
    bcc: Mapped[str] = mapped_column(default="")
    subject: Mapped[str] = mapped_column(default="")
    body: Mapped[str] = mapped_column(default="")
    seen_count: Mapped[int] = mapped_column(default=0)  # messages of the thread when it was begun
    updated_at: Mapped[datetime] = mapped_column(default=now)
    outgoing_id: Mapped[UUID | None] = mapped_column(default=None)  # sent, may still be taken back


class DraftAttachment(OrganizationScoped, Base):
    """A file that will go with a draft."""

    __tablename__ = "draft_attachments"
    __table_args__ = (scoped_key("draft_id", "drafts", ondelete="CASCADE"),)

    draft_id: Mapped[UUID]
    filename: Mapped[str]
    content_type: Mapped[str]
    content: Mapped[bytes]


class ConversationMovedOnError(ConflictError):
    """Somebody wrote while the answer was being written; ``count`` says how many messages are new."""

    def __init__(self, count: int) -> None:
        news = "A new message" if count == 1 else f"{count} new messages"
        super().__init__(
            f"{news} came into this conversation since you began. Nothing was sent: look at what is new, "
            "then send again."
        )
        self.count = count


@dataclass(frozen=True)
class _Recipients:
    to: tuple[Person, ...]
    cc: tuple[Person, ...]
    bcc: tuple[Person, ...]


def own_drafts(member: Membership) -> Select[Draft]:
    """What a member has written and not sent, in mailboxes they may still read."""
    return select(Draft).where(
        Draft.membership_id == member.id,
        Draft.outgoing_id.is_(None),
        is_readable(member, Draft.mailbox_id),
    )


def own_draft(member: Membership, id: UUID) -> Draft:
    """A draft of this member; `NotFoundError` for everybody else's."""
    draft = db.session.scalar(own_drafts(member).where(Draft.id == id))
    if draft is None:
        raise NotFoundError
    return draft


def files_of(draft: Draft) -> Select[tuple[UUID, str, str, int]]:
    """Id, name, type and size of the files of a draft, without their content."""
    return (
        select(
            DraftAttachment.id,
            DraftAttachment.filename,
            DraftAttachment.content_type,
            func.length(DraftAttachment.content).label("size"),
        )
        .where(DraftAttachment.draft_id == draft.id)
        .order_by(DraftAttachment.id)
    )


def begin_answer(member: Membership, message_id: UUID, kind: str) -> Draft:
    """A reply, reply to all or forward of a message; the one that was begun before, if there is one."""
    message = readable_message(member, message_id)
    demand_reply(member, message.mailbox_id)
    if kind not in ("reply", "reply_all", "forward"):
        raise NotFoundError
    _forget_sent(member, Draft.answers_id == message.id, Draft.kind == kind)
    begun = db.session.scalar(own_drafts(member).where(Draft.answers_id == message.id, Draft.kind == kind))
    if begun is not None:
        return begun
    draft = Draft(
        membership_id=member.id,
        mailbox_id=message.mailbox_id,
        thread_id=message.thread_id,
        answers_id=message.id,
        kind=kind,
        seen_count=_written_count(message.thread_id),
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
    draft = Draft(
        membership_id=member.id, mailbox_id=mailbox_id, kind="new", body=_signature(member, mailbox_id)
    )
    db.session.add(draft)
    db.session.flush()
    return draft


def save(draft: Draft, values: dict[str, str]) -> None:
    """Keep what was typed, as it was typed: to, cc, bcc, subject, body."""
    for name, longest in LONGEST.items():
        if name in values:
            text = values[name].replace("\0", "").replace("\r\n", "\n")
            if len(text) > longest:
                raise InvalidError(f"This is too long: at most {longest} characters.", field=name)
            setattr(draft, name, text)
    draft.updated_at = now()


def change_mailbox(member: Membership, draft: Draft, mailbox_id: UUID) -> None:
    """Send a new message from another mailbox; an answer stays with its conversation's."""
    if draft.kind != "new":
        raise ConflictError("An answer is sent from the mailbox of its conversation.")
    demand_reply(member, mailbox_id)
    draft.mailbox_id = mailbox_id


def attach(draft: Draft, filename: str, content_type: str, content: bytes) -> None:
    """Add a file; `InvalidError` at ``files`` if all together would be larger than permitted."""
    limit = int(value_of("mail.max_upload_mb")) * MEGABYTE
    sizes = select(func.sum(func.length(DraftAttachment.content))).where(DraftAttachment.draft_id == draft.id)
    total = (db.session.scalar(sizes) or 0) + len(content)
    name = safe_filename(filename)
    if total > limit:
        raise InvalidError(
            f"“{name}” was not added: with it the files would have {total / MEGABYTE:.1f} MB, and all files "
            f"of one message together may have {limit // MEGABYTE} MB. Your text is kept.",
            field="files",
        )
    kept_type = content_type if "/" in content_type else "application/octet-stream"
    db.session.add(
        DraftAttachment(draft_id=draft.id, filename=name, content_type=kept_type[:100], content=content)
    )
    draft.updated_at = now()
    db.session.flush()


def detach(draft: Draft, id: UUID) -> None:
    """Take a file away again."""
    db.session.execute(
        delete(DraftAttachment).where(DraftAttachment.draft_id == draft.id, DraftAttachment.id == id)
    )
    draft.updated_at = now()


def discard(draft: Draft) -> None:
    """Throw a draft away, with its files."""
    db.session.delete(draft)
    db.session.flush()


def news_since(draft: Draft) -> int:
    """How many messages people wrote into the conversation since the draft was begun or last shown."""
    return max(0, _written_count(draft.thread_id) - draft.seen_count) if draft.thread_id else 0


def show_news(draft: Draft) -> None:
    """The writer sees the conversation as it is now: sending stops only for what comes after."""
    if draft.thread_id:
        draft.seen_count = _written_count(draft.thread_id)


def send(member: Membership, draft: Draft) -> Outgoing:
    """Queue a draft to be sent once it can no longer be taken back.

    `InvalidError` at its field, `ConversationMovedOnError` if somebody wrote meanwhile,
    `ForbiddenError` if the member may no longer reply.
    """
    demand_reply(member, draft.mailbox_id)
    db.session.refresh(draft, with_for_update=True)
    if draft.outgoing_id is not None:  # pressed twice: the first has queued it
        return db.session.get_one(Outgoing, (draft.organization_id, draft.outgoing_id))
    recipients = _checked_recipients(draft)
    if not draft.body.strip():
        raise InvalidError("The message is empty. Write something first.", field="body")
    if draft.thread_id:
        db.session.execute(select(Thread.id).where(Thread.id == draft.thread_id).with_for_update())
    if news := news_since(draft):
        raise ConversationMovedOnError(news)
    queued = _queue(member, draft, recipients)
    draft.outgoing_id = queued.id
    _forget_sent(member, Draft.id != draft.id)
    db.session.flush()
    return queued


def take_back(member: Membership, outgoing_id: UUID) -> Draft:
    """Undo a sending that has not begun; the draft is back, whole. `ConflictError` if it is too late."""
    draft = db.session.scalar(
        select(Draft).where(Draft.membership_id == member.id, Draft.outgoing_id == outgoing_id)
    )
    if draft is None:
        raise NotFoundError
    draft.outgoing_id = None
    db.session.flush()
    outgoing.take_back(outgoing_id)
    if draft.thread_id:
        show_news(draft)
    return draft


def use_template(member: Membership, draft: Draft, template_id: UUID) -> list[str]:
    """Put a template's text, filled in, before what is typed; its subject where there is none yet.

    Returns the groups of variables that stay empty, because the member may not see their records.
    """
    template = templates.named_template(template_id)
    answered = _answered(draft)
    values = values_for(answered, member=member) if answered else _values_without_message(member, draft)
    own = str(value_of("general.language", user=member.user))
    filled = templates.render(template, [answered.language if answered else None, own], values)
    draft.body = f"{filled.text.rstrip()}\n{draft.body}"
    draft.subject = draft.subject or filled.subject
    draft.updated_at = now()
    return sorted(hidden_from(member) & templates.groups_of(template))


def _values_without_message(member: Membership, draft: Draft) -> dict[str, dict[str, str]]:
    mailbox = _mailbox(draft.mailbox_id)
    return {
        "mailbox": {"label": mailbox.label, "address": mailbox.address, "signature": mailbox.signature or ""},
        "user": {"name": member.name, "address": member.user.address},
    }


def _mailbox(id: UUID) -> Mailbox:
    return db.session.scalars(select(Mailbox).where(Mailbox.id == id)).one()


def _queue(member: Membership, draft: Draft, recipients: _Recipients) -> Outgoing:
    files = db.session.scalars(
        select(DraftAttachment).where(DraftAttachment.draft_id == draft.id).order_by(DraftAttachment.id)
    )
    return outgoing.queue_reply(
        mailbox=_mailbox(draft.mailbox_id),
        member=member,
        answers=_answered(draft),
        to=recipients.to,
        cc=recipients.cc,
        bcc=recipients.bcc,
        subject=draft.subject.strip(),
        text=draft.body,
        attachments=[(file.filename, file.content_type, file.content) for file in files],
        send_after=now() + UNDO,
    )


def _answered(draft: Draft) -> Message | None:
    """What a reply answers; a forward stays in the thread, and so does no new message."""
    if draft.answers_id is None:
        return None
    return db.session.scalar(select(Message).where(Message.id == draft.answers_id))


def _checked_recipients(draft: Draft) -> _Recipients:
    people = {name: _people(draft, name) for name in ("to", "cc", "bcc")}
    if not any(people.values()):
        raise InvalidError("Say who gets this message.", field="to")
    return _Recipients(**people)


def _people(draft: Draft, name: str) -> tuple[Person, ...]:
    try:
        return typed_people(getattr(draft, name))
    except AddressProblem as problem:
        raise InvalidError(str(problem), field=name) from None


def _beginning(member: Membership, message: Message, kind: str) -> dict[str, Any]:
    signature = _signature(member, message.mailbox_id)
    sender = str(Person(message.sender_name, message.sender_address))
    at = message.shown_at.astimezone(ZoneInfo(str(value_of("general.time_zone", user=member.user))))
    if kind == "forward":
        to = ", ".join(one["address"] for one in message.addresses.get("to", ()))
        body = forwarded(sender, at, message.subject, to, message.text)
        return {"subject": subject_of_forward(message.subject), "body": f"{signature}\n\n{body}"}
    mailbox = _mailbox(message.mailbox_id)
    recipients = recipients_of_reply(
        message.addresses,
        (mailbox.address, *mailbox.aliases),
        to_all=kind == "reply_all",
        is_ours=message.direction == "out",
    )
    return {
        "to": ", ".join(map(str, recipients.to)),
        "cc": ", ".join(map(str, recipients.cc)),
        "subject": subject_of_reply(message.subject),
        "body": f"{signature}\n\n{quotation(sender, at, message.reply_text or message.text)}",
    }


def signature_of(member: Membership, mailbox_id: UUID) -> str:
    """The mailbox's signature, else the person's own, set apart as mail programs know it."""
    of_mailbox = db.session.scalar(select(Mailbox.signature).where(Mailbox.id == mailbox_id))
    words = of_mailbox if of_mailbox is not None else value_of("mail.signature", user=member.user)
    return f"\n\n-- \n{words.strip()}\n" if words and words.strip() else ""


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


def _written_count(thread_id: UUID | None) -> int:
    """Messages of a thread that somebody wrote: not our automatic responses, not drafts elsewhere."""
    by_people = or_(Message.direction == "in", Message.sent_by_id.is_not(None))
    statement = select(func.count(Message.id)).where(
        Message.thread_id == thread_id, by_people, Message.box != "drafts"
    )
    return db.session.scalar(statement) or 0


def _forget_sent(member: Membership, *conditions: Any) -> None:
    """Drafts that were sent are kept only until the next one: for undo."""
    db.session.execute(
        delete(Draft).where(Draft.membership_id == member.id, Draft.outgoing_id.is_not(None), *conditions)
    )
