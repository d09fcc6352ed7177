"""What people type becomes a value, and a value becomes what they would type. Pure."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID
from zoneinfo import available_timezones

from email_validator import EmailNotValidError, validate_email

LONGEST_TEXT = 20_000
# How many of a setting's own unit one of another unit is, by the words people type.
UNITS: dict[str, dict[str, int]] = {
    "s": {"s": 1, "sec": 1, "second": 1, "min": 60, "minute": 60, "h": 3600, "hour": 3600, "day": 86400},
    "h": {"h": 1, "hour": 1, "d": 24, "day": 24, "week": 168},
    "days": {"d": 1, "day": 1, "week": 7, "year": 365},
    "MB": {"mb": 1, "megabyte": 1, "gb": 1024, "gigabyte": 1024},
}


class InvalidValueError(ValueError):
    """A value that the setting does not take; the text is for the person who typed it."""


@dataclass(frozen=True)
class Number:
    """A whole number within a range; in the setting's unit, or in one that is a multiple of it."""

    least: int
    most: int
    what: str = ""
    unit: str = ""

    @property
    def range(self) -> str:
        """The range in words."""
        return f"{self.least:,} to {self.most:,}{f' {self.unit}' if self.unit else ''}"

    def __call__(self, text: str) -> int:
        """The number that was typed, in the setting's own unit."""
        found = re.fullmatch(r"([0-9]{1,9})\s*([a-z]*)", text.strip().lower())
        factor = self._factor(found[2]) if found else None
        of_what = f" of {self.what}" if self.what else ""
        if found is None or factor is None:
            raise InvalidValueError(f"Type a whole number{of_what}, from {self.least:,} to {self.most:,}.")
        value = int(found[1]) * factor
        if not self.least <= value <= self.most:
            raise InvalidValueError(f"Type a number{of_what} from {self.least:,} to {self.most:,}.")
        return value

    def _factor(self, word: str) -> int | None:
        known = UNITS.get(self.unit, {})
        return 1 if not word else known.get(word) or known.get(word.removesuffix("s"))


def switch(text: str) -> bool:
    """On or off."""
    if text in {"true", "1", "on", "yes", "y"}:
        return True
    if text in {"false", "0", "off", "no", "n", ""}:
        return False
    raise InvalidValueError("Choose on or off.")


def choice(*choices: tuple[str, str]) -> Callable[[str], str]:
    """One of (value, label)."""

    def read(text: str) -> str:
        if text not in dict(choices):
            raise InvalidValueError("Choose one of: " + ", ".join(label for _, label in choices) + ".")
        return text

    return read


def text(most: int = 255) -> Callable[[str], str]:
    """A line of text; several lines where more than 255 characters are allowed."""

    def read(text: str) -> str:
        cleaned = text.strip().replace("\r\n", "\n")
        if len(cleaned) > most:
            raise InvalidValueError(f"Use at most {most:,} characters.")
        if "\x00" in cleaned or (most <= 255 and re.search(r"[\r\n]", cleaned)):
            raise InvalidValueError("Use a single line of plain text.")
        return cleaned

    return read


def password(text: str) -> str:
    """A secret as it was typed, spaces and all."""
    if len(text) > 1000 or re.search(r"[\x00\r\n]", text):
        raise InvalidValueError("Use a single line of up to 1,000 characters.")
    return text


def host(text: str) -> str:
    """The name of a server."""
    name = text.strip().rstrip(".").lower()
    if name and not re.fullmatch(r"[a-z0-9.:\[\]_-]{1,253}", name):
        raise InvalidValueError("Type the name of a server, such as smtp.example.com.")
    return name


