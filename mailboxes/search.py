"""Words of messages and notes, to be found again."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Index, Select, Uuid, cast, column, delete, func, literal, select
from sqlalchemy.dialects.postgresql import TSQUERY, TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from mailboxes.messages import Attachment, Message
from mailboxes.parsing.cleaning import normalized
from mailboxes.threads.notes import Note
from tenants.database import Base, PartScoped, db, scoped_key
from tenants.database.bulk import insert_rows

INDEXED_CHARACTERS = 100_000  # PostgreSQL refuses more than 1 MB of words
LONGEST_WORD = 200  # characters of a word that count
_WORD = re.compile(r"[^\W_]+")
# Scripts without blanks between words, and Korean, which puts its particles behind them without one.
_UNSPACED = re.compile(
    "([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u9fff"
    "\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003ffff]+)"
)
_WIDE_FORMS = re.compile("[\uff01-\uff9f]+")  # full-width letters and half-width katakana
_ACCENTS = re.compile("[\u0300-\u036f]+")
_LETTERS = {"ß": "ss", "æ": "ae", "œ": "oe"}  # one that is two
_STROKES = str.maketrans("øłđħı", "oldhi")  # letters that no accent makes of others
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


class NoteWords(PartScoped, Base):
    """The search index of one note; ``id`` is the note's."""

    __tablename__ = "note_words"
    __table_args__ = (
        scoped_key("id", "notes", ondelete="CASCADE"),
        Index("ix_note_words_words", "words", postgresql_using="gin"),
    )

    words: Mapped[str] = mapped_column(TSVECTOR)


def index_note(note: Note) -> None:
    """Make a note findable, or again after a change. The caller commits."""
    db.session.flush()
    db.session.execute(delete(NoteWords).where(NoteWords.id == note.id))
    insert_rows(NoteWords, [{"id": note.id, "words": words_of(note.text)}])


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
    rows = [words_row(mailbox_id, message, filenames.get(message["id"], ())) for message in messages]
    insert_rows(MessageWords, rows)


def words_row(mailbox_id: UUID, message: Mapping[str, Any], filenames: Sequence[str]) -> dict[str, Any]:
    """The words of one message as a row of the table."""
    words = words_of(" ".join(_indexed(message, filenames)))
    return {"id": message["id"], "mailbox_id": mailbox_id, "words": words}


def words_of(text: str) -> set[str]:
    """The words of a text: runs of letters and digits, in lower case, without accents.

    Of scripts without blanks each two neighbouring letters are one, and so is the last letter of a run.
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
            data = _with_letters_apart(text).encode(encoding)
        except UnicodeEncodeError:
            continue
        return data.translate(_spaced(encoding)).decode(encoding).split()
    words = _WORD.findall(_without_accents(_with_letters_apart(text.lower())))
    return [piece for word in words for piece in _pieces(word)]


def _with_letters_apart(text: str) -> str:
    if text.isascii():
        return text
    for letter, letters in _LETTERS.items():
        text = text.replace(letter, letters).replace(letter.upper(), letters)
    return text


def _without_accents(text: str) -> str:
    """Letters as people type them in a hurry, and as one character each, whatever program wrote them."""
    wide = _WIDE_FORMS.sub(lambda found: normalized("NFKC", found[0]), text)
    bare = _ACCENTS.sub("", normalized("NFD", wide)).translate(_STROKES)
    return normalized("NFC", bare)


def _pieces(word: str) -> Iterator[str]:
    """A word, or the pairs of neighbouring letters of what is written without blanks; its last letter begins
    no pair."""
    if word.isascii():
        yield word
        return
    for index, piece in enumerate(_UNSPACED.split(word)):
        if index % 2:
            yield from map("".join, pairwise(piece))
            yield piece[-1]
        elif piece:
            yield piece


@lru_cache(maxsize=len(_ONE_BYTE))
def _spaced(encoding: str) -> bytes:
    """What becomes of each byte: letters in lower case without accents, digits, and spaces for all else."""
    characters = (bytes([code]).decode(encoding, "replace") for code in range(256))
    return b"".join(
        _without_accents(character.lower()).encode(encoding) if _WORD.match(character) else b" "
        for character in characters
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


def threads_noted_with(
    words: Sequence[str], mailbox_ids: Select[UUID], beginnings: Sequence[str] = ()
) -> Select[UUID]:
    """Ids of conversations of some mailboxes with a note that has all these words, as those of messages."""
    found = func.threads_noted_with(
        _tsquery(words, beginnings), func.array(mailbox_ids.scalar_subquery()), MOST_FOUND
    ).table_valued(column("id", Uuid))
    return select(found.c.id)


def _tsquery(words: Sequence[str], beginnings: Sequence[str]) -> ColumnElement[str]:
    """All of these, as they are indexed now or were before accents were left out and letters paired."""
    asked = [(word, False) for word in words] + [(beginning, True) for beginning in beginnings]
    new = dict.fromkeys(term for text, is_begun in asked for term in _terms(text, is_begun=is_begun))
    old = dict.fromkeys(term for text, is_begun in asked for term in _former_terms(text, is_begun=is_begun))
    either = dict.fromkeys(" & ".join(terms) for terms in (new, old) if terms)
    return cast(literal(" | ".join(f"({terms})" for terms in either)), TSQUERY)


def _former_terms(text: str, *, is_begun: bool) -> Iterator[str]:
    words = [word[:LONGEST_WORD] for word in _WORD.findall(text.lower())]
    for index, word in enumerate(words):
        is_open = (is_begun and index == len(words) - 1) or _UNSPACED.fullmatch(word) is not None
        yield f"'{word}':*" if is_open else f"'{word}'"


def _terms(text: str, *, is_begun: bool) -> Iterator[str]:
    """The words of a text; of what is written without blanks all pairs, or a letter that begins one."""
    split = [word[:LONGEST_WORD] for word in _split(text)]
    for index, word in enumerate(split):
        is_unspaced = _UNSPACED.fullmatch(word) is not None
        is_end_of_run = is_unspaced and len(word) == 1
        if is_end_of_run and index and split[index - 1][-1] == word and len(split[index - 1]) == 2:
            continue  # said by the pair before it
        is_open = is_end_of_run or (is_begun and index == len(split) - 1 and not is_unspaced)
        yield f"'{word}':*" if is_open else f"'{word}'"
