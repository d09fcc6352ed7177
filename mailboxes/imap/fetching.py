"""What FETCH answers say about messages, and how messages are asked for in portions."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from types import MappingProxyType

from mailboxes.errors import ProtocolError
from mailboxes.imap.dialogue import Parts, Token, tokens
from mailboxes.spool import Spool

UIDS_PER_COMMAND = 500
MESSAGES_PER_BATCH = 200
BATCH_BYTES = 4 * 1024 * 1024
WHOLE_BYTES = 5 * 1024 * 1024
PIECE_BYTES = 1024 * 1024
HEADER_BYTES = 256 * 1024
DETAILS_BUDGET = 8 * 1024 * 1024
CHANGES_BUDGET = 128 * 1024 * 1024
NO_CONTENT = "The server sent no content."
PLACEHOLDER = "Microsoft Exchange sent a note in its place, as it does while it examines attachments."
GONE = (  # what Courier hands out for a message that another client has removed meanwhile
    b"From: System Administrator <root@localhost>\r\nSubject: message unavailable\r\n\r\n"
    b"This message is no longer available on the server.\r\n"
)
DETAIL_ITEMS = b"(UID FLAGS INTERNALDATE RFC822.SIZE)"
ENGLISH_MONTHS: tuple[str, ...] = ("Jan", "Feb", "Mar", "Apr", "May", "Jun")
ENGLISH_MONTHS += ("Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

SYSTEM_FLAGS = MappingProxyType(  # the same in any case (RFC 9051 §2.3.2)
    {flag.lower(): flag for flag in ("\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft", "\\Recent")}
)

_FETCH = re.compile(rb"\*\s++\d{1,20}\s++FETCH\s*", re.IGNORECASE)
_FOLDED = re.compile(rb"\r?\n[ \t]+")
_RECEIVED = re.compile(rb"^Received:", re.IGNORECASE | re.MULTILINE)
_BY_EXCHANGE = re.compile(rb'^From:[ \t]*"?Microsoft Exchange Server\b', re.IGNORECASE | re.MULTILINE)
_RETRIEVAL_FAILED = re.compile(
    rb"^Subject:[ \t]*Retrieval using the (?:IMAP4|POP3) protocol failed for the following message:",
    re.IGNORECASE | re.MULTILINE,
)
_USUAL_DETAILS = re.compile(
    rb"\* \d{1,20} FETCH \(UID (\d{1,20}) FLAGS \(((?> ?+(?!(?i:NIL)\b)[\\$\w]{1,100}+)*+)\)"
    rb' INTERNALDATE "([^"\\]{0,40})" RFC822\.SIZE (\d{1,20})\)',
    re.ASCII,
)
_USUAL_BODY = re.compile(rb"\* \d{1,20} FETCH \(UID (\d{1,20}) BODY\[\] \{\d{1,20}\}")
_USUAL = (b"UID", b"FLAGS", b"INTERNALDATE", b"RFC822.SIZE", b"BODY[]", b"MODSEQ")
_KNOWN = re.compile(
    rb"(?:UID|FLAGS|INTERNALDATE|RFC822(?:\.(?:SIZE|HEADER|TEXT))?|MODSEQ|BODY(?:STRUCTURE)?|"
    rb"ENVELOPE|EMAILID|THREADID|SAVEDATE|PREVIEW|BINARY|X-[A-Z0-9-]{1,60}|ANNOTATION|"
    rb"(?:BODY|BINARY)(?:\.PEEK)?\[[^\]]*\].*)$",
    re.IGNORECASE,
)
_PLAUSIBLE = re.compile(rb"[A-Z][A-Z0-9.-]{1,60}(?:\[[^\]]*\].*)?$", re.IGNORECASE)
_DATE = re.compile(rb" ?(\d{1,2})-([A-Za-z]{3})-(\d{4}) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)", re.ASCII)
_MONTHS = {name: at for at, name in enumerate(ENGLISH_MONTHS, 1)}


@dataclass(frozen=True, slots=True)
class FetchedMessage:
    """A message as the server gave it.

    ``raw``: all its bytes; those of a large one are in ``spool`` instead. Neither is there if it is too
    large (``is_too_large``) or could not be fetched (``failure`` says why); then ``header`` holds its
    header block, as far as it could be read. ``size``: the number of its bytes, or what the server claims.
    ``received_at``: INTERNALDATE if sane.
    """

    uid: int
    raw: bytes | None
    size: int
    received_at: datetime | None = None
    flags: tuple[str, ...] = ()
    header: bytes = b""
    is_too_large: bool = False
    failure: str = ""
    spool: Spool | None = None

    @property
    def is_whole(self) -> bool:
        """Whether all bytes are there."""
        return self.raw is not None or self.spool is not None


@dataclass(frozen=True, slots=True)
class Piece:
    """Part of a message, or all of it, from a server that knows no partial fetches (Exchange)."""

    data: bytes
    is_whole: bool = False


@dataclass(frozen=True, slots=True)
class MessageDetails:
    """What is asked about a message before its bytes; -1 and None where the server does not tell."""

    uid: int
    size: int = -1
    flags: tuple[str, ...] = ()
    received_at: datetime | None = None


def fetched_items(parts: Parts) -> dict[bytes, Token] | None:
    """The items of one FETCH answer by upper-case name, None for another kind of answer.

    Raises `ProtocolError` for an item that FETCH does not know: then a literal was longer or shorter
    than announced and the stream is out of step (F12, F13). Where there is no literal, it is ignored.
    """
    if usual := _usual_items(parts):
        return usual
    found = _FETCH.match(parts[0])
    if not found:
        return None
    answer = tokens(parts, found.end())
    items = answer[0] if answer and isinstance(answer[0], list) else None
    if items is None or len(answer) > 1 or len(items) % 2:
        raise ProtocolError
    known = _KNOWN if len(parts) > 1 else _PLAUSIBLE
    named: dict[bytes, Token] = {}
    for name, value in zip(items[::2], items[1::2], strict=True):
        if name not in _USUAL and not (isinstance(name, bytes) and known.match(name)):
            raise ProtocolError
        named[name.upper()] = value
    return named


def _usual_items(parts: Parts) -> dict[bytes, Token]:
    """The items of an answer that says just what `MessageReader` asks for, as nearly all do; else none."""
    if len(parts) == 1 and (found := _USUAL_DETAILS.fullmatch(parts[0])):
        uid, flags, date, size = found.groups()
        return {b"UID": uid, b"FLAGS": [*flags.split()], b"INTERNALDATE": date, b"RFC822.SIZE": size}
    if len(parts) == 3 and parts[2] == b")" and (found := _USUAL_BODY.fullmatch(parts[0])):
        return {b"UID": found[1], b"BODY[]": parts[1]}
    return {}


def details_of(uid: int, items: Mapping[bytes, Token]) -> MessageDetails:
    """Size, flags and date out of the items of one answer."""
    size = whole_number(items.get(b"RFC822.SIZE"))
    return MessageDetails(
        uid=uid,
        size=-1 if size is None else size,
        flags=flag_names(items.get(b"FLAGS")),
        received_at=internal_date(items.get(b"INTERNALDATE")),
    )


def body_of(items: Mapping[bytes, Token]) -> bytes:
    """The bytes of ``BODY[…]``; empty if the server sent NIL, nothing, or an empty string (F8, F9)."""
    return next((value for name, value in items.items() if _is_body(name) and isinstance(value, bytes)), b"")


def piece_of(items: Mapping[bytes, Token], offset: int, size: int) -> Piece | None:
    """So many bytes of ``BODY[…]`` from ``offset`` on; None for NIL, nothing, or a piece of another place:
    only an empty string is the end of a message (F8, F9)."""
    for name, value in items.items():
        if _is_body(name) and isinstance(value, bytes):
            if name.endswith((b"<%d>" % offset, b"<%d.%d>" % (offset, size))):  # some repeat the question
                return Piece(value)
            is_whole = offset > 0 or len(value) > size
            return None if name.endswith(b">") else Piece(value, is_whole)
    return None


def _is_body(name: bytes) -> bool:
    return name.startswith((b"BODY[", b"BODY.PEEK[")) or name == b"RFC822"


def is_placeholder(raw: bytes) -> bool:
    """Whether this is a note of Exchange itself, that it could not convert the message.

    What anybody has sent, and be it about such a note, has been received by some server.
    """
    end = re.search(rb"\r?\n\r?\n", raw[:HEADER_BYTES])
    if end is None or b"etrieval using the" not in raw[: end.start()]:
        return False
    header = _FOLDED.sub(b" ", raw[: end.start()])
    return bool(
        _RETRIEVAL_FAILED.search(header) and _BY_EXCHANGE.search(header) and not _RECEIVED.search(header)
    )


def flag_names(value: Token) -> tuple[str, ...]:
    """Flags as text, in the server's order and the usual case; what no database stores is none."""
    if not isinstance(value, list):
        return ()
    flags = (flag for flag in value if isinstance(flag, bytes) and b"\0" not in flag)
    named = (flag.decode("utf-8", "replace") for flag in flags)
    return tuple(SYSTEM_FLAGS.get(flag.lower(), flag) for flag in named)


