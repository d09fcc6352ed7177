"""Before what must not be done by whoever finds an open page: who sits here proves once more who they are."""

from datetime import timedelta

from flask import g, request

from tenants.database import db, now
from tenants.errors import AppError, InvalidError
from tenants.users import WrongPasswordError, authenticate
from webapp.auth import cookie
from webapp.people.forms import ProofForm

JUST_NOW = timedelta(minutes=15)  # so long after somebody signed in, that they are who they are is believed
SIGN_IN_ANEW = "You have no password here. Sign out, sign in again, and do this within a quarter of an hour."


def demand_password(password: str) -> None:
    """Who is signed in stands here as a known browser does: nobody else's guesses count against them."""
    session = cookie.token_of(request)
    try:
        authenticate(g.user.address, password, place=request.remote_addr or "", browser=session)
    except WrongPasswordError:
        raise InvalidError("That is not your password.") from None


def is_proven(form: ProofForm) -> bool:
    """Whether the password was typed; of who has none, whether they signed in a moment ago. Else it is said
    at the field.
    """
    if g.user.password_hash and not form.validate_on_submit():
        return False
    try:
        _demand_proof(form.current.data or "")
    except AppError as error:
        db.session.commit()  # the failed attempt counts
        form.current.errors = [error.message]
        return False
    return True


def _demand_proof(password: str) -> None:
    if g.user.password_hash:
        demand_password(password)
    elif g.session_began_at < now() - JUST_NOW:
        raise InvalidError(SIGN_IN_ANEW)
