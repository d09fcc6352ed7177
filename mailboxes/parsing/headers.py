"""Header blocks: where they end, what lines they hold, and what their values say (RFC 5322 §2.2).

Broken blocks are read as a person would read them: a leading mbox ``From `` line is dropped, line
ends may be CRLF, LF, CR or a mixture, a line that is no header ends the block, unless headers go
on after it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain, islice
from typing import NamedTuple

from mailboxes.parsing.charsets import decoded, is_utf8
from mailboxes.parsing.cleaning import one_line
from mailboxes.parsing.encoded_words import decoded_words
from mailboxes.parsing.transfer import LONE_CR
from mailboxes.parsing.values import Defects, Limits


class Header(NamedTuple):
    """One header: its name as written, its raw value on one line (unfolded, and not decoded), its name in
    lower case.
    """

    name: str
    value: bytes
    key: str


class HeaderBlock(NamedTuple):
    """The headers of a message or part, and the offset in the raw where its body begins."""

    headers: tuple[Header, ...]
    body_start: int


_EMPTY_LINE = re.compile(rb"\r*\n")
_BLANK = re.compile(rb"\n\r*\n")
_NAME = re.compile(rb"([!-9;-~]{1,200})[ \t]*:")
_WHOLE_NAME = re.compile(rb"[!-9;-~]{1,200}")
_JAPANESE = b"\x1b$"  # how ISO-2022-JP begins: letters of seven bits, which old mailers encode no further
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # of a file that went through an editor
_MBOX_FROM = re.compile(rb"(?>\xef\xbb\xbf)?+(?:\s*\n)?>?From (?![ \t]*+:)[^\r\n]*\r*\n")
_BARE_CR_HEADERS = re.compile(rb"\A[!-9;-~]+:[^\r\n]*\r(?!\n)[!-9;-~]+:")
_HEADER = re.compile(rb"([!-9;-~]{1,200})[ \t]*:([^\n]*(?:\n[ \t][^\n]*)*)(?:\n|\Z)")
# In a block without tabs and carriage returns.
_HEADERS = re.compile(rb"(?m)^([^:\n]{1,200}):([^\n]*(?:\n [^\n]*)*)\n")
_BLANKS_FOR_TABS = bytes.maketrans(b"\t", b" ")
_BEGINNING = re.compile(
    rb"(?m)^([!-9;-~]{1,200}+)[ \t]*+:([^\n]{0,32768}+(?>\n[ \t][^\n]{0,1000}+){0,100}+)"
    rb"[^\n]*+(?>\n[ \t][^\n]*+)*+"
)
_BLANK_FOLD = re.compile(rb"\n[ \t]+\r*\n")
# White space alone on a folded line, before an encoded word: the mailer's folding, not its text.
_BROKEN_FOLD = re.compile(rb"\r?\n[ \t]{1,200}\r?\n[ \t]{1,200}(?==\?)")
_CONTINUED = re.compile(rb"[ \t]+\S|[!-9;-~]{1,200}[ \t]*:|\r*(?:\n|\Z)")
_FOREIGN_NAME = re.compile(rb"[\x21-\x39\x3b-\x7e\x80-\xff]{1,60}:[ \t]")


def with_line_feeds(raw: bytes) -> bytes:
    """``raw`` as it is, or with LF for CR where the message was written with bare CRs."""
    if b"\r" not in raw:
        return raw
    if b"\n" not in raw or _BARE_CR_HEADERS.match(raw):
        return raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return raw


def message_start(raw: bytes) -> int:
    """Where the headers begin: behind a byte order mark, an mbox ``From `` line and leading empty lines."""
    mbox = _MBOX_FROM.match(raw)
    start = mbox.end() if mbox else len(_BYTE_ORDER_MARK) * raw.startswith(_BYTE_ORDER_MARK)
    while raw[start : start + 1] in (b"\r", b"\n"):
        start += 1
    return start


def header_block(raw: bytes, start: int, end: int, limits: Limits, defects: Defects) -> HeaderBlock:
    """Read the headers of ``raw[start:end]``."""
    if at_once := _EMPTY_LINE.match(raw, start, end):
        return HeaderBlock((), at_once.end())
    blank = _BLANK.search(raw, start, end)
    block_end = blank.start() + 1 if blank else end
    body_start = blank.end() if blank else end
    capped = min(block_end, start + limits.header_bytes)
    if capped < block_end:
        defects.add("header-too-large")
        capped = raw.rfind(b"\n", start, capped) + 1 or capped
    reader = _Reader(raw, start, capped, limits, defects)
    headers = reader.read()
    if capped < block_end:
        headers += tuple(_beginnings(raw, capped, block_end, limits))
    if reader.stopped_at is not None:
        body_start = reader.stopped_at
    elif blank is None and start < end:
        defects.add("no-body-separator")
    return HeaderBlock(headers, body_start)


def _beginnings(raw: bytes, start: int, end: int, limits: Limits) -> Iterator[Header]:
    """The headers behind what is read whole, each cut: an endless one hides no subject and no type."""
    left = limits.header_bytes
    for found in islice(_BEGINNING.finditer(raw, start, end), limits.headers):
        left -= len(found[2])
        if left < 0:
            return
        name = found[1].decode("ascii")
        yield Header(name, _unfolded(found[2]), name.lower())


class _Reader:
    """Goes through the lines of one block."""

    def __init__(self, raw: bytes, start: int, end: int, limits: Limits, defects: Defects) -> None:
        self.raw, self.position, self.end = raw, start, end
        self.limits, self.defects = limits, defects
        self.stopped_at: int | None = None
        self.may_skip: bool | None = None
        self.names: list[str] = []
        self.values: list[list[bytes]] = []

    def read(self) -> tuple[Header, ...]:
        """All headers of the block: well-formed ones at once, from the first odd one by line."""
        if not _BLANK_FOLD.search(self.raw, self.position, self.end):
            if at_once := self._all_well_formed():
                return at_once
            self._read_well_formed()
        while self.position < self.end and self.stopped_at is None:
            line_end = self.raw.find(b"\n", self.position, self.end)
            line_end = self.end if line_end < 0 else line_end + 1
            self._take(self.raw[self.position : line_end])
            self.position = line_end
        return tuple(
            Header(name, _unfolded(b"".join(lines)), name.lower())
            for name, lines in zip(self.names, self.values, strict=True)
        )

    def _all_well_formed(self) -> tuple[Header, ...]:
        """The headers of a block in which there is nothing else; none of any other block."""
        block = self.raw[self.position : self.end]
        if LONE_CR.search(block):
            return ()
        block = block.translate(_BLANKS_FOR_TABS, b"\r")
        found = _HEADERS.findall(block)
        length = sum(map(len, chain.from_iterable(found))) + 2 * len(found)  # a colon, a line end
        if len(found) > self.limits.headers or length != len(block):
            return ()
        names = [_name_and_key(name) for name, _ in found]
        if ("", "") in names:
            return ()
        return tuple(
            [
                Header(name, (value.replace(b"\n", b"") if b"\n" in value else value).strip(), key)
                for (name, key), (_, value) in zip(names, found, strict=True)
            ]
        )

    def _read_well_formed(self) -> None:
        while header := _HEADER.match(self.raw, self.position, self.end):
            self._start(header[1], header[2])
            self.position = header.end()

    def _take(self, line: bytes) -> None:
        if line[:1] in (b" ", b"\t") and self.values:
            self._continue(line)
        elif name := _NAME.match(line):
            self._start(name[1], line[name.end() :])
        elif line.startswith((b"From ", b">From ")):
            self.defects.add("mbox-line-in-header")
        else:
            self._odd(line)

    def _continue(self, line: bytes) -> None:
        """A folded line; one of white space alone is the separator where no header follows."""
        if not line.strip() and not _CONTINUED.match(self.raw, self.position + len(line), self.end):
            self.stopped_at = self.position + len(line)
            self.defects.add("no-body-separator")
        else:
            self.values[-1].append(line)

    def _start(self, name: bytes, value: bytes) -> None:
        if len(self.names) >= self.limits.headers:
            self.defects.add("too-many-headers")
            return
        self.names.append(name.decode("ascii"))
        self.values.append([value])

    def _odd(self, line: bytes) -> None:
        """A line that is no header: junk when headers go on after it, else the body's first."""
        if _FOREIGN_NAME.match(line) or self._headers_go_on(self.position + len(line)):
            self.defects.add("line-without-colon-in-header")
        else:
            self.defects.add("no-body-separator")
            self.stopped_at = self.position

    def _headers_go_on(self, start: int) -> bool:
        """Whether most lines up to the empty line are headers; asked once for each block."""
        if self.may_skip is None:
            lines = self.raw[start : self.end].split(b"\n")[:-1]
            kinds = [bool(_CONTINUED.match(line)) for line in lines]
            self.may_skip = bool(kinds) and kinds[0] and sum(kinds) > 4 * kinds.count(False)
        return self.may_skip


