"""Links with which a person chooses a password: once, for a short time, and only their own (T18).

Who forgot a password *asks*: a row with an address, the same for one that is known and one that is not.
A worker looks at it later, so that neither the answer nor its time tells which it was.
"""

import secrets as random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ForeignKey, Select, delete, func, select, update
from sqlalchemy.orm import Mapped, mapped_column

from tenants.database import Base, db, is_one_of, now, uuid7
from tenants.errors import NotFoundError
from tenants.secrets import hash_of_token
from tenants.users import (
    User,
    choose_password,
    normal_form,
    user_by_address,
)
from tenants.users.attempts import count_attempt, forget_attempts, refuse_throttled, reset_limits
from tenants.users.identities import unlink_all

LIFETIME = timedelta(minutes=30)
WELCOME_LIFETIME = timedelta(days=7)  # of a user whom an administrator has just made
MOST_OPEN = 3  # links of one person at a time: more would only fill their mailbox
OVER = "This link has been used or is too old. Ask for a new one."


class PasswordLink(Base):
    """Somebody asked for a link (``token_hash`` is empty), or has one. Only the token's hash is kept."""

    __tablename__ = "password_links"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    address: Mapped[str]  # lower case, as it was asked for
    user_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), index=True, default=None
    )
    token_hash: Mapped[bytes | None] = mapped_column(unique=True, default=None)
    made_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None] = mapped_column(default=None)


@dataclass(frozen=True)
class Opened:
    """A link that works: whose, its token (256 random bits, not kept), and until when."""

    user: User
    token: str = field(repr=False)
    expires_at: datetime


def ask(address: str, place: str) -> None:
    """Somebody at ``place`` has forgotten the password of an address. The caller commits, and rings.

    `TooManyAttemptsError` where that was asked too often, whoever the address belongs to.
    """
    address = address.strip().lower()
    limits = reset_limits(normal_form(address), place)
    refuse_throttled(limits)
    count_attempt(limits)
    db.session.add(PasswordLink(address=address, expires_at=now() + LIFETIME))


def unanswered() -> Select[PasswordLink]:
    """What was asked for and not looked at yet, oldest first."""
    return (
        select(PasswordLink)
        .where(PasswordLink.token_hash.is_(None), PasswordLink.used_at.is_(None))
        .order_by(PasswordLink.id)
    )


def answer(asked: PasswordLink) -> Opened | None:
    """A link for the person who asked; None if nobody may have one."""
    user = user_by_address(asked.address)
    if user is None or not user.is_enabled or asked.expires_at <= now() or _open_count(user) >= MOST_OPEN:
        db.session.delete(asked)
        return None
    return _opened(asked, user)


def make(user: User, lifetime: timedelta = LIFETIME) -> Opened:
    """A link for a user, made by an administrator; links that were open end."""
    end_all(user)
    link = PasswordLink(address=user.address, expires_at=now() + lifetime)
    db.session.add(link)
    return _opened(link, user)


def make_first(users: Sequence[User]) -> list[Opened]:
    """A link for each of some users whom an administrator has just made."""
    until = now() + WELCOME_LIFETIME
    opened = [Opened(user, random.token_urlsafe(32), until) for user in users]
    db.session.add_all(
        PasswordLink(
            address=one.user.address,
            user_id=one.user.id,
            token_hash=hash_of_token(one.token),
            expires_at=until,
        )
        for one in opened
    )
    db.session.flush()
    return opened


def owner_of(token: str, *, to_use: bool = False) -> User:
    """Whose password a link sets; `NotFoundError` if it is used, over or none of ours."""
    link = _open().where(PasswordLink.token_hash == hash_of_token(token))
    found = db.session.scalar(link.with_for_update() if to_use else link)
    user = db.session.get(User, found.user_id) if found is not None else None
    if user is None or not user.is_enabled:
        raise NotFoundError(OVER)
    return user


def use(token: str, password: str, place: str) -> User:
    """Choose a password; every session, every other link and every linked account of the person ends.

    Somebody else may have had the account before, and linked one of theirs.
    """
    user = owner_of(token, to_use=True)
    choose(user, password)
    unlink_all(user)
    forget_attempts(normal_form(user.address), place)
    return user


def choose(user: User, password: str) -> None:
    """Give a user a password, however it came about; links to another one end, as sessions do."""
    choose_password(user, password)
    end_all(user)


def end_all(*users: User) -> None:
    """No open link of these people works any more."""
    theirs = is_one_of(PasswordLink.user_id, [user.id for user in users])
    db.session.execute(
        update(PasswordLink)
        .where(theirs, PasswordLink.used_at.is_(None))
        .values(used_at=now())
        .execution_options(synchronize_session=False)
    )


def forget_old_links() -> None:
    """Remove what is over; called by the schedule."""
    db.session.execute(delete(PasswordLink).where(PasswordLink.expires_at < now()))


def _opened(link: PasswordLink, user: User) -> Opened:
    token = random.token_urlsafe(32)
    link.user_id, link.token_hash = user.id, hash_of_token(token)
    db.session.flush()
    return Opened(user, token, link.expires_at)


def _open() -> Select[PasswordLink]:
    return select(PasswordLink).where(
        PasswordLink.user_id.is_not(None),
        PasswordLink.used_at.is_(None),
        PasswordLink.expires_at > now(),
    )


def _open_count(user: User) -> int:
    query = _open().where(PasswordLink.user_id == user.id).with_only_columns(func.count())
    return db.session.scalar(query) or 0
