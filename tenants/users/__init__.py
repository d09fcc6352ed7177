"""Users, their passwords and their sessions at the door.

In this room, too: `attempts` slows down who guesses, `password_links` lets a person choose a password,
`second_factor` asks for a code of an app, `recovery_codes` stand in for it, and `identities` are accounts at
an identity provider that open one's own here.
"""

import secrets as random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from uuid import UUID

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from email_validator import EmailNotValidError, validate_email
from flask import current_app
from sqlalchemy import ForeignKey, Index, Select, delete, func, select, text
from sqlalchemy.orm import Mapped, mapped_column

from tenants.database import Base, db, now, uuid7
from tenants.database.searching import has_words
from tenants.errors import AppError, InvalidError, NotFoundError
from tenants.secrets import hash_of_token
from tenants.users.attempts import (
    ATTEMPT_WINDOW,
    SignInAttempt,
    count_attempt,
    forget_attempts,
    password_limits,
    refuse_throttled,
)

MINIMUM_PASSWORD_LENGTH = 10
LONGEST_NAME = 200
SESSION_LIFETIME = timedelta(days=14)
SESSION_IDLE = timedelta(days=3)
TOUCH_EVERY = timedelta(minutes=1)


class User(Base):
    """One identity per person, for the whole installation."""

    __tablename__ = "users"
    __table_args__ = (Index("ix_users_shown_name", text("lower(coalesce(nullif(name, ''), address))"), "id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    address: Mapped[str] = mapped_column(unique=True)  # lower case
    name: Mapped[str] = mapped_column(default="")
    password_hash: Mapped[str] = mapped_column(default="")
    is_enabled: Mapped[bool] = mapped_column(default=True)
    is_system_admin: Mapped[bool] = mapped_column(default=False)
    current_organization_id: Mapped[UUID | None] = mapped_column(default=None)
    created_at: Mapped[datetime] = mapped_column(default=now)

    # What the sign-in extension asks of a user.
    is_authenticated = True
    is_anonymous = False

    @property
    def is_active(self) -> bool:
        """Whether this person may sign in."""
        return self.is_enabled

    def get_id(self) -> str:
        """The id as text."""
        return str(self.id)


# What lists of people are ordered by; an index of the table says the same.
SHOWN_NAME = func.lower(func.coalesce(func.nullif(User.name, ""), User.address))


class SignIn(Base):
    """A session at the door. The cookie holds the token; only its hash is kept."""

    __tablename__ = "sign_ins"

    token_hash: Mapped[bytes] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
    seen_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime]
    needs_code: Mapped[bool] = mapped_column(default=False)  # the second factor is still asked for
    place: Mapped[str] = mapped_column(default="")  # the client's address
    device: Mapped[str] = mapped_column(default="")  # the User-Agent, cut


class WrongPasswordError(AppError):
    """Address or password do not fit; which one is not said."""

    message = "The address or the password is not right. Try again, or choose a new password."


def authenticate(address: str, password: str, place: str, *, browser: str = "") -> User:
    """The user who knows this password. ``browser``: the id of one that signed in with the account before.

    `WrongPasswordError` for all that is wrong alike, `TooManyAttemptsError` when throttled. An unknown
    address costs the same time as a known one.
    """
    limits = password_limits(normal_form(address), place, browser)
    refuse_throttled(limits)
    user = user_by_address(address)
    known = user is not None and user.is_enabled and bool(user.password_hash)
    fits = _verify(user.password_hash if user is not None and known else _dummy_hash(), password)
    if user is None or not known or not fits:
        count_attempt(limits)
        raise WrongPasswordError
    forget_attempts(normal_form(address), place, browser)
    if _hasher().check_needs_rehash(user.password_hash):
        user.password_hash = _hasher().hash(password)
    return user


def knows_password(user: User, password: str) -> bool:
    """Whether this is the password already, so that nothing needs to change."""
    return bool(user.password_hash) and _verify(user.password_hash, password)


def choose_password(user: User, password: str) -> None:
    """Set a new password; every session of the user ends."""
    demand_good_password(user.address, user.name, password)
    user.password_hash = _hasher().hash(password)
    sign_out_everywhere(user)


def demand_good_password(address: str, name: str, password: str) -> None:
    """`AppError` with what to do if somebody of this address and name may not choose the password."""
    if len(password) < MINIMUM_PASSWORD_LENGTH:
        raise AppError(f"Choose a password of at least {MINIMUM_PASSWORD_LENGTH} characters.")
    if password.lower() in {address, name.lower()}:
        raise AppError("Choose a password that is not your name or address.")


def sign_in(
    user: User, place: str, device: str, *, lifetime: timedelta = SESSION_LIFETIME, needs_code: bool = False
) -> str:
    """Open a session; returns the token for the cookie (256 random bits).

    With ``needs_code`` it stands for nobody until `accept_code` says that the second factor was right.
    """
    token = random.token_urlsafe(32)
    db.session.add(
        SignIn(
            token_hash=hash_of_token(token),
            user_id=user.id,
            expires_at=now() + lifetime,
            needs_code=needs_code,
            place=place[:64],
            device=device[:200],
        )
    )
    return token


def session_of(token: str) -> SignIn | None:
    """The live session of this token, whether or not its second factor was given."""
    moment = now()
    row = db.session.get(SignIn, hash_of_token(token))
    if row is None or row.expires_at <= moment or row.seen_at <= moment - SESSION_IDLE:
        return None
    return row


def signed_in_user(session: SignIn | None, *, is_seen: bool = True) -> User | None:
    """The enabled user of a live session (`session_of`), which is marked as seen now.

    Unless ``is_seen`` says that nobody is there: what a page asks for by itself keeps no session alive.
    """
    if session is None or session.needs_code:
        return None
    user = db.session.get(User, session.user_id)
    if user is None or not user.is_enabled:
        return None
    if is_seen and session.seen_at <= now() - TOUCH_EVERY:
        session.seen_at = now()
    return user


def sessions_of(user: User) -> Select[SignIn]:
    """The person's live sessions, the latest first."""
    return (
        select(SignIn)
        .where(SignIn.user_id == user.id, SignIn.expires_at > now(), ~SignIn.needs_code)
        .order_by(SignIn.seen_at.desc())
    )


def sign_out(token: str) -> None:
    """End the session of this token."""
    db.session.execute(delete(SignIn).where(SignIn.token_hash == hash_of_token(token)))


def sign_out_everywhere(user: User) -> None:
    """End all sessions of a user."""
    db.session.execute(delete(SignIn).where(SignIn.user_id == user.id))


def sign_out_elsewhere(user: User, token: str) -> None:
    """End all sessions of a user but the one of this token, which gets no younger by that."""
    others = SignIn.token_hash != hash_of_token(token)
    db.session.execute(delete(SignIn).where(SignIn.user_id == user.id, others))


@dataclass(frozen=True)
class UserFilter:
    """What a list of users is narrowed to. ``state``: enabled, disabled, administrator or empty."""

    words: str = ""
    state: str = ""


USER_SORTS = {"name": SHOWN_NAME, "address": User.address, "created": User.created_at}
_STATES = {
    "enabled": User.is_enabled.is_(True),
    "disabled": User.is_enabled.is_(False),
    "administrator": User.is_system_admin.is_(True),
}


def users(filter: UserFilter = UserFilter()) -> Select[User]:
    """Users of the installation that a filter lets through, in no order."""
    query = select(User)
    if filter.state in _STATES:
        query = query.where(_STATES[filter.state])
    return query.where(*has_words(filter.words, User.name, User.address))


def system_administrators() -> Select[User]:
    """Enabled users who administer the installation, by name."""
    return select(User).where(User.is_system_admin, User.is_enabled).order_by(User.name, User.address)


def last_seen(ids: list[UUID]) -> dict[UUID, datetime]:
    """When these users were last here, as far as their live sessions tell."""
    rows = db.session.execute(
        select(SignIn.user_id, func.max(SignIn.seen_at))
        .where(SignIn.user_id.in_(ids), ~SignIn.needs_code)
        .group_by(SignIn.user_id)
    )
    return {row[0]: row[1] for row in rows}


def user_of(id: UUID) -> User:
    """A user of the installation; `NotFoundError` if there is none."""
    user = db.session.get(User, id)
    if user is None:
        raise NotFoundError("There is no such user.")
    return user


def checked_address(text: str) -> str:
    """An email address as it is stored: lower case; `InvalidError` at the field ``address``."""
    try:
        found = validate_email(text.strip(), check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        raise InvalidError("Type an email address, such as mia@example.com.", field="address") from None
    return found.normalized.lower()


def normal_form(text: str) -> str:
    """One form of an address for all the ways to write it; of what is no address, the lower case."""
    try:
        return checked_address(text)
    except InvalidError:
        return text.strip().lower()


def spellings(addresses: Iterable[str]) -> set[str]:
    """How these addresses may be stored: in lower case as they are written, and in their normal form."""
    return {form for one in addresses for form in (one.strip().lower(), normal_form(one))}


def checked_name(text: str) -> str:
    """What somebody is called, in one line; `InvalidError` at the field ``name``."""
    name = " ".join(text.split())
    if len(name) > LONGEST_NAME:
        raise InvalidError(f"Use at most {LONGEST_NAME} characters.", field="name")
    return name


def user_by_address(address: str) -> User | None:
    """The user with this address, in whatever case and with whichever form of the domain it is written."""
    known = User.address.in_(sorted(spellings([address])))
    as_written = User.address == address.strip().lower()
    return db.session.scalar(select(User).where(known).order_by(as_written.desc()).limit(1))


def forget_old_attempts() -> None:
    """Remove windows and sessions that are over; called by the schedule."""
    db.session.execute(delete(SignInAttempt).where(SignInAttempt.started_at < now() - ATTEMPT_WINDOW))
    db.session.execute(delete(SignIn).where(SignIn.expires_at < now()))


def _verify(stored: str, password: str) -> bool:
    try:
        return _hasher().verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False


@lru_cache(maxsize=2)
def _hasher_of(cheap: bool) -> PasswordHasher:
    if cheap:
        return PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    return PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)  # OWASP's profile


def _hasher() -> PasswordHasher:
    return _hasher_of(bool(current_app.config["POSTROOM"].cheap_passwords))


@lru_cache(maxsize=2)
def _dummy_hash_of(cheap: bool) -> str:
    return _hasher_of(cheap).hash(random.token_urlsafe(16))


def _dummy_hash() -> str:
    return _dummy_hash_of(bool(current_app.config["POSTROOM"].cheap_passwords))