@lru_cache(maxsize=2_048)
def _name_and_key(name: bytes) -> tuple[str, str]:
    """The name of a header, and the same in lower case; both empty if it is none."""
    if not _WHOLE_NAME.fullmatch(name):
        return "", ""
    text = name.decode("ascii")
    return text, text.lower()


def _unfolded(value: bytes) -> bytes:
    """A raw value on one line (RFC 5322 §2.2.3)."""
    value = value.strip()
    if b"\n" in value or b"\r" in value:
        if b"=?" in value:
            value = _BROKEN_FOLD.sub(b"", value)
        value = value.replace(b"\r\n", b"").replace(b"\n", b"").replace(b"\r", b" ")
    return value.replace(b"\t", b" ").strip()


def header_text(value: bytes, charset: str | None) -> str:
    """The value of a `Header` as text, encoded words and all other things still in it."""
    if value.isascii() and _JAPANESE not in value:
        return value.decode("ascii")
    return decoded(value, "utf-8" if is_utf8(value) else charset)


def readable_headers(headers: tuple[Header, ...], charset: str | None) -> tuple[tuple[str, str], ...]:
    """Names and values of headers, as `readable` makes them; at once where all are as plain as most are."""
    joined = b"".join([header.value for header in headers])
    if joined.isascii() and b"=?" not in joined and joined.decode("ascii").isprintable():
        return tuple([(header.name, header.value.decode("ascii")) for header in headers])
    return tuple([(header.name, readable(header.value, charset)) for header in headers])


def readable(value: bytes, charset: str | None) -> str:
    """The value of a `Header` as a person reads it: decoded, without controls."""
    if value.isascii() and b"=?" not in value and (text := value.decode("ascii")).isprintable():
        return text
    return one_line(decoded_words(header_text(value, charset)))
