"""How far a first sync has come, and about how long it still takes. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Progress:
    """Messages of the chosen history: ``done`` of ``total`` are here; ``left`` time, if that can be told."""

    done: int
    total: int
    time_left: timedelta | None = None

    @property
    def is_over(self) -> bool:
        """Whether everything is here."""
        return self.done >= self.total


def progress_of(total: int, left: int, began_at: datetime | None, at: datetime) -> Progress:
    """From what was to be fetched, what still is, and when that began: as fast as so far on average."""
    total = max(total, left)
    done = total - left
    if began_at is None or not done or not left:
        return Progress(done, total)
    return Progress(done, total, (at - began_at) * (left / done))


def together(parts: list[tuple[int, int, datetime | None]], at: datetime) -> Progress:
    """The progress over several folders, each (total, left, began at), which come one after another."""
    began = [moment for _, _, moment in parts if moment is not None]
    total, left = sum(max(one[0], one[1]) for one in parts), sum(one[1] for one in parts)
    return progress_of(total, left, min(began, default=None), at)
