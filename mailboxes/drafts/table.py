"""What is kept of a draft, and whose it is."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Select, UniqueConstraint, delete, func, select
from sqlalchemy.orm import Mapped, mapped_column

from mailboxes.access import is_readable
from mailboxes.messages import Message
from mailboxes.system_mailboxes import Mailbox
from tenants.database import Base, OrganizationScoped, db, now, scoped_key
from tenants.errors import NotFoundError
from tenants.organizations import Membership


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


def own_drafts(member: Membership) -> Select[Draft]:
    """What a member has written and not sent, in mailboxes they may still read."""
    return _written_by(member).where(Draft.outgoing_id.is_(None))


def own_draft(member: Membership, id: UUID) -> Draft:
    """A draft of this member; `NotFoundError` for everybody else's."""
    return _demanded(own_drafts(member), id)


def draft_to_send(member: Membership, id: UUID) -> Draft:
    """The same; also one that is sent and kept for undo, for whoever presses again, or another button."""
    return _demanded(_written_by(member), id)


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


def mailbox_of(draft: Draft) -> Mailbox:
    """The mailbox that it is sent from."""
    return db.session.scalars(select(Mailbox).where(Mailbox.id == draft.mailbox_id)).one()


def answered_message(draft: Draft) -> Message | None:
    """What a reply answers; a forward stays in the thread, and so does no new message."""
    if draft.answers_id is None:
        return None
    query = select(Message).where(Message.id == draft.answers_id)
    return db.session.scalar(query, execution_options={"populate_existing": True})


def forget_sent(member: Membership, *conditions: Any) -> None:
    """Drafts that were sent are kept only until the next one: for undo."""
    db.session.execute(
        delete(Draft).where(Draft.membership_id == member.id, Draft.outgoing_id.is_not(None), *conditions)
    )


def _written_by(member: Membership) -> Select[Draft]:
    return select(Draft).where(Draft.membership_id == member.id, is_readable(member, Draft.mailbox_id))


def _demanded(drafts: Select[Draft], id: UUID) -> Draft:
    draft = db.session.scalar(drafts.where(Draft.id == id))
    if draft is None:
        raise NotFoundError
    return draft
