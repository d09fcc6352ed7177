"""What can go wrong before the embedded servers stand."""

from http import HTTPStatus

from tenants.errors import AppError


class EmbeddedServerError(AppError):
    """A server of the demo could not start or stop; the sentence says what to do about it."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    message = "An embedded server did not start."
