"""The files in a winmail.dat, into which Outlook and Exchange put attachments (MS-OXTNEF)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from mailboxes.parsing.charsets import decoded
from mailboxes.parsing.cleaning import one_line

MOST_FILES = 100
MOST_PROPERTIES = 1_000  # of one file that are looked at

_SIGNATURE = b"\x78\x9f\x3e\x22"
_ATTRIBUTE = struct.Struct("<BII")  # level, id with type, length; behind the content a checksum
_FIRST, _CHECKSUM = 6, 2  # bytes
_CODE_PAGE, _RENDERING, _TITLE = 0x00069007, 0x00069002, 0x00018010
_DATA, _PROPERTIES = 0x0006800F, 0x00069005
_LONG_NAME = 0x3707
_NAMED = 0x8000  # from here on a property has a name before its value
_MANY = 0x1000
_SIZES = {2: 4, 3: 4, 4: 4, 5: 8, 6: 8, 7: 8, 10: 4, 11: 4, 20: 8, 64: 8, 72: 16}
_TEXT, _UNICODE = 0x1E, 0x1F
_IN_PIECES = frozenset({_TEXT, _UNICODE, 0x0D, 0x102})  # each with its length


class File(NamedTuple):
    """A name, or "", and where the content lies."""

    name: str
    start: int
    end: int


@dataclass(slots=True)
class _Found:
    title: bytes = b""
    long_name: str | None = None  # None until its properties are read
    place: tuple[int, int] | None = None


@dataclass(slots=True)
class _Package:
    charset: str = "cp1252"
    files: list[_Found] = field(default_factory=list)


def files_of(data: bytes) -> list[File]:
    """The files in it, as far as it can be read. Nothing is copied."""
    package = _Package()
    for kind, start, end in _attributes(data):
        _take(package, kind, data, start, end)
        if len(package.files) > MOST_FILES:
            break
    return [
        File(found.long_name or _text(found.title, package.charset), *found.place)
        for found in package.files[:MOST_FILES]
        if found.place is not None
    ]


def _attributes(data: bytes) -> Iterator[tuple[int, int, int]]:
    """What kind each is, and where its content lies; until one is cut off."""
    if not data.startswith(_SIGNATURE):
        return
    position = _FIRST
    while position + _ATTRIBUTE.size <= len(data):
        _, kind, length = _ATTRIBUTE.unpack_from(data, position)
        start = position + _ATTRIBUTE.size
        if start + length > len(data):
            return
        yield kind, start, start + length
        position = start + length + _CHECKSUM


def _take(package: _Package, kind: int, data: bytes, start: int, end: int) -> None:
    if kind == _CODE_PAGE and end - start >= 4:
        package.charset = f"cp{int.from_bytes(data[start : start + 4], 'little')}"
    elif kind == _RENDERING:  # with it each file begins
        package.files.append(_Found())
    elif package.files and kind == _TITLE:
        package.files[-1].title = data[start:end]
    elif package.files and kind == _DATA:
        package.files[-1].place = start, end
    elif package.files and kind == _PROPERTIES and package.files[-1].long_name is None:
        package.files[-1].long_name = _long_name(data[start:end], package.charset)


def _text(data: bytes, charset: str) -> str:
    return one_line(decoded(data, charset).partition("\0")[0])


def _long_name(data: bytes, charset: str) -> str:
    """The name among the properties of a file (MS-OXTNEF §2.1.3.4); "" if there is none to be read."""
    try:
        return next((_text(*found) for found in _long_names(data, charset)), "")
    except (struct.error, KeyError):
        return ""


def _long_names(data: bytes, charset: str) -> Iterator[tuple[bytes, str]]:
    count, position = _number(data, 0), 4
    for _ in range(min(count, MOST_PROPERTIES)):
        kind, name = struct.unpack_from("<HH", data, position)
        position = _behind_name(data, position + 4) if name >= _NAMED else position + 4
        if kind in _IN_PIECES or kind & _MANY:
            values, position = _number(data, position), position + 4
        else:
            values = 1
        if kind & ~_MANY not in _IN_PIECES:
            position += values * _SIZES[kind & ~_MANY]
            continue
        for _ in range(values):  # as many as there are: each begins with its size
            size, start = _number(data, position), position + 4
            position = start + size + -size % 4
            if name == _LONG_NAME and kind in (_TEXT, _UNICODE):
                yield data[start : start + size], "utf-16-le" if kind == _UNICODE else charset


def _behind_name(data: bytes, position: int) -> int:
    """Behind the set and the number, or the words, by which a property is called."""
    is_words = _number(data, position + 16) == 1
    size = _number(data, position + 20) if is_words else 0
    return position + 24 + size + -size % 4


def _number(data: bytes, position: int) -> int:
    return int(struct.unpack_from("<I", data, position)[0])
