"""What a system administrator may do with the users of the installation.

Somebody is always left who administers the system, and each organization keeps its administrator.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, func, select

from tenants.audit import Actor, record_for_system
from tenants.database import across_organizations, db
from tenants.errors import ConflictError, InvalidError
from tenants.organizations import Membership, MembershipRole, Organization
from tenants.people import ADMINISTERS
from tenants.permissions import Role, members_who_may
from tenants.users import (
    User,
    checked_address,
    checked_name,
    sign_out_everywhere,
    user_by_address,
)
from tenants.users.password_links import end_all

NAMED = 5  # organizations in a sentence
LOCKED_OUT = "You cannot lock yourself out. Ask another system administrator."


@dataclass(frozen=True)
class Belonging:
    """Where a user belongs: an organization, the state there, the names of the roles."""

    organization_id: UUID
    name: str
    is_enabled: bool
    roles: list[str]


def memberships_of(user: User) -> list[Belonging]:
    """Every organization of a user, by name."""
    held = (
        select(
            Organization.id,
            Organization.name,
            Membership.is_enabled & Organization.is_enabled,
            func.array_remove(func.array_agg(Role.name), None),
        )
        .join(Membership, Membership.organization_id == Organization.id)
        .outerjoin(
            MembershipRole, _is_same(MembershipRole.organization_id, MembershipRole.membership_id, Membership)
        )
        .outerjoin(Role, _is_same(MembershipRole.organization_id, MembershipRole.role_id, Role))
        .where(Membership.user_id == user.id)
        .group_by(Organization.id, Membership.organization_id, Membership.id)
        .order_by(Organization.name)
    )
    with across_organizations("a system page says where a user belongs") as session:
        return [Belonging(*row) for row in session.execute(held)]


def count_memberships(user_ids: list[UUID]) -> dict[UUID, int]:
    """In how many organizations these users are; those in none are missing."""
    counted = select(Membership.user_id, func.count()).where(Membership.user_id.in_(user_ids))
    with across_organizations("a system page counts where users belong") as session:
        return {row[0]: row[1] for row in session.execute(counted.group_by(Membership.user_id))}


def make_user(address: str, name: str, *, is_system_admin: bool = False, actor: Actor) -> User:
    """A user without a password: a link lets them choose one. `InvalidError` at the field that is wrong."""
    user = User(address=_free_address(address), name=checked_name(name), is_system_admin=is_system_admin)
    db.session.add(user)
    db.session.flush()  # its id
    record_for_system(actor, "user.created", user.address, {}, described(user))
    return user


def change_user(user: User, address: str, name: str, *, actor: Actor) -> None:
    """Call a user differently. With another address, links to the former one open nothing."""
    before = described(user)
    address, name = _free_address(address, user), checked_name(name)
    if address != user.address:
        end_all(user)
    user.address, user.name = address, name
    db.session.flush()
    if described(user) != before:
        record_for_system(actor, "user.changed", user.address, before, described(user))


def enable_user(user: User, enabled: bool, *, actor: Actor) -> None:
    """Let a user sign in, or not; a disabled one is out at once, in every organization."""
    if user.is_enabled == enabled:
        return
    if not enabled:
        _refuse_oneself(user, actor)
        demand_others_administer(user)
        end_all(user)
    with keeping_a_system_administrator():
        user.is_enabled = enabled
        sign_out_everywhere(user)
    act = "user.enabled" if enabled else "user.disabled"
    record_for_system(actor, act, user.address, {"is_enabled": not enabled}, {"is_enabled": enabled})


def make_system_admin(user: User, is_system_admin: bool, *, actor: Actor) -> None:
    """Let a user administer the system, or not. They sign in anew."""
    if user.is_system_admin == is_system_admin:
        return
    if not is_system_admin:
        _refuse_oneself(user, actor)
    with keeping_a_system_administrator():
        user.is_system_admin = is_system_admin
        sign_out_everywhere(user)
    act = "user.made_system_admin" if is_system_admin else "user.unmade_system_admin"
    values = {"is_system_admin": is_system_admin}
    record_for_system(actor, act, user.address, {"is_system_admin": not is_system_admin}, values)


def end_sessions(user: User, *, actor: Actor) -> None:
    """Sign a user out everywhere."""
    sign_out_everywhere(user)
    record_for_system(actor, "user.signed_out_everywhere", user.address)


@contextmanager
def keeping_a_system_administrator() -> Iterator[None]:
    """Change users: `ConflictError` if nobody were left who administers the system.

    Of two who take it from each other, the second waits for the first, and is told.
    """
    before = db.session.scalars(_system_admins().order_by(User.id).with_for_update()).all()
    yield
    db.session.flush()
    if before and db.session.scalar(_system_admins().limit(1)) is None:
        raise ConflictError(
            "Somebody must stay who administers the system. Make another administrator first."
        )


def demand_others_administer(user: User) -> None:
    """`ConflictError` where an enabled organization has no administrator but this user.

    The organizations are locked until the transaction ends, as by those who change roles there.
    """
    with across_organizations("which organizations lose their only administrator with a user") as session:
        member_of = select(Membership.organization_id).where(Membership.user_id == user.id)
        ids = session.scalars(member_of).all()
    lock_organizations(list(ids))
    gone = [user.id, *_disabled_here()]
    with across_organizations("which organizations lose their only administrator with a user") as session:
        alone = session.scalars(_administered_only_by(user, gone)).all()
    if alone:
        raise ConflictError(only_administrator(user, alone))


def only_administrator(user: User, organizations: Sequence[str]) -> str:
    """Why this user has to stay for now: these organizations have no other administrator."""
    shown, more = ", ".join(organizations[:NAMED]), len(organizations) - NAMED
    return (
        f"{user.name or user.address} is the only administrator of {shown}"
        f"{f' and {more} more' if more > 0 else ''}."
        " Invite another administrator there first, or disable the organization."
    )


def described(user: User) -> dict[str, Any]:
    """A user for the record."""
    return {
        "address": user.address,
        "name": user.name,
        "is_enabled": user.is_enabled,
        "is_system_admin": user.is_system_admin,
    }


def _is_same(organization_id: Any, id: Any, table: type[Membership] | type[Role]) -> ColumnElement[bool]:
    return and_(organization_id == table.organization_id, id == table.id)


def lock_organizations(organization_ids: Sequence[UUID]) -> None:
    """Until this transaction ends nobody else changes who administers these."""
    chosen = select(Organization.id).where(Organization.id.in_(organization_ids)).order_by(Organization.id)
    db.session.execute(chosen.with_for_update(key_share=True))


def _disabled_here() -> list[UUID]:
    """Users whom this transaction has disabled: no other session sees that before its commit."""
    db.session.flush()
    known = [user.id for user in db.session.identity_map.values() if isinstance(user, User)]
    return list(db.session.scalars(select(User.id).where(User.id.in_(known), User.is_enabled.is_(False))))


def _administered_only_by(user: User, gone: list[UUID]) -> Select[str]:
    administered = members_who_may(*ADMINISTERS).with_only_columns(Membership.organization_id)
    return (
        select(Organization.name)
        .where(
            Organization.is_enabled,
            Organization.id.in_(administered.where(Membership.user_id == user.id)),
            Organization.id.not_in(administered.where(Membership.user_id.not_in(gone))),
        )
        .order_by(Organization.name)
    )


def _system_admins() -> Select[UUID]:
    return select(User.id).where(User.is_system_admin, User.is_enabled)


def _refuse_oneself(user: User, actor: Actor) -> None:
    if user.id == actor.id:
        raise ConflictError(LOCKED_OUT)


def _free_address(text: str, user: User | None = None) -> str:
    address = checked_address(text)
    other = user_by_address(address)
    if other is not None and other is not user:
        raise InvalidError(f"There is a user {address} already.", field="address")
    return address
