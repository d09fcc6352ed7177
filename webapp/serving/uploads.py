"""Large requests, a few at a time of each person and organization: nobody fills the room that all share."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

MOST = (3, 6)  # of one person, of an organization: of 64 MB each
FULL = "Several uploads are under way. Go back, and try again when one has ended."


class Uploads:
    """What comes in, by those whose it is."""

    def __init__(self) -> None:
        self._running: Counter[str] = Counter()

    @contextmanager
    def place(self, owners: Sequence[str]) -> Iterator[bool]:
        """Whether there is room for one more of a person, then an organization; it is theirs meanwhile."""
        has_room = all(self._running[one] < most for one, most in zip(owners, MOST, strict=False))
        taken = owners if has_room else ()
        self._running.update(taken)
        try:
            yield has_room
        finally:
            self._running.subtract(taken)
            for one in taken:
                if not self._running[one]:
                    del self._running[one]