def whole_number(value: Token) -> int | None:
    """A number as IMAP writes it (RFC 9051 §9: at most 63 bits), None for anything else."""
    if isinstance(value, bytes) and value.isdigit() and len(value) <= 20:
        number = int(value)
        return number if number < 2**63 else None
    return None


def internal_date(value: Token) -> datetime | None:
    """INTERNALDATE in UTC; None if it is missing or no possible date (F46)."""
    found = _DATE.fullmatch(value) if isinstance(value, bytes) else None
    month = _MONTHS.get(found[2].decode("ascii").capitalize()) if found else None
    if not found or not month:
        return None
    day, year, hour, minute, second = (int(found[at]) for at in (1, 3, 4, 5, 6))
    offset = timedelta(hours=int(found[8]), minutes=int(found[9]))
    if not 1970 <= year <= 2100 or offset > timedelta(hours=14):
        return None
    zone = timezone(offset if found[7] == b"+" else -offset)
    try:
        return datetime(year, month, day, hour, minute, min(second, 59), tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def portions(uids: Sequence[int], size: int = UIDS_PER_COMMAND) -> Iterator[list[int]]:
    """Cut UIDs into lists that fit into a command line."""
    for start in range(0, len(uids), size):
        yield list(uids[start : start + size])


def batches(uids: Sequence[int], details: Mapping[int, MessageDetails]) -> Iterator[list[MessageDetails]]:
    """Messages to fetch together: few enough bytes for memory; those of unknown size go alone."""
    batch: list[MessageDetails] = []
    total = 0
    for uid in uids:
        message = details.get(uid) or MessageDetails(uid)
        size = message.size if message.size >= 0 else BATCH_BYTES
        if batch and (total + size > BATCH_BYTES or len(batch) == MESSAGES_PER_BATCH):
            yield batch
            batch, total = [], 0
        batch.append(message)
        total += size
    if batch:
        yield batch
