"""Large answers on their way: whoever takes theirs slowly fills a share of the room, not all of it."""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

import structlog

from webapp.serving.connection import Message

LARGE = 1024 * 1024
MOST = (128 * LARGE, 512 * LARGE)  # bytes of one person, of an organization, that are not taken yet
UNKNOWN = 64 * LARGE  # of an answer that does not say how long it is: made no further ahead than that
FULL = (
    "Other large files of yours are still on their way. Wait until one has come, or stop it, and try again."
)

log = structlog.get_logger()


class Shares:
    """How much of the answers of a process belongs to whom."""

    def __init__(self) -> None:
        self._kept: Counter[str] = Counter()

    def take(self, owners: Sequence[str], size: int) -> bool:
        """Whether a person, then an organization, have room for so much more; the first always has."""
        if any(
            self._kept[one] and self._kept[one] + size > most for one, most in zip(owners, MOST, strict=False)
        ):
            return False
        self._kept.update(dict.fromkeys(owners, size))
        return True

    def leave(self, owners: Sequence[str], size: int) -> None:
        """So much of theirs has gone."""
        self._kept.subtract(dict.fromkeys(owners, size))
        for one in owners:
            if not self._kept[one]:
                del self._kept[one]


class Share:
    """What one answer takes of it, for as long as somebody takes the answer."""

    def __init__(self, all_shares: Shares, whose: Callable[[], Awaitable[Sequence[str] | None]]) -> None:
        self._all = all_shares
        self._whose = whose
        self._owners: Sequence[str] = ()
        self._size = 0

    async def admits(self, start: Message) -> bool:
        """Whether an answer that begins so may follow. Never raises: nobody knows then whose it is."""
        size = _size_of(start)
        if size <= LARGE:
            return True
        try:
            owners = await self._whose() or ()
        except Exception as error:  # noqa: BLE001 -- a thread would wait for us for good
            log.warning("nobody knows whose a large answer is", error=type(error).__name__)
            return True
        if not self._all.take(owners, size):
            return False
        self._owners, self._size = owners, size
        return True

    def leave(self) -> None:
        """The answer has gone, or is not wanted any more."""
        self._all.leave(self._owners, self._size)
        self._owners = ()


def _size_of(start: Message) -> int:
    """As announced; what is made while it is sent says nothing."""
    if start["status"] not in (200, 206):
        return 0
    told = {name.lower(): value for name, value in start.get("headers", ())}.get(b"content-length", b"")
    return int(told) if told.isdigit() else UNKNOWN
