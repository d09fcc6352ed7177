"""What members write on a conversation for one another: no message, and never sent."""

from uuid import UUID

from sqlalchemy import Index, Select, select
from sqlalchemy.orm import Mapped

from mailboxes.crm.remarks import Remark, remark_text
from mailboxes.threads import Thread
from tenants.database import Base, PartScoped, db, scoped_key
from tenants.organizations import Membership


class Note(Remark, PartScoped, Base):
    """A remark on a conversation."""

    __tablename__ = "notes"
    __table_args__ = (
        scoped_key("thread_id", "threads", ondelete="CASCADE"),
        Index("ix_notes_thread_id", "organization_id", "thread_id", "written_at"),
    )

    thread_id: Mapped[UUID]


def notes_of(thread: Thread) -> Select[Note]:
    """The notes of a conversation, oldest first."""
    return select(Note).where(Note.thread_id == thread.id).order_by(Note.written_at, Note.id)


def write_note(thread: Thread, text: str, author: Membership) -> Note:
    """Write on a conversation; `InvalidError` without a text."""
    written = Note(thread_id=thread.id, author_id=author.id, author_name=author.name, text=remark_text(text))
    db.session.add(written)
    db.session.flush()
    return written
