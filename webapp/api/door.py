"""The door of programs: a token in ``Authorization: Bearer``, at a pace, and no cookie."""

from collections.abc import Iterable
from http import HTTPStatus
from time import time

from flask import current_app, g, request
from redis.exceptions import RedisError
from werkzeug.datastructures import Authorization

from tenants.api_tokens import MANAGES_TOKENS, ApiToken, WrongTokenError, enter_with_token, touch
from tenants.configuration.layers import value_of
from tenants.database import db
from tenants.errors import AppError, ForbiddenError
from tenants.organizations import Membership
from tenants.permissions import permissions_of
from tenants.users.attempts import count_attempt, refuse_throttled, token_limits
from tenants.users.second_factor import has_second_factor
from workers import queues

BEGINNING = "/api/"
A_MINUTE = 60
REQUESTS_A_MINUTE = 300


class TooFastError(AppError):
    """A program asks more often than is good for all others."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    message = f"More than {REQUESTS_A_MINUTE} requests in a minute. Go on when the minute is over."

    def __init__(self, seconds: int) -> None:
        super().__init__()
        self.retry_after = seconds


def is_of_a_program() -> bool:
    """Whether the request is for the API, which knows no cookies."""
    return request.path.startswith(BEGINNING)


def demand_token(scope: str, permissions: Iterable[str]) -> None:
    """Enter the organization of the token as the member who made it, who holds these permissions now.

    Only while that member may have tokens: to take the permission is to close all doors that were made by it.
    """
    token = _entered()
    _demand_pace(token)
    if touch(token):
        db.session.commit()
    if MANAGES_TOKENS not in g.permissions:
        raise ForbiddenError("Who made this token may not have tokens any more.")
    if value_of("session.two_factor_required") and not has_second_factor(g.user):
        raise ForbiddenError("Who made this token has no second factor yet, which everybody needs here.")
    if scope and not token.permits(scope):
        raise ForbiddenError(f"This token is not for {scope}. Make one that is.")
    missing = [name for name in permissions if name not in g.permissions]
    if missing:
        raise ForbiddenError(f"Who made this token lacks the permission {missing[0]}.")
    request.max_content_length = current_app.config["MAX_FORM_MEMORY_SIZE"]


def member_of(authorization: str) -> Membership | None:
    """Who acts by the token of a header, before the request is read; a wrong one is counted when it is."""
    try:
        return enter_with_token(_token_in(Authorization.from_header(authorization)))[1]
    except AppError:
        return None


def _token_in(given: Authorization | None) -> str:
    """What stands behind ``Bearer``; "" where nothing does."""
    return (given.token or "") if given is not None and given.type == "bearer" else ""


def _entered() -> ApiToken:
    text = _token_in(request.authorization)
    if not text:
        raise WrongTokenError("Send a token: Authorization: Bearer …")
    try:
        token, member, organization = enter_with_token(text)
    except WrongTokenError:
        _count_the_guess()
        raise
    g.token, g.user, g.member, g.organization = token, member.user, member, organization
    member.token_name = token.name
    g.permissions = permissions_of(member)
    g.zone = value_of("general.time_zone", user=member.user)
    return token


def _count_the_guess() -> None:
    """Whoever tries many is slowed. A token that counts is not: its 256 bits are nobody's guess."""
    db.session.rollback()
    limits = token_limits(request.remote_addr or "")
    refuse_throttled(limits)
    count_attempt(limits)
    db.session.commit()


def _demand_pace(token: ApiToken) -> None:
    """Counted in Redis, by the minute; without Redis nobody is kept out."""
    moment = int(time())
    key = f"api-pace:{token.id}:{moment // A_MINUTE}"
    try:
        with queues.redis().pipeline() as both:
            both.incr(key)
            both.expire(key, 2 * A_MINUTE)
            count = both.execute()[0]
    except RedisError:
        return
    if count > REQUESTS_A_MINUTE:
        raise TooFastError(A_MINUTE - moment % A_MINUTE)
