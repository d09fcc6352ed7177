"""Words of messages, to be found again."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Index, Select, Uuid, cast, column, delete, func, literal, select
from sqlalchemy.dialects.postgresql import TSQUERY, TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from mailboxes.messages import Attachment, Message
from tenants.bulk import insert_rows
from tenants.database import Base, PartScoped, db, scoped_key

INDEXED_CHARACTERS = 100_000  # PostgreSQL refuses more than 1 MB of words
LONGEST_WORD = 200  # characters of a word that count
_WORD = re.compile(r"[^\W_]+")
# Most texts can be written with one byte for each character; by bytes they are split several times faster.
_ONE_BYTE = ("latin-1", "cp1252")
MOST_FOUND = 2000  # a search looks at that many messages with its words, the newest ones


class MessageWords(PartScoped, Base):
    """The search index of one message; ``id`` is the message's."""

    __tablename__ = "message_words"
    __table_args__ = (
        scoped_key("id", "messages", ondelete="CASCADE"),
        Index("ix_message_words_words", "words", postgresql_using="gin"),
        Index("ix_message_words_mailbox_id", "organization_id", "mailbox_id", "id"),
    )

    mailbox_id: Mapped[UUID]
    words: Mapped[str] = mapped_column(TSVECTOR)


def index_message(message: Message) -> None:
    """Make a message findable, or again after a change. The caller commits."""
    db.session.flush()
    filenames = db.session.scalars(select(Attachment.filename).where(Attachment.message_id == message.id))
    db.session.execute(delete(MessageWords).where(MessageWords.id == message.id))
    row = {"id": message.id, "subject": message.subject, "text": message.text, "addresses": message.addresses}
    index_messages(message.mailbox_id, [row], {message.id: list(filenames)})


def index_messages(
    mailbox_id: UUID, messages: Sequence[Mapping[str, Any]], filenames: Mapping[UUID, Sequence[str]]
) -> None:
    """Make new messages of a mailbox findable: each has ``id``, ``subject``, ``text`` and ``addresses``."""
    rows = [
        {
            "id": message["id"],
            "mailbox_id": mailbox_id,
            "words": words_of(" ".join(_indexed(message, filenames.get(message["id"], ())))),
        }
        for message in messages
    ]
    insert_rows(MessageWords, rows)


def words_of(text: str) -> set[str]:
    """The words of a text: runs of letters and digits, in lower case.

    Split here, for the index and for what is looked for alike: the database's own parser takes many times
    as long, and its positions are of no use to us.
    """
    words = set(_split(text[:INDEXED_CHARACTERS]))
    if max(map(len, words), default=0) <= LONGEST_WORD:
        return words
    return {word[:LONGEST_WORD] for word in words}


def _split(text: str) -> list[str]:
    for encoding in _ONE_BYTE:
        try:
            data = text.encode(encoding)
        except UnicodeEncodeError:
            continue
        return data.translate(_spaced(encoding)).decode(encoding).split()
    return _WORD.findall(text.lower())


@lru_cache(maxsize=len(_ONE_BYTE))
def _spaced(encoding: str) -> bytes:
    """What becomes of each byte: letters in lower case, digits, and spaces for all else."""
    characters = (bytes([code]).decode(encoding, "replace") for code in range(256))
    return b"".join(
        character.lower().encode(encoding) if _WORD.match(character) else b" " for character in characters
    )


def _indexed(message: Mapping[str, Any], filenames: Iterable[str]) -> Iterator[str]:
    """What a search finds a message by."""
    yield message["subject"]
    for people in message["addresses"].values():
        for person in people:
            yield person["name"]
            yield person["address"]
    yield from filenames
    yield message["text"]


def messages_with_words(
    words: Sequence[str], mailbox_ids: Select[UUID], beginnings: Sequence[str] = ()
) -> Select[UUID]:
    """Ids of messages with all these words in some mailboxes, newest first, at most `MOST_FOUND`.

    ``words`` are split as the index is; ``beginnings`` are of letters and digits alone, and a word
    that begins so will do. Under row security no index serves ``@@``, so a function of the database
    looks for the current organization; what it finds is to be joined back to the messages, where row
    security counts.
    """
    found = func.messages_with_words(
        _tsquery(words, beginnings), func.array(mailbox_ids.scalar_subquery()), MOST_FOUND
    ).table_valued(column("id", Uuid))
    return select(found.c.id)


def _tsquery(words: Sequence[str], beginnings: Sequence[str]) -> ColumnElement[str]:
    terms = [f"'{word}'" for word in sorted(words_of(" ".join(words)))]
    for beginning in beginnings:
        *whole, begun = [word[:LONGEST_WORD] for word in _split(beginning)] or [""]
        terms += [f"'{word}'" for word in whole]
        terms += [f"'{begun}':*"] if begun else []
    return cast(literal(" & ".join(terms)), TSQUERY)
