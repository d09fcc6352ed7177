"""A person's accounts at identity providers: known by issuer and subject, never by an address."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Select, UniqueConstraint, delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from tenants.database import Base, db, now, uuid7
from tenants.errors import ConflictError, NotFoundError
from tenants.users import User


class Identity(Base):
    """An account at a provider that opens a person's account here. ``address``: what it was called there."""

    __tablename__ = "identities"
    __table_args__ = (UniqueConstraint("issuer", "subject"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    issuer: Mapped[str]
    subject: Mapped[str]
    address: Mapped[str] = mapped_column(default="")
    linked_at: Mapped[datetime] = mapped_column(default=now)
    used_at: Mapped[datetime | None] = mapped_column(default=None)


def owner_of(issuer: str, subject: str) -> User | None:
    """Whom this account at the provider belongs to."""
    query = select(User).join(Identity, Identity.user_id == User.id)
    return db.session.scalar(query.where(Identity.issuer == issuer, Identity.subject == subject))


def identities_of(user: User) -> Select[Identity]:
    """What a person has linked, the oldest first."""
    return select(Identity).where(Identity.user_id == user.id).order_by(Identity.id)


def identity_of(user: User, id: UUID | None) -> Identity:
    """One of a person's; `NotFoundError` if it is none of theirs."""
    identity = db.session.scalar(identities_of(user).where(Identity.id == id))
    if identity is None:
        raise NotFoundError("This account is not linked any more.")
    return identity


def has_account_at(user: User, issuer: str) -> bool:
    """Whether an account at this provider opens the person's already."""
    return bool(db.session.scalar(select(identities_of(user).where(Identity.issuer == issuer).exists())))


def link(user: User, issuer: str, subject: str, address: str) -> None:
    """From now on this account opens the person's; `ConflictError` if it is somebody's already."""
    try:
        with db.session.begin_nested():
            db.session.add(
                Identity(user_id=user.id, issuer=issuer, subject=subject, address=address, used_at=now())
            )
    except IntegrityError:
        raise ConflictError("That account belongs to somebody here already.") from None


def unlink(identity: Identity) -> None:
    """It opens nothing from now on."""
    db.session.delete(identity)
    db.session.flush()


def unlink_all(user: User) -> None:
    """None of the person's accounts opens anything from now on."""
    db.session.execute(
        delete(Identity).where(Identity.user_id == user.id).execution_options(synchronize_session=False)
    )


def mark_used(issuer: str, subject: str) -> None:
    """Somebody came in with it."""
    db.session.execute(
        update(Identity)
        .where(Identity.issuer == issuer, Identity.subject == subject)
        .values(used_at=now())
        .execution_options(synchronize_session=False)
    )
