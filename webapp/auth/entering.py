"""Somebody has proven who they are: a new session, and on to the page that they asked for."""

from datetime import timedelta
from urllib.parse import urlsplit

from flask import Response, make_response, redirect, request, url_for

from tenants.configuration.layers import value_of
from tenants.database import db
from tenants.users import User, sign_in, sign_out
from tenants.users.second_factor import has_second_factor
from webapp.auth import cookie


def entered(user: User, target: str | None) -> Response:
    """A session of its own instead of one that this browser had; it waits for the second factor, if any."""
    asks_for_code = has_second_factor(user)
    if cookie.token_of(request):
        sign_out(cookie.token_of(request))
    token = sign_in(
        user,
        place=place(),
        device=request.headers.get("User-Agent", ""),
        lifetime=lifetime(),
        needs_code=asks_for_code,
    )
    db.session.commit()
    cookie.leave_others_pages(user)
    goes_to = safe(target)
    response = make_response(redirect(url_for("auth.code", next=goes_to) if asks_for_code else goes_to))
    cookie.remember(response, token)
    return response


def safe(target: str | None) -> str:
    """Only a path of this site; whatever could leave it goes to the start page."""
    start = url_for("home.index")
    if not target or not target.startswith("/") or target.startswith(("//", "/\\")):
        return start
    parts = urlsplit(target)
    if parts.scheme or parts.netloc or any(ord(character) < 33 or character == "\\" for character in target):
        return start
    return target


def lifetime() -> timedelta:
    """How long a session lasts."""
    return timedelta(hours=int(value_of("session.lifetime_hours")))


def place() -> str:
    """The client's address."""
    return request.remote_addr or ""
