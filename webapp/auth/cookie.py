"""The cookies of the door: a session's token, and which accounts have signed in with this browser."""

import hashlib
from datetime import timedelta

from flask import Request, Response, current_app
from itsdangerous import BadData, URLSafeSerializer

from tenants.users import SESSION_LIFETIME

KNOWN_FOR = timedelta(days=365)
MOST_KNOWN = 10  # accounts of one browser


def name() -> str:
    """The cookie's name; over HTTPS it is bound to this host alone."""
    return "__Host-postroom" if _is_secure() else "postroom"


def token_of(request: Request) -> str:
    """The token the browser sent, or nothing."""
    return request.cookies.get(name(), "")


def remember(response: Response, token: str) -> None:
    """Let the browser keep the token."""
    response.set_cookie(
        name(),
        token,
        max_age=int(SESSION_LIFETIME.total_seconds()),
        secure=_is_secure(),
        httponly=True,
        samesite="Lax",
        path="/",
    )


def forget(response: Response) -> None:
    """Take the token from the browser."""
    response.delete_cookie(name(), secure=_is_secure(), httponly=True, samesite="Lax", path="/")


def is_known(request: Request, address: str) -> bool:
    """Whether somebody who knew the password of this account has signed in with this browser."""
    return _mark(address) in _known(request)


def make_known(request: Request, response: Response, address: str) -> None:
    """Let the browser remember that, also after signing out: it opens nothing, see `tenants.attempts`."""
    mark = _mark(address)
    marks = [mark, *(one for one in _known(request) if one != mark)][:MOST_KNOWN]
    response.set_cookie(
        f"{name()}_known",
        _serializer().dumps(marks),
        max_age=int(KNOWN_FOR.total_seconds()),
        secure=_is_secure(),
        httponly=True,
        samesite="Lax",
        path="/",
    )


def _known(request: Request) -> list[str]:
    try:
        marks: list[str] = _serializer().loads(request.cookies.get(f"{name()}_known", ""))
    except BadData:
        return []
    return marks


def _mark(address: str) -> str:
    return hashlib.sha256(address.strip().lower().encode()).hexdigest()[:32]


def _serializer() -> URLSafeSerializer:
    return URLSafeSerializer(current_app.secret_key or "", salt="known browser")


def _is_secure() -> bool:
    base_url: str = current_app.config["POSTROOM"].base_url
    return base_url.startswith("https:")
