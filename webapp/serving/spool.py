"""Requests and answers on their way: in memory while they are small, in temporary files beyond that."""

from collections import deque
from tempfile import SpooledTemporaryFile

from webapp.serving.connection import Message

MOST_KEPT = 1024 * 1024 * 1024  # bytes of all large requests and answers, in temporary files
PIECE = 64 * 1024
IN_MEMORY = 256 * 1024  # then a file is written …
IN_A_FILE = 8 * 1024 * 1024  # … and another one


class FullError(Exception):
    """No more is kept in this process."""


class Files:
    """How much is kept in temporary files, by all of a process."""

    def __init__(self) -> None:
        self.size = 0


class Spool:
    """Bytes in the order in which they came, in files where there are many; what was taken is let go."""

    def __init__(self, files: Files) -> None:
        self._all = files
        self._files: deque[SpooledTemporaryFile[bytes]] = deque()
        self._taken_of_first = self._size_of_last = 0
        self.size = 0

    def __enter__(self) -> "Spool":
        return self

    def __exit__(self, *_: object) -> None:
        self._grow(-self.size)
        while self._files:
            self._files.popleft().close()

    def put(self, piece: bytes) -> None:
        """Add to the end. Raises `FullError`, or `OSError` where a disk or process has room for no more."""
        if self.size + len(piece) > IN_MEMORY and self._all.size + len(piece) > MOST_KEPT:
            raise FullError
        if not self._files or self._size_of_last >= IN_A_FILE:
            self._files.append(SpooledTemporaryFile(IN_MEMORY))  # noqa: SIM115 -- `take` or `__exit__` does
            self._size_of_last = 0
        self._files[-1].seek(self._size_of_last)
        self._files[-1].write(piece)
        self._size_of_last += len(piece)
        self._grow(len(piece))

    def take(self) -> bytes:
        """The next piece; none where there is nothing left."""
        while self._files:
            self._files[0].seek(self._taken_of_first)
            if piece := self._files[0].read(PIECE):
                self._taken_of_first += len(piece)
                self._grow(-len(piece))
                return piece
            self._files.popleft().close()
            self._taken_of_first = 0
        return b""

    async def receive(self) -> Message:
        """The next piece, as an application asks for its request."""
        piece = self.take()
        return {"type": "http.request", "body": piece, "more_body": self.size > 0}

    def _grow(self, count: int) -> None:
        self.size += count
        self._all.size += count
