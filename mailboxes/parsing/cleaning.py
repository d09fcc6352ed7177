"""Decoded text made safe for one line: no line breaks, no controls, no bidi overrides."""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

# C0, DEL, C1, the two Unicode line ends, bidi embeddings, overrides and isolates, and halves of
# surrogate pairs, which no database stores.
_BREAKS = re.compile(r"[\t\n\v\f\r\x85\u2028\u2029]+")
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_PIECE = re.compile(r"\S{1,200}")
_LONE_CR = re.compile(r"\r(?!\n)")
_BODY_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f\ud800-\udfff]")
_BODY_CONTROLS_IN_ASCII = bytes([*range(9), 0x0B, *range(0x0E, 0x20), 0x7F])


def one_line(text: str) -> str:
    """``text`` without anything that could end a header or turn the reading direction."""
    if text.isprintable() or not _UNSAFE.search(text):
        return text.strip()
    return _CONTROLS.sub("", _BREAKS.sub(" ", text)).strip()


def normalized(form: Literal["NFC", "NFD", "NFKC", "NFKD"], text: str) -> str:
    """Unicode normalization, a piece at a time: Python takes the square of the time for a run of accents."""
    if text.isascii():
        return text
    return _PIECE.sub(lambda piece: unicodedata.normalize(form, piece[0]), text)


def has_line_break(text: str) -> bool:
    """Whether a decoded header value hides a line break or NUL (reliability §3.1 rule 2)."""
    return "\n" in text or "\r" in text or "\x00" in text


def body_text(text: str) -> str:
    """A text body with ``\\n`` line ends and without controls that PostgreSQL or a page refuses."""
    if _LONE_CR.search(text):
        text = text.replace("\r\r\n", "\n").replace("\r\n", "\n").replace("\r", "\n")
    text = text.replace("\r", "")
    if text.isascii():  # by bytes that is many times faster
        return text.encode("ascii").translate(None, _BODY_CONTROLS_IN_ASCII).decode("ascii")
    return _BODY_CONTROLS.sub("", text)


def first_bytes(text: str, most: int) -> str:
    """As much of ``text`` as so many bytes of UTF-8 hold: an index takes bytes, not characters."""
    return text.encode("utf-8", "ignore")[:most].decode("utf-8", "ignore")
