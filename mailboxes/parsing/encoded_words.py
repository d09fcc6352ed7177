"""RFC 2047: ``=?charset?B?…?=`` in header values, in all the forms that mailers really send.

Neighbouring words are joined as bytes before their charset is decoded, since many mailers split
a multibyte character between two words. Everything is linear in the length of the value.
"""

from __future__ import annotations

import binascii
import re
from itertools import groupby
from typing import NamedTuple

from mailboxes.parsing.charsets import decoded, decoded_strictly

_START = re.compile(r"=\?\s*+([A-Za-z0-9][^?\s]{0,59}|)\s*+\?\s*+([bBqQ])\s*+\?")
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1f]")
_HEX = re.compile(rb"=([0-9A-Fa-f]{2})")
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]")


class _Word(NamedTuple):
    source: str
    charset: str
    content: bytes
    end: int
    base64: str  # as it was written; "" of any other


def decoded_words(text: str) -> str:
    """``text`` with its encoded words decoded; what is no encoded word stays as it is."""
    if "=?" not in text:
        return text
    decoded_once = _Words(text).decoded()
    # Some mailers encode what they had encoded before.
    return _Words(decoded_once).decoded() if "?=" in decoded_once else decoded_once


class _Words:
    """One pass over one value. Where the next ``?=`` is, is remembered: that keeps it linear."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.pieces: list[str] = []
        self.run: list[_Word] = []
        self.close = -1

    def decoded(self) -> str:
        """The whole value."""
        text, position, searched = self.text, 0, 0
        while (start := text.find("=?", searched)) >= 0:
            word = self._word_at(start)
            if word is None:
                searched = start + 2
                continue
            self._between(text[position:start])
            self.run.append(word)
            position = searched = word.end
        self._between(text[position:], is_last=True)
        return "".join(self.pieces)

    def _between(self, gap: str, *, is_last: bool = False) -> None:
        """White space between two encoded words is no text (RFC 2047 §6.2)."""
        if self.run and not is_last and not gap.strip():
            return
        self.pieces.append(_joined(self.run))
        self.pieces.append(gap)
        self.run.clear()

    def _word_at(self, start: int) -> _Word | None:
        opening = _START.match(self.text, start)
        if opening is None:
            return None
        content_start = opening.end()
        close = self._close_after(content_start)
        following = self.text.find("=?", content_start, close + 1)
        if following >= 0 and _START.match(self.text, following):
            return None  # this word was never closed; the next one begins in it
        content = self.text[content_start:close]
        if close == len(self.text) and re.search(r"[\s?]", content):
            return None  # a last word that was cut off is taken when nothing but it follows
        source = self.text[start : close + 2]
        base64 = content if opening[2] in "bB" else ""
        return _Word(source, _charset(opening[1]), _content(content, opening[2]), close + 2, base64)

    def _close_after(self, position: int) -> int:
        if self.close < position:
            found = self.text.find("?=", position)
            self.close = len(self.text) if found < 0 else found
        return self.close


def _joined(run: list[_Word]) -> str:
    """The text of neighbouring words; those of one charset are one run of bytes."""
    return "".join(_text_of(list(words)) for _, words in groupby(run, key=lambda word: word.charset))


def _text_of(words: list[_Word]) -> str:
    """Their text; as they were written where the bytes are no text in any charset."""
    content, charset = _content_of(words), words[0].charset
    text = decoded_strictly(content, charset)
    if text is not None:
        return text
    guess = decoded(content, charset)
    return " ".join(word.source for word in words) if _CONTROLS.search(guess) else guess


def _content_of(words: list[_Word]) -> bytes:
    """Their bytes; some mailers cut what they had encoded, and each word alone is then no whole base64."""
    joined = "".join(word.base64 for word in words)
    is_cut = any(len(word.base64) % 4 for word in words) and len(joined) % 4 == 0
    if is_cut and "=" not in joined[:-2] and all(word.base64 for word in words):
        return _content(joined, "b")
    return b"".join(word.content for word in words)


def _charset(label: str) -> str:
    return label.split("*", 1)[0].lower() if label else "utf-8"


def _content(content: str, encoding: str) -> bytes:
    data = content.encode("utf-8", "surrogateescape")
    return _from_q(data) if encoding in "qQ" else from_base64_word(data)


def _from_q(data: bytes) -> bytes:
    return _HEX.sub(lambda found: bytes([int(found[1], 16)]), data.replace(b"_", b" "))


def from_base64_word(data: bytes) -> bytes:
    """Base64 without regard to its padding or to characters that do not belong."""
    kept = _NOT_BASE64.sub(b"", data)
    kept = kept[: len(kept) - 1] if len(kept) % 4 == 1 else kept
    try:
        return binascii.a2b_base64(kept + b"=" * (-len(kept) % 4))
    except binascii.Error:  # cannot be, by construction
        return b""
