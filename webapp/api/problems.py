"""What went wrong, for programs: `application/problem+json` (RFC 9457)."""

from http import HTTPStatus

from flask import Response, current_app, g

from mailboxes.interchange.bodies import BodyError
from tenants.errors import AppError, TooManyAttemptsError
from tenants.users.attempts import ATTEMPT_WINDOW

MEDIA_TYPE = "application/problem+json"
# What is not said better by whoever refuses.
WORDS = {
    400: "The request could not be understood, or holds something that cannot be stored.",
    404: "There is nothing at this address.",
    405: "This address does not take this method.",
    409: "Somebody changed the same thing in this very moment, so nothing was changed. Try again.",
    413: "That is more than can be sent at once.",
    500: "Something broke on our side. It has been logged; try again in a moment.",
}


class QueryError(AppError):
    """A parameter of the address that makes no sense."""

    status = HTTPStatus.BAD_REQUEST

    def __init__(self, message: str, parameter: str) -> None:
        super().__init__(message)
        self.parameter = parameter


def problem(status: int, error: Exception | None = None) -> Response:
    """The answer for a failure."""
    detail = error.message if isinstance(error, AppError) else WORDS.get(status, HTTPStatus(status).phrase)
    said = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    body = current_app.json.dumps(said | _where(error, detail) | _trace(status))
    response = Response(body, status, mimetype=MEDIA_TYPE)
    if status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        response.headers["Retry-After"] = str(_seconds(error))
    methods = getattr(error, "valid_methods", None)
    if methods:
        response.headers["Allow"] = ", ".join(sorted(methods))
    return response


def _where(error: Exception | None, detail: str) -> dict[str, list[dict[str, str]]]:
    """The field or parameter that an error concerns."""
    if isinstance(error, QueryError):
        return {"errors": [{"parameter": error.parameter, "detail": detail}]}
    field = getattr(error, "field", None)
    pointer = error.pointer if isinstance(error, BodyError) else f"/{field}" if field else ""
    return {"errors": [{"pointer": f"#{pointer}", "detail": detail}]} if pointer else {}


def _trace(status: int) -> dict[str, str]:
    return {"request": g.get("request_id", "")} if status == HTTPStatus.INTERNAL_SERVER_ERROR else {}


def _seconds(error: Exception | None) -> int:
    if isinstance(error, TooManyAttemptsError):
        return int(ATTEMPT_WINDOW.total_seconds())
    return int(getattr(error, "retry_after", 60))
