"""Words of messages, to be found again."""

from uuid import UUID

from sqlalchemy import Index
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from tenants.database import Base, OrganizationScoped, scoped_key


class MessageWords(OrganizationScoped, Base):
    """The search index of one message; ``id`` is the message's."""

    __tablename__ = "message_words"
    __table_args__ = (
        scoped_key("id", "messages", ondelete="CASCADE"),
        Index("ix_message_words_words", "words", postgresql_using="gin"),
    )

    mailbox_id: Mapped[UUID]
    words: Mapped[str] = mapped_column(TSVECTOR)
