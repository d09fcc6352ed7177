"""The start page, the icons of the house, and whether it is alive."""

from flask import Blueprint, current_app, g, redirect, url_for
from flask.typing import ResponseReturnValue
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from tenants.database.schema import is_behind
from webapp.guards import public, signed_in_required
from workers import queues

blueprint = Blueprint("home", __name__)


@blueprint.get("/")
@signed_in_required
def index() -> ResponseReturnValue:
    """Where a person's work is: their mail, or the system's pages."""
    if g.user.is_system_admin and not g.get("organizations_exist", True):
        return redirect(url_for("system.index"))
    return redirect(url_for("mail.index"))


@blueprint.get("/healthz")
@public
def alive() -> ResponseReturnValue:
    """The process lives."""
    return {"status": "ok"}


@blueprint.get("/readyz")
@public
def ready() -> ResponseReturnValue:
    """Database, migrations and Redis, each ok or not; 503 if one is not."""
    checks = {"database": False, "migrations": False, "redis": False}
    try:
        checks["migrations"] = not is_behind()
        checks["database"] = True
    except SQLAlchemyError:
        current_app.logger.warning("not ready: the database does not answer")
    try:
        checks["redis"] = bool(queues.redis().ping())
    except RedisError:
        current_app.logger.warning("not ready: Redis does not answer")
    return checks, 200 if all(checks.values()) else 503
