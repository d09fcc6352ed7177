"""A draft is sent, unless somebody wrote meanwhile, and may be taken back until it is on its way."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import func, or_, select

from mailboxes import outgoing
from mailboxes.access import demand_reply
from mailboxes.drafts.table import Draft, DraftAttachment, answered_message, forget_sent, mailbox_of
from mailboxes.messages import Message
from mailboxes.outgoing import Outgoing, Reply
from mailboxes.replies import AddressProblem, Person, typed_people
from mailboxes.system_mailboxes import Mailbox, hold_mailboxes
from tenants.database import db, now
from tenants.database.locks import hold_row
from tenants.errors import ConflictError, InvalidError, NotFoundError
from tenants.organizations import Membership

UNDO = timedelta(seconds=10)


class ConversationMovedOnError(ConflictError):
    """Somebody wrote while the answer was being written; ``count`` says how many messages are new."""

    def __init__(self, count: int) -> None:
        news = "A new message" if count == 1 else f"{count} new messages"
        super().__init__(
            f"{news} came into this conversation since you began. Nothing was sent: look at what is new, "
            "then send again."
        )
        self.count = count


def news_since(draft: Draft) -> int:
    """How many messages people wrote into the conversation since the draft was begun or last shown."""
    return max(0, written_count(draft.thread_id) - draft.seen_count) if draft.thread_id else 0


def show_news(draft: Draft) -> None:
    """The writer sees the conversation as it is now: sending stops only for what comes after."""
    if draft.thread_id:
        draft.seen_count = written_count(draft.thread_id)


def written_count(thread_id: UUID | None) -> int:
    """Messages of a thread that somebody wrote: not our automatic responses, not drafts elsewhere."""
    by_people = or_(Message.direction == "in", Message.sent_by_id.is_not(None))
    statement = select(func.count(Message.id)).where(
        Message.thread_id == thread_id, by_people, Message.box != "drafts"
    )
    return db.session.scalar(statement) or 0


def send(member: Membership, draft: Draft) -> Outgoing:
    """Queue a draft to be sent once it can no longer be taken back.

    `InvalidError` at its field, `ConversationMovedOnError` if somebody wrote meanwhile,
    `ForbiddenError` if the member may no longer reply, `NotFoundError` if the draft is discarded meanwhile.
    """
    with db.session.no_autoflush:  # its mailbox before the draft, as whoever splits or joins holds them
        hold_mailboxes(Mailbox.id == draft.mailbox_id)
    demand_reply(member, draft.mailbox_id)
    hold_row(draft, key_share=False)
    if draft.outgoing_id is not None:  # pressed twice: the first has queued it
        return db.session.get_one(Outgoing, (draft.organization_id, draft.outgoing_id))
    reply = _checked(draft)
    if news := news_since(draft):
        raise ConversationMovedOnError(news)
    queued = outgoing.queue_reply(
        mailbox_of(draft), member, reply, answers=answered_message(draft), send_after=now() + UNDO
    )
    draft.outgoing_id = queued.id
    forget_sent(member, Draft.id != draft.id)
    db.session.flush()
    return queued


def take_back(member: Membership, outgoing_id: UUID) -> Draft:
    """Undo a sending that has not begun; the draft is back, whole. `ConflictError` if it is too late."""
    draft = db.session.scalar(
        select(Draft).where(Draft.membership_id == member.id, Draft.outgoing_id == outgoing_id)
    )
    if draft is None:
        raise NotFoundError
    hold_mailboxes(Mailbox.id == draft.mailbox_id)
    db.session.refresh(draft)
    draft.outgoing_id = None
    db.session.flush()
    outgoing.take_back(outgoing_id)
    if draft.thread_id:
        show_news(draft)
    return draft


def _checked(draft: Draft) -> Reply:
    people = {name: _people(draft, name) for name in ("to", "cc", "bcc")}
    if not any(people.values()):
        raise InvalidError("Say who gets this message.", field="to")
    if not draft.body.strip():
        raise InvalidError("The message is empty. Write something first.", field="body")
    files = db.session.scalars(
        select(DraftAttachment).where(DraftAttachment.draft_id == draft.id).order_by(DraftAttachment.id)
    )
    attachments = [(file.filename, file.content_type, file.content) for file in files]
    return Reply(subject=draft.subject.strip(), text=draft.body, attachments=attachments, **people)


def _people(draft: Draft, name: str) -> tuple[Person, ...]:
    try:
        return typed_people(getattr(draft, name))
    except AddressProblem as problem:
        raise InvalidError(str(problem), field=name) from None
