"""Attempts that failed, counted: whoever guesses is slowed down, and locks out no browser that is known.

See docs/decisions/0027-guessing-is-slowed.md.
"""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network

from sqlalchemy import case, delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from tenants.database import Base, db, now
from tenants.errors import TooManyAttemptsError

ATTEMPTS_PER_ACCOUNT = 10  # from one place
ATTEMPTS_PER_PLACE = 50
ATTEMPTS_PER_BROWSER = 10  # at one account, in a browser that it has signed in with
ATTEMPTS_BY_STRANGERS = 100  # at one account, from wherever, in browsers that it never signed in with
ATTEMPT_WINDOW = timedelta(minutes=15)
HOUSEHOLD = 64  # bits of an IPv6 address that one party is given; the others are its own to choose

Limits = Mapping[bytes, int]  # what an attempt is counted by, and how many may fail in a window


class SignInAttempt(Base):
    """Failed attempts in the current window, by account, place and browser (all hashed)."""

    __tablename__ = "sign_in_attempts"

    key: Mapped[bytes] = mapped_column(primary_key=True)
    count: Mapped[int] = mapped_column(default=0)
    started_at: Mapped[datetime] = mapped_column(default=now)


def password_limits(address: str, place: str, browser: str) -> Limits:
    """For passwords: this account from this place, the place, and the account from wherever.

    ``browser``: the id of one that has signed in with the account before, else "". It is counted by itself:
    what others do, far away or beside it, would keep the account's owner out.
    """
    if browser:
        return {_browser_key(address, browser): ATTEMPTS_PER_BROWSER}
    limits = _limits("account", "place", address, place)
    return {**limits, _key("strangers", address): ATTEMPTS_BY_STRANGERS}


def reset_limits(address: str, place: str) -> Limits:
    """For links to a new password that somebody asks for."""
    return _limits("reset", "reset place", address, place)


def joining_limits(address: str, place: str) -> Limits:
    """For whoever would join by the link of an invitation."""
    return _limits("joining", "joining place", address, place)


def code_limits(user_id: object, place: str) -> Limits:
    """For codes of a second factor: this account from wherever, and the place, apart from its passwords."""
    return {
        _key("code", str(user_id)): ATTEMPTS_PER_ACCOUNT,
        _key("code place", network_of(place)): ATTEMPTS_PER_PLACE,
    }


def token_limits(place: str) -> Limits:
    """For tokens of the API: the place alone, as a token that is not known is nobody's."""
    return {_key("token place", network_of(place)): ATTEMPTS_PER_PLACE}


def refuse_throttled(limits: Limits) -> None:
    """`TooManyAttemptsError` where a window is full."""
    rows = db.session.scalars(
        select(SignInAttempt).where(
            SignInAttempt.key.in_(limits), SignInAttempt.started_at > now() - ATTEMPT_WINDOW
        )
    )
    if any(row.count >= limits[row.key] for row in rows):
        raise TooManyAttemptsError


def count_attempt(keys: Iterable[bytes]) -> None:
    """One more failed attempt in the current window. The caller commits."""
    is_over = SignInAttempt.started_at <= now() - ATTEMPT_WINDOW
    for key in keys:
        statement = insert(SignInAttempt).values(key=key, count=1, started_at=now())
        db.session.execute(
            statement.on_conflict_do_update(
                index_elements=[SignInAttempt.key],
                set_={
                    "count": case((is_over, 1), else_=SignInAttempt.count + 1),
                    "started_at": case((is_over, now()), else_=SignInAttempt.started_at),
                },
            )
        )


def forget_attempts(address: str, place: str, browser: str = "") -> None:
    """Whoever has proven who they are begins anew, at their place or in the known browser."""
    at_place = _key("account", f"{address}|{network_of(place)}")
    key = _browser_key(address, browser) if browser else at_place
    db.session.execute(delete(SignInAttempt).where(SignInAttempt.key == key))


def network_of(place: str) -> str:
    """What one party holds: an IPv4 address, or the network that an IPv6 address lies in."""
    try:
        address = ip_address(place.partition("%")[0])
    except ValueError:
        return place
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ip_network((address, HOUSEHOLD), strict=False))


def _limits(account: str, place_kind: str, address: str, place: str) -> Limits:
    network = network_of(place)
    return {
        _key(account, f"{address}|{network}"): ATTEMPTS_PER_ACCOUNT,
        _key(place_kind, network): ATTEMPTS_PER_PLACE,
    }


def _browser_key(address: str, browser: str) -> bytes:
    return _key("browser", f"{address}|{browser}")


def _key(kind: str, value: str) -> bytes:
    return hashlib.sha256(f"{kind}|{value}".encode()).digest()
