"""What templates say about times, sizes, numbers and names.

Every filter is pure but for the zone: `flask.g.zone` (a `zoneinfo.ZoneInfo` or the name of one) is
the zone of the person who looks, UTC when nobody said so.
"""

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from flask import Flask, g, has_app_context, url_for

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_AVATAR_HUES = 8


def add_filters(app: Flask) -> None:
    """Give the templates of `app` every filter of this module, under its own name."""
    for filter_ in (
        relative_time,
        due,
        absolute_time,
        short_time,
        clock_time,
        day_heading,
        date,
        date_and_time,
        machine_time,
        duration,
        file_size,
        count,
        counted,
        initials,
        avatar_hue,
        mail_link,
    ):
        app.add_template_filter(filter_)
    app.add_template_global(icons_url)


def icons_url() -> str:
    """Where the icons are. A page has hundreds of them: the address is made once for all."""
    if "icons_url" not in g:
        g.icons_url = url_for("static", filename="icons.svg")
    return str(g.icons_url)


def mail_link(address: str) -> str:
    """A link to write to an address, and to nobody else: ``a?bcc=b@x.test`` is one that a stranger may have
    (RFC 6068 §2).
    """
    return f"mailto:{quote(address, safe='@+')}"


def relative_time(at: datetime, now: datetime | None = None) -> str:
    """How long ago (or how soon), short enough for a row: `now`, `12 min ago`, `in 3 h`, `3 May`.

    `looks.js` says the same words when it refreshes a page that stays open.
    """
    now = now or datetime.now(UTC)
    seconds = round((now - at).total_seconds())
    if abs(seconds) >= 7 * _DAY:
        return _day(at, now)
    span = _span(abs(seconds))
    if span is None:
        return "now"
    return f"{span} ago" if seconds > 0 else f"in {span}"


def due(at: datetime, now: datetime | None = None) -> str:
    """When something is to happen: as `relative_time`, and `now` where its time has come."""
    now = now or datetime.now(UTC)
    return relative_time(max(at, now), now)


def short_time(at: datetime, now: datetime | None = None) -> str:
    """The time as lists of messages show it: `14:02` today, else `3 May`, or `3 May 2024`."""
    now = (now or datetime.now(UTC)).astimezone(zone())
    local = at.astimezone(zone())
    return f"{local:%H:%M}" if local.date() == now.date() else _day(at, now)


def clock_time(at: datetime) -> str:
    """The time in a list whose headings are days: `14:02:11`."""
    return f"{at.astimezone(zone()):%H:%M:%S}"


def day_heading(at: datetime, now: datetime | None = None) -> str:
    """The day that stands above such times: `Today, 3 Nov`, `Yesterday, 2 Nov`, `Sunday, 1 Nov`."""
    now = now or datetime.now(UTC)
    local = at.astimezone(zone())
    days = (now.astimezone(zone()).date() - local.date()).days
    name = {0: "Today", 1: "Yesterday"}.get(days, f"{local:%A}")
    return f"{name}, {_day(at, now)}"


def date(at: datetime) -> str:
    """A day with its year, however near: `3 May 2026`."""
    local = at.astimezone(zone())
    return f"{local.day} {local:%b %Y}"


def date_and_time(at: datetime) -> str:
    """What tells one thing from another in a list: `3 May 2026, 14:02`."""
    return f"{date(at)}, {at.astimezone(zone()):%H:%M}"


def absolute_time(at: datetime) -> str:
    """The whole truth, for a tooltip: `Tuesday 3 November 2026, 14:02:11 CET`."""
    local = at.astimezone(zone())
    return f"{local:%A} {local.day} {local:%B %Y, %H:%M:%S %Z}"


def machine_time(at: datetime) -> str:
    """The value of a `datetime` attribute: RFC 3339 in UTC."""
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def duration(span: timedelta | float) -> str:
    """How long something took or takes, `span` in seconds: `< 1 ms`, `42 ms`, `3.1 s`, `5 min`."""
    seconds = span.total_seconds() if isinstance(span, timedelta) else float(span)
    if seconds < 0.001:
        return "< 1 ms"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < _MINUTE:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    return _span(round(seconds)) or "0 s"


def file_size(size: int) -> str:
    """Bytes as people read them, in powers of 1024: `812 B`, `14 KB`, `2.4 MB`."""
    if size < 1024:
        return f"{size} B"
    amount = float(size)
    for unit in ("KB", "MB", "GB"):
        amount /= 1024
        if amount < 1024:
            return f"{amount:.0f} {unit}" if amount >= 10 else f"{amount:.1f} {unit}"
    return f"{amount / 1024:.1f} TB"


def count(number: int) -> str:
    """A whole number with thin spaces between thousands: `12 480`."""
    return f"{number:,}".replace(",", "\u202f")


def counted(number: int, plural: str) -> str:
    """``3 drafts``, ``1 draft``, ``1 message still to be sent``."""
    noun, space, rest = plural.partition(" still")
    return f"{count(number)} {noun.removesuffix('s') if number == 1 else noun}{space}{rest}"


def initials(name: str) -> str:
    """One or two letters for an avatar, from a name or an address; `?` for nothing at all."""
    words = [word for word in name.split("@")[0].replace(".", " ").split() if word[0].isalnum()]
    if not words:
        return "?"
    return (words[0][0] + (words[-1][0] if len(words) > 1 else "")).upper()


def avatar_hue(text: str) -> int:
    """One of the avatar colours, always the same for the same text (so never `hash()`)."""
    return sum(ord(letter) * (place + 1) for place, letter in enumerate(text)) % _AVATAR_HUES


def _span(seconds: int) -> str | None:
    if seconds < _MINUTE:
        return None
    if seconds < _HOUR:
        return f"{seconds // _MINUTE} min"
    if seconds < _DAY:
        return f"{seconds // _HOUR} h"
    return f"{seconds // _DAY} d"


def _day(at: datetime, now: datetime) -> str:
    local = at.astimezone(zone())
    day = f"{local.day} {local:%b}"
    return day if local.year == now.astimezone(zone()).year else f"{day} {local.year}"


def zone() -> tzinfo:
    """The zone of the person who looks."""
    chosen: Any = g.get("zone") if has_app_context() else None
    if isinstance(chosen, str):
        return ZoneInfo(chosen)
    return chosen if isinstance(chosen, tzinfo) else UTC
