"""The cookies of the door: a session's token, and which accounts have signed in with this browser."""

import hashlib
import hmac
import secrets as random
from datetime import timedelta

from flask import Request, Response, current_app
from flask import session as pages
from itsdangerous import BadData, URLSafeTimedSerializer

from tenants.application import settings_of
from tenants.settings import Settings
from tenants.users import SESSION_LIFETIME, User, user_by_address

KNOWN_FOR = timedelta(days=365)  # from the last time that somebody signed in with it
MOST_KNOWN = 10  # accounts of one browser


def name() -> str:
    """The cookie's name; over HTTPS it is bound to this host alone."""
    return name_for(settings_of(current_app))


def name_for(settings: Settings) -> str:
    """The same, with which the names of our other cookies begin."""
    return "__Host-postroom" if settings.base_url.startswith("https:") else "postroom"


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


def leave_others_pages(user: User) -> None:
    """What somebody else left open in this browser is not sent in this user's name; their own pages go on."""
    if pages.get("user", str(user.id)) != str(user.id):
        pages.clear()
    pages["user"] = str(user.id)


def forget(response: Response) -> None:
    """Take the token from the browser."""
    response.delete_cookie(name(), secure=_is_secure(), httponly=True, samesite="Lax", path="/")


def known_browser(request: Request, address: str) -> str:
    """The id of this browser, if somebody who knew the present password of this account signed in with it.

    Else "": also for an address that nobody has, and after a new password.
    """
    browser, marks = _known(request)
    user = user_by_address(address)
    return browser if user is not None and _mark(browser, user) in marks else ""


def make_known(request: Request, response: Response, user: User) -> None:
    """Let the browser remember that, also after signing out: it opens nothing (`tenants.users.attempts`)."""
    browser, marks = _known(request)
    browser = browser or random.token_urlsafe(16)
    mark = _mark(browser, user)
    response.set_cookie(
        f"{name()}_known",
        _serializer().dumps([browser, [mark, *(one for one in marks if one != mark)][:MOST_KNOWN]]),
        max_age=int(KNOWN_FOR.total_seconds()),
        secure=_is_secure(),
        httponly=True,
        samesite="Lax",
        path="/",
    )


def _known(request: Request) -> tuple[str, list[str]]:
    """The browser's id, and a mark for each account that has signed in with it."""
    kept = request.cookies.get(f"{name()}_known", "")
    try:
        browser, marks = _serializer().loads(kept, max_age=int(KNOWN_FOR.total_seconds()))
    except BadData:
        return "", []
    return browser, marks


def _mark(browser: str, user: User) -> str:
    """What only this browser has of this account, and only until its password changes."""
    text = f"known browser|{browser}|{user.id}|{user.password_hash}".encode()
    key = settings_of(current_app).secret_key.encode()
    return hmac.new(key, text, hashlib.sha256).hexdigest()[:32]


def _serializer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(settings_of(current_app).secret_key, salt="known browsers")


def _is_secure() -> bool:
    return settings_of(current_app).base_url.startswith("https:")
