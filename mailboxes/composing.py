"""A message of our own becomes bytes. Pure, and the same on every Python.

Headers are written by this module alone (T9): decoded text is cleaned to one line, anything that is not
plain ASCII goes into encoded words that we make ourselves, addresses are refused and not repaired. The
header classes of the standard library are not used: some versions of them turn an encoded word in a
subject into a header of its own (CVE-2024-6923).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import quote

from mailboxes.domain_names import ascii_domain
from mailboxes.parsing.cleaning import body_text, one_line
from tenants.errors import InvalidError

LINE = 76
LONGEST_LINE = 998  # RFC 5322 §2.1.1
LONGEST_SUBJECT = 500
LONGEST_NAME = 200
LONGEST_FILENAME = 200
MOST_REFERENCES = 10

OWN_HEADERS = (
    "Auto-Submitted",
    "List-Unsubscribe",
    "Precedence",
    "X-Auto-Response-Suppress",
    "X-Postroom-Loop",
    "X-Postroom-Token",
)
# What an automatic response says of itself, so that no machine answers it (RFC 3834 §3.1.7, §3.1.8).
MARKS_OF_AN_ANSWER = (
    ("Auto-Submitted", "auto-replied"),
    ("Precedence", "bulk"),
    ("X-Auto-Response-Suppress", "All"),
)
HEADERS = frozenset(
    {"From", "Reply-To", "To", "Cc", "Subject", "Date", "Message-ID", "In-Reply-To", "References"}
    | {"MIME-Version", "Content-Type", "Content-Transfer-Encoding", "Content-Disposition", *OWN_HEADERS}
)

_ADDRESS = re.compile(r"[^\x00-\x20\x7f-\xa0\"(),:;<>@\[\\\]\u2028\u2029]{1,64}@([^\s@]{1,255})")
_DOMAIN = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*", re.IGNORECASE)
_ID = re.compile(r"[!-;=?-~]{1,900}")
_VALUE = re.compile(r"[ -~]{1,900}")
_CONTENT_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,60}/[a-z0-9][a-z0-9!#$&^_.+-]{0,60}")
_PLAIN = re.compile(r"[ -~]*")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]*")


class UnsafeMessageError(InvalidError):
    """A value that may not go into a message, such as an address with a line break in it."""


@dataclass(frozen=True, slots=True)
class Mailer:
    """A name and an address, as they go into From, To and Cc."""

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class File:
    """An attachment."""

    filename: str
    content_type: str
    content: bytes


@dataclass(frozen=True)
class Letter:
    """A message to be written. Ids are without angle brackets; Bcc is the envelope's business.

    ``own_headers``: values of `OWN_HEADERS`, printable ASCII.
    """

    header_id: str
    date: datetime
    sender: Mailer
    to: Sequence[Mailer]
    subject: str
    text: str
    cc: Sequence[Mailer] = ()
    reply_to: Mailer | None = None
    html: str | None = None
    attachments: Sequence[File] = ()
    in_reply_to: str = ""
    references: Sequence[str] = ()
    own_headers: Sequence[tuple[str, str]] = ()


def compose(letter: Letter) -> bytes:
    """The bytes of a letter, with CRLF line ends; `UnsafeMessageError` for what cannot be sent."""
    head = [line for line in _head(letter) if line]
    content = _content(letter)
    return ("\r\n".join([*head, *content.head]) + "\r\n\r\n").encode("utf-8") + content.body


def checked_address(address: str) -> str:
    """The address with its domain in A-labels; `UnsafeMessageError` if it is none."""
    found = _ADDRESS.fullmatch(address)
    domain = _ascii_domain(found[1]) if found else ""
    if not found or not _DOMAIN.fullmatch(domain):
        raise UnsafeMessageError(f"“{one_line(address)[:80]}” is no email address.")
    return f"{address.rpartition('@')[0]}@{domain}"


def bounded_references(references: Sequence[str], parent: str) -> tuple[str, ...]:
    """The ids for References: the first of the conversation and the last ones, at most ten."""
    ids = [id for id in dict.fromkeys([*references, parent]) if _ID.fullmatch(id)]
    return tuple(ids if len(ids) <= MOST_REFERENCES else [ids[0], *ids[-(MOST_REFERENCES - 1) :]])


# --- headers -----------------------------------------------------------------------------------


def _head(letter: Letter) -> list[str]:
    own = [_own_header(name, value) for name, value in letter.own_headers]
    return [
        _people("From", [letter.sender]),
        _people("Reply-To", [letter.reply_to] if letter.reply_to else []),
        _people("To", letter.to),
        _people("Cc", letter.cc),
        _folded("Subject", _words(one_line(letter.subject)[:LONGEST_SUBJECT])),
        f"Date: {format_datetime(letter.date.astimezone(UTC))}",
        _ids("Message-ID", [letter.header_id]),
        _ids("In-Reply-To", [letter.in_reply_to]),
        _ids("References", letter.references),
        *own,
        "MIME-Version: 1.0",
    ]


def _people(name: str, people: Iterable[Mailer]) -> str:
    written = [_person(one) for one in people]
    tokens = [token for one in written[:-1] for token in (*one[:-1], one[-1] + ",")]
    return _folded(name, [*tokens, *written[-1]]) if written else ""


def _person(one: Mailer) -> list[str]:
    address = checked_address(one.address)
    name = one_line(one.name)[:LONGEST_NAME]
    if not name or name == one.address:
        return [address]
    return [*_phrase(name), f"<{address}>"]


def _phrase(name: str) -> list[str]:
    """A display name: atoms, a quoted string, or encoded words."""
    if not _PLAIN.fullmatch(name) or "=?" in name:
        return _encoded_words(name)
    if _ATOMS.fullmatch(name):
        return name.split()
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'.split(" ")


def _words(text: str) -> list[str]:
    """Unstructured text as words that stand for themselves or are encoded."""
    words = text.split(" ")
    if _PLAIN.fullmatch(text) and "=?" not in text and all(len(word) <= LONGEST_LINE // 2 for word in words):
        return words
    return _encoded_words(text)


def _encoded_words(text: str) -> list[str]:
    """RFC 2047 §2: each at most 75 characters, and cut between characters, never inside one."""
    words, begun = [], b""
    for character in text:
        piece = character.encode("utf-8", "replace")
        if len(begun) + len(piece) > 45:
            words.append(begun)
            begun = b""
        begun += piece
    return [f"=?utf-8?b?{base64.b64encode(word).decode()}?=" for word in (*words, begun) if word]


def _ids(name: str, ids: Iterable[str]) -> str:
    tokens = [f"<{id}>" for id in ids if _ID.fullmatch(id)]
    return _folded(name, tokens) if tokens else ""


def _own_header(name: str, value: str) -> str:
    if name not in OWN_HEADERS or not _VALUE.fullmatch(value):
        raise UnsafeMessageError(f"The header {one_line(name)[:40]} cannot be sent.")
    return f"{name}: {value}"


def _folded(name: str, tokens: Sequence[str]) -> str:
    """The header, folded between tokens (RFC 5322 §2.2.3)."""
    lines = [f"{name}:"]
    for token in tokens:
        if len(lines[-1]) + 1 + len(token) > LINE and lines[-1].strip() not in ("", f"{name}:") and token:
            lines.append("")
        lines[-1] += f" {token}"
    return "\r\n".join(lines)


def _ascii_domain(domain: str) -> str:
    try:
        return ascii_domain(domain)
    except UnicodeError:
        return ""


# --- bodies ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of the body: its own header lines and its bytes."""

    head: tuple[str, ...]
    body: bytes


