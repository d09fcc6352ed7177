"""Failures as pages: foreseen ones say what to do, the rest is a bug and shows up as one."""

import uuid
from http import HTTPStatus
from urllib.parse import urlsplit

import structlog
from flask import Flask, Response, current_app, g, render_template, request
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError
from psycopg import errors as postgres
from sqlalchemy.exc import DataError, DBAPIError, SQLAlchemyError
from sqlalchemy.orm.exc import StaleDataError
from werkzeug.exceptions import BadHost, HTTPException

from tenants.database import db
from tenants.errors import (
    AppError,
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    TooManyAttemptsError,
)
from webapp.api.door import is_of_a_program
from webapp.api.problems import problem
from webapp.form_tokens import ForeignOriginError
from webapp.typed_before import typed_texts

log = structlog.get_logger()
# Of each status: what the page is called, and what it says where nobody said it better.
WORDS = {
    400: (
        "Not understood",
        "That request could not be understood. Go back, reload the page and try again.",
    ),
    401: ("Sign in first", "Sign in to go on."),
    403: ("Not allowed", ForbiddenError.message),
    404: ("Nothing here", NotFoundError.message),
    405: ("Nothing to open here", "This address only takes what a form sends. Go back and use the form."),
    409: ("Not possible now", ConflictError.message),
    413: (
        "Too large",
        "That is more than can be sent at once. Go back and send smaller files, or less text.",
    ),
    422: ("Something is not right", InvalidError.message),
    429: ("Too fast", TooManyAttemptsError.message),
    500: ("Our mistake", "Something broke on our side. It has been logged; try again in a moment."),
}
HELPED_BY_WAITING = frozenset({429, 500})
AT_ONCE = (
    "Somebody changed the same thing in this very moment, so nothing was changed here."
    " Go back, look at it as it is now, and try again."
)
FROM_ELSEWHERE = (
    "This form was sent from another address ({origin}) than the one that Postroom is set up with"
    " ({base_url}), so nothing was changed. Go back to copy what you typed, open Postroom at {base_url}"
    " and send it there. If {origin} is the right address, tell your administrator: POSTROOM_BASE_URL"
    " has to name it, and a proxy in front has to pass on the Host header."
)
STALE = "This form is too old to be accepted, so nothing was changed."
COPY = "Copy what you typed, open the page anew and send it there."
# What a database says to the second of two who do the same: the first has made it, deleted it, or has it.
_GONE = "Could not refresh instance"  # says SQLAlchemy of a row that is to be locked and is not there
_COLLISIONS = (postgres.UniqueViolation, postgres.ForeignKeyViolation, postgres.DeadlockDetected)


def explain_errors(app: Flask) -> None:
    """Register one page for all that can go wrong."""

    @app.before_request
    def name_the_request() -> None:
        g.request_id = uuid.uuid4().hex[:12]

    @app.errorhandler(AppError)
    def foreseen(error: AppError) -> ResponseReturnValue:
        return _page(int(error.status), error.message, error=error)

    @app.errorhandler(CSRFError)
    def stale_form(error: CSRFError) -> ResponseReturnValue:
        return _page(400, STALE if g.user is None else f"{STALE} {COPY}", typed=_typed())

    @app.errorhandler(ForeignOriginError)
    def sent_from_elsewhere(error: ForeignOriginError) -> ResponseReturnValue:
        log.warning("form from another address", origin=error.origin, base_url=error.base_url, **_where())
        return _page(400, FROM_ELSEWHERE.format(origin=error.origin, base_url=error.base_url))

    @app.errorhandler(BadHost)
    def nameless(_: BadHost) -> ResponseReturnValue:
        """A page has links, and nothing is known by which they could be made."""
        return Response(f"{WORDS[400][1]}\n", 400, mimetype="text/plain")

    @app.errorhandler(HTTPException)
    def refused(error: HTTPException) -> ResponseReturnValue:
        status = error.code or 500
        _, sentence = WORDS.get(status, ("", error.description or AppError.message))
        return _page(status, sentence, error=error)

    @app.errorhandler(Exception)
    def bug(error: Exception) -> ResponseReturnValue:
        return _bug(app, error)

    _explain_refusals_of_the_database(app)


def _explain_refusals_of_the_database(app: Flask) -> None:
    @app.errorhandler(DataError)
    def unstorable(error: DataError) -> ResponseReturnValue:
        log.warning("unstorable input", error=type(error.orig).__name__, **_where())
        return _page(400, "Something in that request cannot be stored. Go back and type it anew.")

    @app.errorhandler(SQLAlchemyError)
    def refused_by_the_database(error: SQLAlchemyError) -> ResponseReturnValue:
        return _collision(error) if _is_collision(error) else _bug(app, error)


def _bug(app: Flask, error: Exception) -> ResponseReturnValue:
    if app.config.get("PROPAGATE_EXCEPTIONS") or app.testing:
        raise error
    log.error("bug", exc_info=error, request=g.get("request_id"), **_where())
    return _page(500, WORDS[500][1])


def _is_collision(error: SQLAlchemyError) -> bool:
    """Whether two requests met: one has made, changed or deleted what the other one was about to."""
    if isinstance(error, DBAPIError):
        return isinstance(error.orig, _COLLISIONS)
    return isinstance(error, StaleDataError) or _GONE in str(error)


def _collision(error: SQLAlchemyError) -> ResponseReturnValue:
    """Foreseen, wherever it comes up. The database has kept things as they belong."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    named = cause.diag.constraint_name if isinstance(cause, postgres.Error) else None
    log.warning("two at once", error=type(cause).__name__, constraint=named, **_where())
    return _page(409, AT_ONCE)


def _where() -> dict[str, str]:
    """What a log may say of an address: its rule and the ids in it. A path may hold the token of a link."""
    ids = {
        name: str(value) for name, value in (request.view_args or {}).items() if isinstance(value, uuid.UUID)
    }
    return {"rule": request.url_rule.rule if request.url_rule is not None else "", **ids}


def _typed() -> list[tuple[str, str]]:
    """What a refused form held, for whoever is signed in to copy it."""
    view = current_app.view_functions.get(request.endpoint or "")
    if g.user is None or view is None:
        return []
    return typed_texts(request.form, view.__module__.rpartition(".")[0])


def _page(
    status: int,
    message: str,
    typed: list[tuple[str, str]] | None = None,
    error: Exception | None = None,
) -> ResponseReturnValue:
    db.session.rollback()
    if is_of_a_program():
        return problem(status, error)
    if request.headers.get("HX-Request") or request.accept_mimetypes.best == "application/json":
        return {"error": message, "request": g.get("request_id", "")}, status
    page = render_template(
        "errors/error.html",
        status=status,
        title=WORDS.get(status, (AppError.message.rstrip("."), ""))[0],
        message=message,
        typed=typed,
        back_url=_came_from(),
        may_retry=status in HELPED_BY_WAITING and request.method == "GET",
        request_id=g.get("request_id", "") if status == HTTPStatus.INTERNAL_SERVER_ERROR else "",
    )
    return page, status


def _came_from() -> str:
    """The page of ours that led here, as the browser says; empty where it is this one, or somebody else's."""
    try:
        page = urlsplit(request.referrer or "")
    except ValueError:  # no address at all
        return ""
    is_ours = page.scheme in ("http", "https") and page.netloc == request.host
    is_this_one = request.method == "GET" and page.path == request.path
    return page.geturl() if is_ours and not is_this_one else ""
