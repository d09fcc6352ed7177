"""About how long a first sync still takes. Pure."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Pace:
    """So many messages of history came in so much time of work; what lay between two passes is none."""

    count: int
    worked: timedelta

    def time_for(self, left: int) -> timedelta | None:
        """How long so many more take, if that can be told."""
        return self.worked * (left / self.count) if self.count > 0 and left > 0 else None
