"""How many bytes of an account may be fetched in a day: providers lock accounts out that are read too much.

Gmail permits 2,500 MB a day, and is silent for a day to those who take more. History leaves the last part
of the budget to new mail.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from mailboxes.errors import ThrottledError
from mailboxes.setup.first_sync import SHARE_OF_HISTORY


class BudgetSpentError(ThrottledError):
    """What may be fetched from this account in a day has been fetched."""

    message = "As much was fetched from this account today as is permitted in a day."
    advice = "Postroom goes on after midnight (UTC). A system administrator may permit more."
    needs_reconnect = False


@dataclass(frozen=True, slots=True)
class Budget:
    """Of one pass: ``most`` bytes in a day, ``spent`` of them before the pass began at ``at``."""

    most: int
    spent: int
    at: datetime

    def demand(self, received: int) -> None:
        """Raise `BudgetSpentError` if this pass has received all that was left."""
        if self.spent + received >= self.most:
            raise BudgetSpentError(retry_after=_until_midnight(self.at))

    def is_left_for_history(self, received: int) -> bool:
        """Whether history may go on, or has to leave the rest of the day to new mail."""
        return self.spent + received < self.most * SHARE_OF_HISTORY


def _until_midnight(at: datetime) -> float:
    moment = at.astimezone(UTC)
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    return (midnight - moment).total_seconds()
