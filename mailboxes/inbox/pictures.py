"""Pictures that the bodies of messages show: a message is taken apart once for all of its own.

A browser asks for each picture by itself, a hundred of them at once. To walk through a large message for
each kept a process busy for half a minute, and everybody whose pages it serves.
"""

import struct
import threading
from collections import OrderedDict
from collections.abc import Callable
from uuid import UUID

MOST_BYTES = 48 * 1024 * 1024  # decoded pictures of all messages together: those of the largest fit
LEAST = 1024  # bytes that a message or picture counts for, however small it is
READERS = 16  # messages that are taken apart at once
MOST_PIXELS = 50_000_000  # as many as telephones take; a browser needs four bytes for each

_NO_FRAME = frozenset({0xC4, 0xC8, 0xCC})  # markers of a JPEG among those that tell its size
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xDA)})

Owner = tuple[UUID, UUID]  # an organization and a raw of its own: what is kept is handed to nobody else
Pictures = dict[int, bytes]  # by the position of the attachment


class Shelf:
    """The decoded pictures of the messages that were looked at last, as many as fit."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        self._most = most
        self._kept: OrderedDict[Owner, Pictures] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()
        self._reading = tuple(threading.Lock() for _ in range(READERS))

    def picture(
        self, owner: Owner, position: int, all: Callable[[], Pictures], one: Callable[[], bytes]
    ) -> bytes:
        """As it is kept, or of ``all`` of its message, read now; ``one`` reads what did not fit."""
        pictures = self._found(owner)
        if pictures is None:
            pictures = self._read(owner, all)
        return pictures[position] if position in pictures else one()

    def _read(self, owner: Owner, all: Callable[[], Pictures]) -> Pictures:
        with self._reading[hash(owner) % READERS]:  # who wants the next picture of it waits for the first
            pictures = self._found(owner)
            if pictures is None:
                pictures = all()
                self._keep(owner, pictures)
            return pictures

    def _found(self, owner: Owner) -> Pictures | None:
        with self._lock:
            if owner in self._kept:
                self._kept.move_to_end(owner)
            return self._kept.get(owner)

    def _keep(self, owner: Owner, pictures: Pictures) -> None:
        fitting: Pictures = {}
        room = self._most - LEAST
        for position, content in sorted(pictures.items()):
            room -= LEAST + len(content)
            if room < 0:
                break
            fitting[position] = content
        with self._lock:
            self._kept[owner] = fitting
            self._size += _size(fitting)
            while self._size > self._most and len(self._kept) > 1:
                self._size -= _size(self._kept.popitem(last=False)[1])


def _size(pictures: Pictures) -> int:
    return LEAST + sum(LEAST + len(content) for content in pictures.values())


def is_drawable(picture: bytes) -> bool:
    """Whether drawing it leaves a browser its memory: a few bytes may claim many pixels."""
    try:
        width, height = _size_of(picture)
    except struct.error:  # it is cut off: nothing is drawn
        return True
    return abs(width * height) <= MOST_PIXELS


def _size_of(picture: bytes) -> tuple[int, int]:
    """Width and height; (0, 0) of what is none of the kinds that are drawn."""
    if picture.startswith(b"\x89PNG"):
        return struct.unpack_from(">II", picture, 16)
    if picture.startswith(b"GIF8"):
        return struct.unpack_from("<HH", picture, 6)
    if picture.startswith(b"BM"):
        return struct.unpack_from("<ii", picture, 18)
    if picture.startswith(b"\xff\xd8"):
        return _size_of_jpeg(picture)
    if picture[8:12] == b"WEBP":
        return _size_of_webp(picture)
    return 0, 0


def _size_of_jpeg(picture: bytes) -> tuple[int, int]:
    at = 2
    while (at := picture.find(b"\xff", at)) >= 0:
        (marker,) = struct.unpack_from("B", picture, at + 1)
        if 0xC0 <= marker <= 0xCF and marker not in _NO_FRAME:
            return struct.unpack_from(">HH", picture, at + 5)
        if marker in (0x00, 0xFF):
            at += 1
        elif marker in _WITHOUT_LENGTH:
            at += 2
        else:
            at += 2 + struct.unpack_from(">H", picture, at + 2)[0]
    return 0, 0


def _size_of_webp(picture: bytes) -> tuple[int, int]:
    kind = picture[12:16]
    if kind == b"VP8X":
        return (
            int.from_bytes(picture[24:27], "little") + 1,
            int.from_bytes(picture[27:30], "little") + 1,
        )
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", picture, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack_from("<HH", picture, 26)
    return width & 0x3FFF, height & 0x3FFF


SHELF = Shelf()
