"""Invitations: a link, once, into an organization. It answers alike whether the person is known."""

import secrets as random
from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Select, UniqueConstraint, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from tenants.audit import Actor
from tenants.database import Base, OrganizationScoped, current_organization_id, db, now, uuid7
from tenants.database.bulk import among
from tenants.errors import AppError, ConflictError, ForbiddenError, InvalidError, NotFoundError
from tenants.organizations import Membership, lock_organization
from tenants.people import MANAGES_PEOPLE
from tenants.permissions import Role, grant_role, permissions_of, roles
from tenants.secrets import hash_of_token
from tenants.users import User, choose_password, demand_good_password, user_by_address

LIFETIME = timedelta(days=7)
MOST_OPEN = 5_000
ASK_ANEW = "Ask an administrator of the organization for a new invitation."
OVER = "This invitation has been used, withdrawn or is too old. Ask for a new one."


class KnownAddressError(AppError):
    """Whoever has the invited address has a password already."""

    message = (
        "This did not work. If you have used Postroom with this address before, sign in first"
        " and then open the link of the invitation again."
    )


class Invitation(OrganizationScoped, Base):
    """Somebody may join with these roles. Only the hash of the link's token is kept."""

    __tablename__ = "invitations"
    __table_args__ = (UniqueConstraint("organization_id", "token_hash"),)

    address: Mapped[str]  # lower case
    role_ids: Mapped[list[UUID]] = mapped_column(default=list)
    token_hash: Mapped[bytes]
    invited_by: Mapped[str]
    invited_by_id: Mapped[UUID | None] = mapped_column(default=None)  # a user, or nobody who signs in
    made_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime]
    accepted_at: Mapped[datetime | None] = mapped_column(default=None)


def invite(address: str, role_ids: list[UUID], *, by: Actor) -> tuple[Invitation, str]:
    """An invitation and its link's token (256 random bits); an open one of the same address is renewed.

    `InvalidError` if the address belongs to a member of this organization, which its administrators
    know anyway.
    """
    address = address.strip().lower()
    _demand_a_stranger(address)
    former = db.session.scalar(open_invitations().where(Invitation.address == address).with_for_update())
    if former is not None:
        former.role_ids = role_ids
        return former, renew(former, by=by)
    if _open_count() >= MOST_OPEN:
        raise ConflictError(f"{MOST_OPEN} invitations are open. Withdraw some of them first.")
    token = random.token_urlsafe(32)
    invitation = Invitation(
        address=address,
        role_ids=role_ids,
        token_hash=hash_of_token(token),
        invited_by=by.name,
        invited_by_id=by.id,
        expires_at=now() + LIFETIME,
    )
    db.session.add(invitation)
    db.session.flush()  # its id
    return invitation, token


def invite_many(wanted: Mapping[str, list[UUID]], *, by: Actor) -> list[tuple[Invitation, str]]:
    """The same for many strangers, address to roles, in as many statements as for one."""
    query = open_invitations().where(among(Invitation.address, wanted)).with_for_update()
    former = {one.address: one for one in db.session.scalars(query)}
    if _open_count() + len(wanted) - len(former) > MOST_OPEN:
        raise ConflictError(f"At most {MOST_OPEN} invitations can be open. Withdraw some of them first.")
    made: list[tuple[Invitation, str]] = []
    for address, role_ids in wanted.items():
        token = random.token_urlsafe(32)
        one = former.get(address) or Invitation(id=uuid7(), address=address)
        one.role_ids, one.invited_by, one.invited_by_id = role_ids, by.name, by.id
        one.token_hash, one.expires_at = hash_of_token(token), now() + LIFETIME
        made.append((one, token))
    db.session.add_all(one for one, _ in made)
    db.session.flush()
    return made


def open_invitations() -> Select[Invitation]:
    """Invitations of the current organization that can still be accepted, newest first."""
    return (
        select(Invitation)
        .where(Invitation.accepted_at.is_(None), Invitation.expires_at > now())
        .order_by(Invitation.made_at.desc(), Invitation.id.desc())
    )


def open_invitation(id: UUID) -> Invitation:
    """An invitation of the current organization that can still be accepted; `NotFoundError` otherwise."""
    invitation = db.session.scalar(open_invitations().where(Invitation.id == id).with_for_update())
    if invitation is None:
        raise NotFoundError("This invitation is no longer open.")
    return invitation


