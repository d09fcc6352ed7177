"""The Date header, in every form that reaches a mailbox, as an aware time in UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_tz

MAXIMUM_LENGTH = 500

_COMMENT = re.compile(r"\([^()]*\)")
_ISO = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})[T ]+(\d{1,2}):(\d{2})(?::(\d{2}))?(?:[.,]\d+)?"
    r"\s*(Z|UTC|GMT|[+-]\d{2}:?\d{2})?"
)
_RFC = re.compile(
    r"(?:[^\W\d_]++\s*+[,.]*\s*+)?(\d{1,2})[\s\-/.]+(?:de\s+)?([^\W\d_]{3})[^\W\d_]*[\s\-/.,]+(?:de\s+)?(\d{2,4})"
    r"[\s,]+"
    r"(\d{1,2})\s*+[:.]\s*+(\d{1,2})(?:\s*+[:.]\s*+(\d{1,2}))?(?:[.,]\d+)?\s*+([AaPp][Mm]\b)?\s*+"
    r"(?:(?:GMT|UTC|UT)?\s*([+-])\s?(\d{1,2}?)(?::?(\d{2}))?(?!\d)|([A-Za-z]{1,5}))?"
)
_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "jan gen ene", "feb fev fév", "mar mär mrz", "apr abr avr", "may mai mag maj mei",
            "jun giu juin", "jul lug juil", "aug ago aoû aou", "sep set", "oct okt ott out",
            "nov", "dec dez dic déc",
        ),
        start=1,
    )
    for name in names.split()
}  # fmt: skip
_ZONES = {
    "ut": 0, "utc": 0, "gmt": 0, "z": 0, "wet": 0, "edt": -240, "est": -300, "cdt": -300,
    "cst": -360, "mdt": -360, "mst": -420, "pdt": -420, "pst": -480, "akst": -540, "hst": -600,
    "bst": 60, "met": 60, "cet": 60, "mez": 60, "west": 60, "cest": 120, "mest": 120, "eet": 120,
    "mesz": 120, "sast": 120, "eest": 180, "msk": 180, "msd": 240, "ist": 330, "sgt": 480,
    "hkt": 480, "jst": 540, "kst": 540, "aest": 600, "aedt": 660, "nzst": 720, "nzdt": 780,
}  # fmt: skip


def sent_at(value: str) -> datetime | None:
    """The moment a Date header names, or None. A missing or unknown zone is read as UTC."""
    text = value[:MAXIMUM_LENGTH]
    text = (_COMMENT.sub(" ", text) if "(" in text else text).strip()
    for form in (_from_rfc, _from_iso, _from_standard_library):
        moment = form(text)
        if moment is not None:
            return moment
    return None


def _from_rfc(text: str) -> datetime | None:
    found = _RFC.match(text)
    if found is None:
        return None
    month = _MONTHS.get(found[2].lower())
    if month is None:
        return None
    hour = _hour(int(found[4]), found[7])
    offset = _offset(found[8], found[9], found[10], found[11])
    day, minute, second = int(found[1]), int(found[5]), int(found[6] or 0)
    return _moment(_year(found[3]), month, day, hour, minute, second, offset)


def _hour(hour: int, half: str | None) -> int:
    if half is None or hour > 12:
        return hour
    return hour % 12 + (12 if half.lower() == "pm" else 0)


def _year(digits: str) -> int:
    """RFC 5322 §4.3: two digits are 19xx from 50, three are since 1900."""
    year = int(digits)
    if len(digits) == 2:
        return year + (2000 if year < 50 else 1900)
    return year + 1900 if len(digits) == 3 else year


def _offset(sign: str | None, hours: str, minutes: str | None, name: str | None) -> int:
    if sign is None:
        return _ZONES.get(name.lower(), 0) if name else 0
    total = int(hours) * 60 + int(minutes or 0)
    return -total if sign == "-" else total


def _from_iso(text: str) -> datetime | None:
    found = _ISO.search(text)
    if found is None:
        return None
    year, month, day, hour, minute = (int(found[index]) for index in range(1, 6))
    zone = found[7] or ""
    offset = 0
    if zone[:1] in ("+", "-"):
        offset = _offset(zone[0], zone[1:3], zone[-2:], None)
    return _moment(year, month, day, hour, minute, int(found[6] or 0), offset)


def _from_standard_library(text: str) -> datetime | None:
    try:
        fields = parsedate_tz(text)
    except (ValueError, IndexError, TypeError):
        return None
    if fields is None:
        return None
    year, month, day, hour, minute, second = fields[:6]
    offset = int(fields[9] or 0) // 60  # of a number of any length
    return _moment(year, month, day, hour, minute, second, offset)


def _moment(
    year: int, month: int, day: int, hour: int, minute: int, second: int, offset: int
) -> datetime | None:
    """UTC of the given local time; ``offset`` in minutes. None for a time that there is not."""
    if not 1900 <= year <= 9998 or abs(offset) >= 24 * 60:
        return None
    try:
        moment = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return moment - timedelta(minutes=offset)
