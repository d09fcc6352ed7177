"""Words of messages, to be found again."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, Index, Select, Uuid, cast, column, func, select
from sqlalchemy.dialects.postgresql import REGCONFIG, TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from tenants.database import Base, OrganizationScoped, scoped_key

MOST_FOUND = 5000  # a search looks at that many messages with its words, the newest ones


class MessageWords(OrganizationScoped, Base):
    """The search index of one message; ``id`` is the message's."""

    __tablename__ = "message_words"
    __table_args__ = (
        scoped_key("id", "messages", ondelete="CASCADE"),
        Index("ix_message_words_words", "words", postgresql_using="gin"),
    )

    mailbox_id: Mapped[UUID]
    words: Mapped[str] = mapped_column(TSVECTOR)


def messages_with_words(words: Sequence[str], mailbox_ids: Select[UUID]) -> Select[UUID]:
    """Ids of messages with all these words in some mailboxes, newest first, at most `MOST_FOUND`.

    Under row security no index serves ``@@``, so a function of the database looks for the current
    organization; what it finds is to be joined back to the messages, where row security counts.
    """
    found = func.messages_with_words(
        _tsquery(words), func.array(mailbox_ids.scalar_subquery()), MOST_FOUND
    ).table_valued(column("id", Uuid))
    return select(found.c.id)


def _tsquery(words: Sequence[str]) -> ColumnElement[str]:
    """All words, each as the index splits it; the last one may be only begun."""
    simple = cast("simple", REGCONFIG)
    *finished, last = words
    if not last.isalnum():
        return func.plainto_tsquery(simple, " ".join(words))
    begun = func.to_tsquery(simple, f"{last}:*")  # letters and digits only: nothing to escape
    if not finished:
        return begun
    return func.plainto_tsquery(simple, " ".join(finished)).op("&&")(begun)
