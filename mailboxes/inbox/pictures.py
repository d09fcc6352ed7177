"""Pictures that the bodies of messages show: a message is taken apart once for all of its own.

A browser asks for each picture by itself, a hundred of them at once. To walk through a large message for
each kept a process busy for half a minute, and everybody whose pages it serves.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from uuid import UUID

MOST_BYTES = 48 * 1024 * 1024  # decoded pictures of all messages together: those of the largest fit
LEAST = 1024  # bytes that a message or picture counts for, however small it is
READERS = 16  # messages that are taken apart at once

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


SHELF = Shelf()