def invitation_of(token: str, *, to_accept: bool = False) -> Invitation:
    """The open invitation of a link; `NotFoundError` if it is used, over or none of ours.

    `ForbiddenError` once whoever made it may no longer invite, or no longer give one of its roles.
    """
    query = open_invitations().where(Invitation.token_hash == hash_of_token(token))
    invitation = db.session.scalar(query.with_for_update() if to_accept else query)
    if invitation is None:
        raise NotFoundError(OVER)
    _demand_still_grantable(invitation)
    return invitation


def renew(invitation: Invitation, *, by: Actor) -> str:
    """A new link's token for an invitation, which is ``by``'s from now on; the link before ends."""
    token = random.token_urlsafe(32)
    invitation.invited_by, invitation.invited_by_id = by.name, by.id
    invitation.token_hash, invitation.expires_at = hash_of_token(token), now() + LIFETIME
    db.session.flush()
    return token


def withdraw(invitation: Invitation) -> None:
    """Its link opens nothing from now on."""
    invitation.expires_at = now()
    db.session.flush()


def accept(token: str, user: User | None, *, name: str = "", password: str = "") -> User:
    """Join: as the signed-in ``user`` whose address it names, or as a new person with a password.

    `NotFoundError` if the link is over, `KnownAddressError` if the address belongs to somebody, who must
    sign in first.
    """
    lock_organization()
    invitation = invitation_of(token, to_accept=True)
    if user is None:
        name = " ".join(name.split())
        demand_good_password(invitation.address, name, password)  # before it shows who is known
        user = _new_user(invitation.address, name)
        choose_password(user, password)
    elif user.address != invitation.address:
        raise NotFoundError(f"This invitation is for {invitation.address}. Sign in with that address.")
    _join(user, invitation)
    invitation.accepted_at = now()
    user.current_organization_id = current_organization_id()
    db.session.flush()
    return user


def _new_user(address: str, name: str) -> User:
    if user_by_address(address) is not None:
        raise KnownAddressError
    user = User(address=address, name=name)
    try:
        with db.session.begin_nested():
            db.session.add(user)
    except IntegrityError:  # somebody opened a link of another organization in the same moment
        raise KnownAddressError from None
    return user


def _join(user: User, invitation: Invitation) -> None:
    member = db.session.scalar(select(Membership).where(Membership.user_id == user.id))
    if member is None:
        member = Membership(user_id=user.id)
        db.session.add(member)
        db.session.flush()
    if not member.is_enabled:
        raise ForbiddenError("You have been disabled here. Ask an administrator of the organization.")
    for role in db.session.scalars(_roles_of(invitation)):
        grant_role(member, role.id)


def _roles_of(invitation: Invitation) -> Select[Role]:
    """What it promises; one of them may be gone."""
    return roles().where(Role.id.in_(invitation.role_ids))


def _demand_still_grantable(invitation: Invitation) -> None:
    """An invitation gives no more than its inviter could give today."""
    if invitation.invited_by_id is None:
        return
    inviter = db.session.get(User, invitation.invited_by_id)
    if inviter is not None and inviter.is_enabled and inviter.is_system_admin:
        return
    member = db.session.scalar(select(Membership).where(Membership.user_id == invitation.invited_by_id))
    may = permissions_of(member) if member is not None else frozenset()
    if MANAGES_PEOPLE not in may:
        raise ForbiddenError(f"{invitation.invited_by} may no longer invite people here. {ASK_ANEW}")
    for role in db.session.scalars(_roles_of(invitation)):
        if not set(role.permissions) <= may:
            raise ForbiddenError(
                f"{invitation.invited_by} may no longer give the role {role.name}. {ASK_ANEW}"
            )


def _demand_a_stranger(address: str) -> None:
    member = db.session.scalar(
        select(Membership).join(User, User.id == Membership.user_id).where(User.address == address)
    )
    if member is not None and member.is_enabled:
        raise InvalidError(f"{address} is a member already. Change their roles instead.", field="address")
    if member is not None:
        raise InvalidError(f"{address} is a disabled member. Enable them instead.", field="address")


def _open_count() -> int:
    query = open_invitations().order_by(None).with_only_columns(func.count())
    return db.session.scalar(query) or 0
