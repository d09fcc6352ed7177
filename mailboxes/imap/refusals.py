"""What a server means by a refusal: by its response code, or by its text where a server has no codes."""

import re

from mailboxes.errors import (
    AuthenticationFailedError,
    CommandRefusedError,
    LoginDisabledError,
    MailboxFullError,
    MailServerError,
    ServerUnavailableError,
    ThrottledError,
    TooManyConnectionsError,
    TurnedAwayError,
)

QUOTA_SECONDS = 3_600.0
LONGEST_BACKOFF = 86_400.0  # whatever a server suggests: it is asked once a day
THROTTLED_SECONDS = 300.0
CLOSED_TO_US = {"NONEXISTENT", "NOPERM", "CANNOT", "TRYCREATE"}
NOT_NOW = {"UNAVAILABLE", "INUSE", "LIMIT", "SERVERBUG", "CONTACTADMIN"}
BAD_CREDENTIALS = {"AUTHENTICATIONFAILED", "AUTHORIZATIONFAILED", "EXPIRED"}

_BACKOFF = re.compile(r"backoff time:?\s*(\d{1,12})", re.IGNORECASE)
_NOT_NOW = re.compile(
    r"temporar|try again|too many|unavailable|not available|simultaneous|internal|overload|"
    r"connections? limit|maximum number|not connected|timed? ?out|system error|lookup failed|generic failure|"
    r"quota",
    re.IGNORECASE,
)
_CONNECTIONS = re.compile(
    r"(?:too many|maximum|maximum number of|simultaneous|concurrent)(?: \w{1,20}){0,2} connections?\b|"
    r"\bconnections? (?:limit|count)",
    re.IGNORECASE,
)
_BUSY = re.compile(r"\bbusy\b", re.IGNORECASE)
_PASSWORD = re.compile(r"password|credential", re.IGNORECASE)
_THROTTLED = re.compile(r"throttl|rate limit", re.IGNORECASE)
_QUOTA = re.compile(r"bandwidth|overquota|over quota", re.IGNORECASE)
_TRAFFIC = re.compile(r"bandwidth|command|traffic|throttl|\brate\b|request", re.IGNORECASE)
_FULL = re.compile(
    r"quota\b.{0,40}\bexceeded|exceed\w{0,5} .{0,40}\bquota|over quota|\bfull\b|storage|disk", re.IGNORECASE
)


def refusal(code: str, text: str) -> MailServerError:
    """The error for a NO or BAD."""
    if _is_full(code, text):
        return MailboxFullError(code=code, text=text[:500])
    if (error := throttling(code, text)) is not None:
        return error
    if "not connected" in text.lower():
        return ServerUnavailableError(retry_after=300)  # Exchange, F33
    if code in NOT_NOW:
        return too_many_connections(text) or TurnedAwayError()
    if code in BAD_CREDENTIALS:
        return AuthenticationFailedError()
    if code == "PRIVACYREQUIRED":
        return LoginDisabledError()
    return CommandRefusedError(code=code, text=text[:500])


def _is_full(code: str, text: str) -> bool:
    """Whether there is no room, told by code or (Cyrus, Courier) in words alone."""
    is_quota = code == "OVERQUOTA" or "quota" in text.lower()
    return is_quota and _FULL.search(text) is not None and not _TRAFFIC.search(text)


def quota_of_traffic(error: MailboxFullError) -> ThrottledError:
    """What it is where nothing was to be filed: too much was read."""
    return ThrottledError(retry_after=backoff_seconds(error.text) or QUOTA_SECONDS)


def login_refusal(error: CommandRefusedError) -> MailServerError:
    """A refused login without a code is a wrong password, unless the text says *not now* (F31)."""
    if (counted := too_many_connections(error.text)) is not None:
        return counted
    is_busy = _BUSY.search(error.text) and not _PASSWORD.search(error.text)  # QQ says all of it at once
    if is_busy or _NOT_NOW.search(error.text):
        return ServerUnavailableError()
    return AuthenticationFailedError()


def too_many_connections(text: str) -> TooManyConnectionsError | None:
    """The error if it is the number of connections that a server minds."""
    return TooManyConnectionsError() if _CONNECTIONS.search(text) else None


def throttling(code: str, text: str) -> ThrottledError | None:
    """The error if we ask too much; where no number is told, a quota of bytes takes hours to recover."""
    if code == "OVERQUOTA" or _QUOTA.search(text):
        return ThrottledError(retry_after=backoff_seconds(text) or QUOTA_SECONDS)
    if code == "THROTTLED" or _BACKOFF.search(text) or _THROTTLED.search(text):
        return ThrottledError(retry_after=backoff_seconds(text) or THROTTLED_SECONDS)
    return None


def backoff_seconds(text: str) -> float | None:
    """``Suggested Backoff Time: 92415 milliseconds`` → 92.415 (F34)."""
    found = _BACKOFF.search(text)
    return min(int(found[1]) / 1000, LONGEST_BACKOFF) if found else None
