"""What stays the same of a message however it is parsed (reliability §4.1)."""

from __future__ import annotations

import hashlib

from mailboxes.parsing.charsets import decoded
from mailboxes.parsing.cleaning import body_text
from mailboxes.parsing.headers import Header, header_block, message_start, with_line_feeds
from mailboxes.parsing.transfer import LONE_CR
from mailboxes.parsing.values import DEFAULT, Defects

VERSION = 1

_FIELDS = ("message-id", "date", "from", "subject")


def stable_hash(raw: bytes) -> bytes:
    """33 bytes: the version, and SHA-256 over what every copy of the message has in common.

    Hashed are the raw values of Message-ID, Date, From and Subject (all of each, unfolded) and the
    raw body with line ends folded to LF; each with its length before it, so that no two messages
    can be cut into the same bytes. Received, Delivered-To and X-* differ between copies.
    """
    text = with_line_feeds(raw)
    block = header_block(text, message_start(text), len(text), DEFAULT, Defects())
    return hash_of(block.headers, text[block.body_start :])


def hash_of(headers: tuple[Header, ...], body: bytes) -> bytes:
    """The stable hash of a message whose header block has been read already, by the default limits."""
    digest = hashlib.sha256()
    wanted: dict[str, list[bytes]] = {name: [] for name in _FIELDS}
    for header in headers:
        if header.key in wanted:
            wanted[header.key].append(header.value)
    for values in wanted.values():
        digest.update(len(values).to_bytes(4, "big"))
        for value in values:
            _add(digest, value)
    _add(digest, _folded(body))
    return bytes([VERSION]) + digest.digest()


def stub_hash(header_hash: bytes, size: int) -> bytes:
    """What stands for the stable hash of a message of which only the header and the size are known."""
    digest = hashlib.sha256(header_hash + size.to_bytes(8, "big", signed=True)).digest()
    return bytes([VERSION]) + digest


def header_block_text(raw: bytes) -> str:
    """The header block as it is in the raw, for the page *original* and for quarantined stubs.

    Line breaks and folding are kept; undecodable bytes are guessed; at most 256 KB.
    """
    text = with_line_feeds(raw)
    start = message_start(text)
    block = header_block(text, start, len(text), DEFAULT, Defects())
    end = min(block.body_start, start + DEFAULT.header_bytes)
    return body_text(decoded(text[start:end], "utf-8")).rstrip("\n") + "\n"


def _add(digest: hashlib._Hash, value: bytes) -> None:
    digest.update(len(value).to_bytes(8, "big"))
    digest.update(value)


def _folded(body: bytes) -> bytes:
    """Line ends as LF; empty lines at the end left out, since servers add or drop them."""
    if LONE_CR.search(body):
        body = body.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return body.replace(b"\r", b"").rstrip(b"\n")
