"""About how long a first sync still takes. Pure."""

import math
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


@dataclass(frozen=True, slots=True)
class Allowance:
    """So many bytes of history may be fetched in a day (UTC), and so many of them are left of this one."""

    most: float
    left: float

    def nights_for(self, size: float) -> int:
        """How often it goes on after midnight before so many bytes are here."""
        return math.ceil(max(0, size - max(0, self.left)) / self.most)
