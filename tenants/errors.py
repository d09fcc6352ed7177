"""What can go wrong, and what the person it happens to is told."""

from http import HTTPStatus


class AppError(Exception):
    """A failure this application foresees, safe to show to the person it happens to."""

    status = HTTPStatus.BAD_REQUEST
    message = "That did not work."

    def __init__(self, message: str | None = None) -> None:
        self.message = message or type(self).message
        super().__init__(self.message)


class NotFoundError(AppError):
    """The thing does not exist, or not for this person: outside, the two look the same."""

    status = HTTPStatus.NOT_FOUND
    message = "We could not find that. It may have been deleted, or you may not see it."


class ForbiddenError(AppError):
    """The person is known, and may not do this."""

    status = HTTPStatus.FORBIDDEN
    message = "You may not do that. Ask an administrator of your organization for the permission."


class ConflictError(AppError):
    """Somebody else was faster, or the name is taken."""

    status = HTTPStatus.CONFLICT
    message = "Somebody changed this in the meantime. Look at it again and repeat what you wanted."


class InvalidError(AppError):
    """Input that cannot be accepted; ``field`` names the form field it concerns, if one does."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    message = "Something in the form is not right."

    def __init__(self, message: str | None = None, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class TooManyAttemptsError(AppError):
    """Someone tries too often."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    message = "Too many attempts. Wait a few minutes and try again."


class OutsideOrganizationError(RuntimeError):
    """Scoped rows were touched outside their organization: a bug, never a user's mistake."""
