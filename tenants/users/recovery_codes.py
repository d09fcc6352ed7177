"""Recovery codes: a way past the second factor for who has lost the app. Each works once.

A code is 80 random bits, so that its hash tells nothing; guesses count together with those at codes of the
app.
"""

import hashlib
import secrets as random
from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, delete, func, select, update
from sqlalchemy.orm import Mapped, mapped_column

from tenants.database import Base, db, now
from tenants.errors import InvalidError
from tenants.users import User
from tenants.users.attempts import code_limits, count_attempt, refuse_throttled
from tenants.users.second_factor import SecondFactor, has_second_factor

CODES = 10
LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"  # 32, and none that looks like another
GROUPS, GROUP_LENGTH = 4, 4


class RecoveryCode(Base):
    """One of a person's codes; it goes with the second factor that it stands in for."""

    __tablename__ = "recovery_codes"

    user_id: Mapped[UUID] = mapped_column(
        ForeignKey("second_factors.user_id", ondelete="CASCADE"), primary_key=True
    )
    code_hash: Mapped[bytes] = mapped_column(primary_key=True)
    used_at: Mapped[datetime | None] = mapped_column(default=None)


def make(user: User) -> list[str]:
    """New codes, to be shown once; those before work no more. `InvalidError` without a second factor."""
    if not has_second_factor(user):
        raise InvalidError("Set up a second factor first: recovery codes stand in for it.")
    db.session.get(SecondFactor, user.id, with_for_update=True)  # one after another
    db.session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user.id))
    codes = [_code() for _ in range(CODES)]
    db.session.add_all(RecoveryCode(user_id=user.id, code_hash=_hash(user, code)) for code in codes)
    db.session.flush()
    return codes


def left(user: User) -> int:
    """How many still work."""
    query = select(func.count()).where(RecoveryCode.user_id == user.id, RecoveryCode.used_at.is_(None))
    return db.session.scalar(query) or 0


def accept(user: User, code: str, place: str) -> None:
    """Use a code up. `InvalidError` if it is none that works, throttled as the codes of the app are.

    The caller commits, also after an error.
    """
    limits = code_limits(user.id, place)
    db.session.get(SecondFactor, user.id, with_for_update=True)
    refuse_throttled(limits)
    used = db.session.execute(
        update(RecoveryCode)
        .where(
            RecoveryCode.user_id == user.id,
            RecoveryCode.code_hash == _hash(user, code),
            RecoveryCode.used_at.is_(None),
        )
        .values(used_at=now())
        .returning(RecoveryCode.user_id)
    ).all()
    if not used:
        count_attempt(limits)
        raise InvalidError("That is no recovery code of yours, or it was used already.", field="code")


def are_unused(user: User, codes: list[str]) -> bool:
    """Whether these are exactly the codes that still work: what is handed out as a file is nothing else."""
    query = select(RecoveryCode.code_hash).where(
        RecoveryCode.user_id == user.id, RecoveryCode.used_at.is_(None)
    )
    return bool(codes) and {_hash(user, code) for code in codes} == set(db.session.scalars(query))


def _code() -> str:
    letters = [random.choice(LETTERS) for _ in range(GROUPS * GROUP_LENGTH)]
    starts = range(0, len(letters), GROUP_LENGTH)
    return "-".join("".join(letters[start : start + GROUP_LENGTH]) for start in starts)


def _hash(user: User, code: str) -> bytes:
    """However it is typed: with other blanks and dashes, in upper case."""
    letters = "".join(letter for letter in code.lower() if letter.isalnum())
    return hashlib.sha256(f"recovery code|{user.id}|{letters}".encode()).digest()