def _content(letter: Letter) -> _Part:
    seed = letter.header_id.encode("utf-8", "replace")
    body = _text("plain", letter.text)
    if letter.html is not None:
        body = _multipart("alternative", [body, _text("html", letter.html)], seed)
    if letter.attachments:
        body = _multipart("mixed", [body, *(_file(file) for file in letter.attachments)], seed)
    return body


def _text(subtype: str, text: str) -> _Part:
    lines = body_text(text).rstrip("\n").split("\n")
    content = "\n".join(lines) + "\n"
    is_plain = content.isascii() and "=_" not in content and all(len(line) <= LONGEST_LINE for line in lines)
    if is_plain:
        encoding, body = "7bit", content.encode()
    else:
        data = content.encode("utf-8", "replace")
        encoding, body = "quoted-printable", binascii.b2a_qp(data, quotetabs=False, istext=True)
    charset = "us-ascii" if is_plain else "utf-8"
    return _Part(
        (f"Content-Type: text/{subtype}; charset={charset}", f"Content-Transfer-Encoding: {encoding}"),
        body.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"),
    )


def _file(file: File) -> _Part:
    return _Part(
        (
            f"Content-Type: {_content_type(file.content_type)}",
            "Content-Transfer-Encoding: base64",
            f"Content-Disposition: attachment;{_filename(file.filename)}",
        ),
        base64.encodebytes(file.content).replace(b"\n", b"\r\n") or b"\r\n",
    )


def _content_type(given: str) -> str:
    """What may be sent in base64: not a message and not a multipart (RFC 2045 §6.4)."""
    kind = given.strip().lower()
    if not _CONTENT_TYPE.fullmatch(kind) or kind.startswith(("multipart/", "message/")):
        return "application/octet-stream"
    return kind


def _filename(filename: str) -> str:
    """The parameter, in ASCII and, where that says less, as RFC 2231 §4 writes it."""
    name = _bounded(one_line(filename)[:LONGEST_FILENAME] or "attachment")
    plain = "".join(c if " " <= c <= "~" and c not in '"\\' else "_" for c in name)
    written = f'\r\n filename="{plain}"'
    if plain == name:
        return written
    return f"{written};\r\n filename*=utf-8''{_quoted(name)}"


def _quoted(name: str) -> str:
    return quote(name, safe="", errors="replace")


def _bounded(name: str) -> str:
    """A name that fits into one line when it is quoted; its ending stays."""
    stem, dot, ending = name.rpartition(".")
    kept = f".{ending}" if dot and len(_quoted(ending)) <= 60 else ""
    stem = stem if kept else name
    while len(_quoted(stem + kept)) > LONGEST_LINE - 100:
        stem = stem[:-1]
    return stem + kept


def _multipart(subtype: str, parts: Sequence[_Part], seed: bytes) -> _Part:
    """Parts between boundaries. ``=_`` is in no quoted-printable, base64 or accepted 7-bit text."""
    boundary = f"=_{subtype[:3]}_{hashlib.sha256(seed + subtype.encode()).hexdigest()[:24]}"
    pieces = [f"--{boundary}\r\n".encode() + _bytes(part) for part in parts]
    body = b"\r\n".join(pieces) + f"\r\n--{boundary}--\r\n".encode()
    return _Part((f'Content-Type: multipart/{subtype};\r\n boundary="{boundary}"',), body)


def _bytes(part: _Part) -> bytes:
    return ("\r\n".join(part.head) + "\r\n\r\n").encode() + part.body.removesuffix(b"\r\n")
