"""Failures as pages: foreseen ones say what to do, the rest is a bug and shows up as one."""

import uuid

import structlog
from flask import Flask, g, render_template, request
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import DataError
from werkzeug.exceptions import HTTPException

from tenants.database import db
from tenants.errors import AppError

log = structlog.get_logger()
SENTENCES = {
    400: "That request could not be understood. Go back, reload the page and try again.",
    401: "Sign in to go on.",
    403: "You may not do that.",
    404: "We could not find that.",
    405: "This page cannot be used that way.",
    413: "That is too large to upload. Choose a smaller file.",
    429: "Too many requests. Wait a moment and try again.",
}


def explain_errors(app: Flask) -> None:
    """Register one page for all that can go wrong."""

    @app.before_request
    def name_the_request() -> None:
        g.request_id = uuid.uuid4().hex[:12]

    @app.errorhandler(AppError)
    def foreseen(error: AppError) -> ResponseReturnValue:
        return _page(int(error.status), error.message)

    @app.errorhandler(CSRFError)
    def stale_form(error: CSRFError) -> ResponseReturnValue:
        return _page(400, "This form is too old to be accepted. Go back, reload the page and send it again.")

    @app.errorhandler(HTTPException)
    def refused(error: HTTPException) -> ResponseReturnValue:
        status = error.code or 500
        return _page(status, SENTENCES.get(status, error.description or "That did not work."))

    @app.errorhandler(DataError)
    def unstorable(error: DataError) -> ResponseReturnValue:
        log.warning("unstorable input", error=type(error.orig).__name__, path=request.path)
        return _page(400, "Something in that request cannot be stored. Go back and type it anew.")

    @app.errorhandler(Exception)
    def bug(error: Exception) -> ResponseReturnValue:
        if app.config.get("PROPAGATE_EXCEPTIONS") or app.testing:
            raise error
        log.error("bug", exc_info=error, request=g.get("request_id"), path=request.path)
        return _page(500, "Something broke on our side. It has been logged; try again in a moment.")


def _page(status: int, message: str) -> ResponseReturnValue:
    db.session.rollback()
    if request.headers.get("HX-Request") or request.accept_mimetypes.best == "application/json":
        return {"error": message, "request": g.get("request_id", "")}, status
    page = render_template(
        "errors/error.html", status=status, message=message, request_id=g.get("request_id", "")
    )
    return page, status
