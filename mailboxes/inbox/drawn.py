"""Large bodies that were made safe lately: a hostile page costs once, however often it is opened."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

MOST = 8_000_000  # characters of all bodies together
LEAST = 20_000  # a smaller one is made as quickly as it is found
MAKERS = 16  # bodies that are made at once

Key = tuple[UUID, UUID, UUID, str]  # organization, message, its raw, and how its remote images are shown


@dataclass(frozen=True)
class Body:
    """What is shown in a message's frame: safe HTML, and how many remote images were blocked."""

    html: str
    is_plain: bool
    blocked_images: int = 0
    is_cut: bool = False
    is_plainer: bool = False


class Drawn:
    """The bodies that were looked at last, as many as fit."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._kept: OrderedDict[Key, Body] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()
        self._making = tuple(threading.Lock() for _ in range(MAKERS))

    def body(self, key: Key, make: Callable[[], Body]) -> Body:
        """As it is kept, or made now; who opens the same one meanwhile waits for it."""
        with self._making[hash(key) % MAKERS]:
            body = self._found(key)
            if body is None:
                body = make()
                self._keep(key, body)
            return body

    def _found(self, key: Key) -> Body | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def _keep(self, key: Key, body: Body) -> None:
        if not LEAST <= len(body.html) <= self._most:
            return
        with self._lock:
            self._kept[key] = body
            self._size += len(body.html)
            while self._size > self._most:
                self._size -= len(self._kept.popitem(last=False)[1].html)


DRAWN = Drawn()
