"""The second factor: time-based one-time passwords (RFC 6238) from an authenticator app."""

import time
from datetime import datetime
from uuid import UUID

import pyotp
from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from tenants.database import Base, db, now
from tenants.errors import ConflictError, InvalidError
from tenants.secrets import decrypt, encrypt
from tenants.users import User
from tenants.users.attempts import code_limits, count_attempt, refuse_throttled

STEP_SECONDS = 30
DRIFT = 1  # steps a clock may be wrong


class SecondFactor(Base):
    """A person's authenticator. It counts once a code was confirmed; no code works twice."""

    __tablename__ = "second_factors"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    secret: Mapped[bytes]  # encrypted
    confirmed_at: Mapped[datetime | None] = mapped_column(default=None)
    last_step: Mapped[int] = mapped_column(default=0)


def has_second_factor(user: User) -> bool:
    """Whether this person is asked for a code."""
    factor = db.session.get(SecondFactor, user.id)
    return factor is not None and factor.confirmed_at is not None


def begin(user: User) -> str:
    """A fresh secret, not yet counting; returns the text for the app (``otpauth://…``).

    `ConflictError` where one counts: it is taken away by a code of it, and not by a new secret.
    """
    if has_second_factor(user):
        raise ConflictError("You have a second factor. Remove it first, with a code of your app.")
    forget(user)
    secret = pyotp.random_base32()
    blob = encrypt(secret, table="second_factors", row=user.id, column="secret")
    db.session.add(SecondFactor(user_id=user.id, secret=blob))
    db.session.flush()
    return pyotp.TOTP(secret).provisioning_uri(name=user.address, issuer_name="Postroom")


def confirm(user: User, code: str) -> None:
    """Let the secret count, proven by a code of it."""
    demand_code(user, code, confirmed=False)
    factor = db.session.get_one(SecondFactor, user.id)
    factor.confirmed_at = now()
    db.session.flush()


def demand_code(user: User, code: str, *, confirmed: bool = True) -> None:
    """`InvalidError` unless the code is right and was not used before."""
    factor = db.session.get(SecondFactor, user.id, with_for_update=True)
    if factor is None or (confirmed and factor.confirmed_at is None):
        raise InvalidError("Set up your authenticator app first.", field="code")
    step = _step_of(_secret(factor), code.replace(" ", ""))
    if step is None or step <= factor.last_step:
        raise InvalidError(
            "That code is not right, or it was used already. Wait for the next one.", field="code"
        )
    factor.last_step = step
    db.session.flush()


def accept_code(user: User, code: str, place: str) -> None:
    """`demand_code`, throttled: a wrong one counts as a failed attempt, wherever it comes from.

    The right password, which whoever gets here knows, does not make that number small again. The caller
    commits, also after an error.
    """
    limits = code_limits(user.id, place)
    db.session.get(SecondFactor, user.id, with_for_update=True)  # one attempt after another
    refuse_throttled(limits)
    try:
        demand_code(user, code)
    except InvalidError:
        count_attempt(limits)
        raise


def forget(user: User) -> None:
    """Take the second factor away."""
    factor = db.session.get(SecondFactor, user.id)
    if factor is not None:
        db.session.delete(factor)
        db.session.flush()


def _step_of(secret: str, code: str) -> int | None:
    step = int(time.time()) // STEP_SECONDS
    totp = pyotp.TOTP(secret)
    for candidate in range(step - DRIFT, step + DRIFT + 1):
        if pyotp.utils.strings_equal(totp.generate_otp(candidate), code):
            return candidate
    return None


def _secret(factor: SecondFactor) -> str:
    return decrypt(factor.secret, table="second_factors", row=factor.user_id, column="secret")
