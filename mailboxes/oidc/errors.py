"""What can go wrong with an identity provider: for the person who signs in, and for who has set it up."""

from http import HTTPStatus

from tenants.errors import AppError


class RefusedSignInError(AppError):
    """This sign-in comes to nothing; the text says why, and what to do."""

    status = HTTPStatus.FORBIDDEN
    message = "You could not be signed in."


class ProviderError(AppError):
    """The provider does not do what it should. ``advice``: what a system administrator can do.

    Nothing that it answered is repeated: descriptions may hold names of people and addresses of inside.
    """

    status = HTTPStatus.BAD_GATEWAY
    message = "The identity provider could not be used."

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(message)
        self.advice = advice
