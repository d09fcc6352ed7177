"""Days and times as people choose them."""

from datetime import datetime

from tenants.errors import InvalidError
from webapp.filters import zone


def moment_of(text: str) -> datetime:
    """The moment that was chosen or typed (ISO 8601), in the zone of the person who looks."""
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(zone()) if moment.tzinfo else moment.replace(tzinfo=zone())
    except (ValueError, OverflowError):
        raise InvalidError("Choose a day and a time.", field="until") from None
