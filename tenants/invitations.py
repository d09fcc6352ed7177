"""Invitations: a link, once, into an organization. It answers alike whether the person is known."""

import hashlib
import secrets as random
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Select, UniqueConstraint, select
from sqlalchemy.orm import Mapped, mapped_column

from tenants.database import Base, OrganizationScoped, current_organization_id, db, now
from tenants.errors import NotFoundError
from tenants.organizations import Membership
from tenants.permissions import Role, grant_role, roles
from tenants.users import User, choose_password, user_by_address

LIFETIME = timedelta(days=7)


class Invitation(OrganizationScoped, Base):
    """Somebody may join with these roles. Only the hash of the link's token is kept."""

    __tablename__ = "invitations"
    __table_args__ = (UniqueConstraint("organization_id", "token_hash"),)

    address: Mapped[str]  # lower case
    role_ids: Mapped[list[UUID]] = mapped_column(default=list)
    token_hash: Mapped[bytes]
    invited_by: Mapped[str]
    made_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime]
    accepted_at: Mapped[datetime | None] = mapped_column(default=None)


def invite(address: str, role_ids: list[UUID], *, invited_by: str) -> str:
    """Make a link's token (256 random bits); an open invitation of the same address ends."""
    address = address.strip().lower()
    for former in db.session.scalars(open_invitations().where(Invitation.address == address)):
        former.expires_at = now()
    token = random.token_urlsafe(32)
    db.session.add(
        Invitation(
            address=address,
            role_ids=role_ids,
            token_hash=_hash(token),
            invited_by=invited_by,
            expires_at=now() + LIFETIME,
        )
    )
    db.session.flush()
    return token


def open_invitations() -> Select[Invitation]:
    """Invitations of the current organization that can still be accepted, newest first."""
    return (
        select(Invitation)
        .where(Invitation.accepted_at.is_(None), Invitation.expires_at > now())
        .order_by(Invitation.made_at.desc())
    )


def invitation_of(token: str, *, to_accept: bool = False) -> Invitation:
    """The open invitation of a link; `NotFoundError` if it is used, over or none of ours."""
    query = open_invitations().where(Invitation.token_hash == _hash(token))
    invitation = db.session.scalar(query.with_for_update() if to_accept else query)
    if invitation is None:
        raise NotFoundError("This invitation has been used or is too old. Ask for a new one.")
    return invitation


def accept(token: str, user: User | None, *, name: str = "", password: str = "") -> User:
    """Join: as the signed-in ``user`` whose address it names, or as a new person with a password.

    `NotFoundError` if the link is over, or the address belongs to somebody who must sign in first.
    """
    invitation = invitation_of(token, to_accept=True)
    if user is None:
        if user_by_address(invitation.address) is not None:
            raise NotFoundError("Sign in first, then open the link of the invitation again.")
        user = User(address=invitation.address, name=" ".join(name.split()))
        db.session.add(user)
        db.session.flush()
        choose_password(user, password)
    elif user.address != invitation.address:
        raise NotFoundError(f"This invitation is for {invitation.address}. Sign in with that address.")
    _join(user, invitation)
    invitation.accepted_at = now()
    user.current_organization_id = current_organization_id()
    db.session.flush()
    return user


def _join(user: User, invitation: Invitation) -> None:
    member = db.session.scalar(select(Membership).where(Membership.user_id == user.id))
    if member is None:
        member = Membership(user_id=user.id)
        db.session.add(member)
        db.session.flush()
    for role in db.session.scalars(roles().where(Role.id.in_(invitation.role_ids))):  # one may be gone
        grant_role(member, role.id)


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
