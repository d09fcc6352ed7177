"""Somebody has proven who they are: a new session, and on to the page that they asked for."""

from datetime import timedelta
from urllib.parse import urlsplit

from flask import Response, flash, make_response, redirect, request, url_for

from mailboxes.people_letters import send_recovery_code_used
from tenants import audit
from tenants.configuration.layers import value_of
from tenants.database import db
from tenants.users import User, recovery_codes, sign_in, sign_out
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


def tell_of_a_used_code(user: User) -> None:
    """A recovery code was used; the session is bound to the installation. The caller commits, and rings."""
    left = recovery_codes.left(user)
    send_recovery_code_used(user, left)
    person = audit.Actor(user.name or user.address, user.id, place())
    audit.record_for_system(person, "user.recovery_code_used", user.address, {}, {"left": left})
    flash(f"You have used a recovery code; {left or 'none'} of {recovery_codes.CODES} left.", "warning")


def lifetime() -> timedelta:
    """How long a session lasts."""
    return timedelta(hours=int(value_of("session.lifetime_hours")))


def place() -> str:
    """The client's address."""
    return request.remote_addr or ""
