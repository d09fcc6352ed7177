"""What members write on a conversation for one another: no message, and never sent."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, Select, select
from sqlalchemy.orm import Mapped, mapped_column

from mailboxes.crm import texts
from mailboxes.threads import Thread
from tenants.database import Base, PartScoped, db, now, scoped_key
from tenants.errors import InvalidError
from tenants.organizations import Membership


class Note(PartScoped, Base):
    """The author's name stays when they leave."""

    __tablename__ = "notes"
    __table_args__ = (
        scoped_key("thread_id", "threads", ondelete="CASCADE"),
        Index("ix_notes_thread_id", "organization_id", "thread_id", "written_at"),
    )

    thread_id: Mapped[UUID]
    author_id: Mapped[UUID | None]
    author_name: Mapped[str]
    text: Mapped[str]
    written_at: Mapped[datetime] = mapped_column(default=now)


def notes_of(thread: Thread) -> Select[Note]:
    """The notes of a conversation, oldest first."""
    return select(Note).where(Note.thread_id == thread.id).order_by(Note.written_at, Note.id)


def write_note(thread: Thread, text: str, author: Membership) -> Note:
    """Write on a conversation; `InvalidError` without a text."""
    text = texts.notes(text)
    if not text:
        raise InvalidError("Write something first.", field="text")
    written = Note(thread_id=thread.id, author_id=author.id, author_name=author.name, text=text)
    db.session.add(written)
    db.session.flush()
    return written