def address(text: str) -> str:
    """An email address, or nothing."""
    if not text.strip():
        return ""
    try:
        checked = validate_email(text.strip(), check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        raise InvalidValueError("Type an email address, such as notices@example.com.") from None
    return checked.normalized


def https_address(text: str) -> str:
    """An address of the web, or nothing."""
    url = text.strip()
    if url and not re.fullmatch(r"https://[a-z0-9.-]+(:\d{1,5})?(/[!-~]*)?", url):
        raise InvalidValueError(
            "Type an address that begins with https://, such as https://example.com/path."
        )
    return url


def label(text: str) -> str:
    """A name that stands on a button; never nothing."""
    name = " ".join(text.split())
    if not name or len(name) > 40 or not name.isprintable():
        raise InvalidValueError("Type a name of at most 40 characters.")
    return name


def scopes(text: str) -> str:
    """What is asked of an identity provider; openid is always among it."""
    names = list(dict.fromkeys(text.split()))
    if "openid" not in names or not all(re.fullmatch(r"[!#-\[\]-~]{1,100}", name) for name in names):
        raise InvalidValueError("Type scopes with blanks between them, and openid among them.")
    return " ".join(names)


def domains(text: str) -> list[str]:
    """Domains of email addresses, one a line, in lower case, as they are in the normal form of addresses."""
    names = []
    for name in (one for one in re.split(r"[\s,]+", text) if one):
        try:
            checked = validate_email(
                f"anybody@{name.removeprefix('@')}", check_deliverability=False, test_environment=True
            )
        except EmailNotValidError:
            raise InvalidValueError(f"{name} is no domain. Write names such as example.com.") from None
        names.append(checked.domain.lower())
    return list(dict.fromkeys(names))


def server(text: str) -> str:
    """A host with its port."""
    name = text.strip().lower()
    found = re.fullmatch(r"[a-z0-9.-]{1,253}:(\d{1,5})", name)
    if found is None or not 0 < int(found[1]) <= 65535:
        raise InvalidValueError("Type a server with its port, such as imap.example.com:993.")
    return name


def history(text: str) -> int | str:
    """A number of days, or all."""
    if text.strip().lower() == "all":
        return "all"
    return Number(0, 36500, "days (or the word all)", "days")(text)


def some_of(known: Mapping[str, str], what: str) -> Callable[[str], list[str]]:
    """A list of codes, at least one; ``known`` names those there are."""

    def read(text: str) -> list[str]:
        codes = [code for code in re.split(r"[\s,]+", text.strip().lower()) if code]
        if not codes:
            raise InvalidValueError(f"Choose at least one {what}.")
        unknown = [code for code in codes if code not in known]
        if unknown:
            raise InvalidValueError(f"{unknown[0]} is no {what} known here. Known: {', '.join(known)}.")
        return list(dict.fromkeys(codes))

    return read


@cache
def time_zones() -> tuple[str, ...]:
    """The names in the IANA database, in order."""
    return tuple(sorted(available_timezones()))


def time_zone(text: str) -> str:
    """The name of a time zone; upper and lower case do not matter."""
    wanted = text.strip().casefold()
    for name in time_zones():
        if name.casefold() == wanted:
            return name
    raise InvalidValueError("Type a time zone such as Europe/Berlin or UTC.")


def member(text: str) -> str | None:
    """The id of a member or, to be looked up, an address; nobody if empty."""
    cleaned = text.strip().lower()
    if not cleaned or "@" in cleaned:
        return cleaned or None
    try:
        return str(UUID(cleaned))
    except ValueError:
        raise InvalidValueError("Choose a person from the list, or type an address.") from None


def hosts(text: str) -> list[str]:
    """Names of servers, one a line; ``*`` for a part, a port where only one is meant."""
    names = [line.strip().lower() for line in re.split(r"[\s,]+", text) if line.strip()]
    for name in names:
        if not re.fullmatch(r"(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*(:\d{1,5})?|\*", name):
            raise InvalidValueError(
                f"{name} is no host. Write names such as imap.example.com, *.example.com"
                " or mail.example.com:993."
            )
    return names


def typed(value: Any) -> str:
    """A stored value as a form would send it; reading it gives the value again."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "\n".join(value) if isinstance(value, list) else str(value)
