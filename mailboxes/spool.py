"""Bytes that come piece by piece: in memory while they are few, then in a file that has no name.

A message of any size passes through a worker within constant memory: fetched in pieces, hashed on the
way, compressed and stored as a stream.
"""

import hashlib
import os
from collections.abc import Iterator
from tempfile import SpooledTemporaryFile
from typing import IO

IN_MEMORY_BYTES = 1024 * 1024
CHUNK_BYTES = 256 * 1024


class Spool:
    """What has come so far. The file is gone with the object."""

    def __init__(self) -> None:
        self._file: SpooledTemporaryFile[bytes] = SpooledTemporaryFile(max_size=IN_MEMORY_BYTES)  # noqa: SIM115
        self._digest = hashlib.sha256()
        self.size = 0

    def __del__(self) -> None:
        self._file.close()

    def add(self, piece: bytes) -> None:
        """Append a piece."""
        self._file.seek(0, os.SEEK_END)
        self._file.write(piece)
        self._digest.update(piece)
        self.size += len(piece)

    @property
    def sha256(self) -> bytes:
        """The digest of all that has come."""
        return self._digest.digest()

    def opened(self) -> IO[bytes]:
        """To be read from the beginning."""
        self._file.seek(0)
        return self._file

    def content(self) -> bytes:
        """All of it, for what is known to be small."""
        return self.opened().read()

    def chunks(self) -> Iterator[bytes]:
        """All of it, a little at a time."""
        file = self.opened()
        while chunk := file.read(CHUNK_BYTES):
            yield chunk
