"""What an administrator may do with people. Nobody grants what they lack, and somebody must be left.

Whoever changes who may do what holds the organization's lock until the transaction ends (`granting`,
`lock_organization`): two administrators who take the rights from each other wait for one another, and the
second one is told.

In this room, too: `roles` and what may be done with them; `invitations`, which bring somebody in;
`many_members` and `member_import` (from a file), which do the same with many, and tell what became of each
(`outcomes`).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

from sqlalchemy import delete, select

from tenants.audit import Actor, record
from tenants.database import db
from tenants.errors import ConflictError, ForbiddenError, NotFoundError
from tenants.organizations import Membership, MembershipRole, lock_organization
from tenants.permissions import (
    PERMISSIONS,
    Role,
    grant_role,
    members_who_may,
    permissions_of,
    roles_of,
)
from tenants.permissions import roles as roles_in_order

MANAGES_PEOPLE = "user.manage"
LOCKED_OUT = "You cannot lock yourself out. Ask another administrator."
ADMINISTERS = ("organization.configure", MANAGES_PEOPLE)  # who holds both is an administrator


def granting(member: Membership) -> frozenset[str]:
    """What this member may grant, and nobody takes from them before the transaction ends."""
    lock_organization()
    db.session.refresh(member)
    db.session.refresh(member.user)
    return permissions_of(member)


def member_of_organization(id: UUID) -> Membership:
    """A member of the current organization; `NotFoundError` otherwise."""
    member = db.session.scalar(select(Membership).where(Membership.id == id))
    if member is None:
        raise NotFoundError
    return member


def role_of_organization(id: UUID) -> Role:
    """A role of the current organization; `NotFoundError` otherwise."""
    role = db.session.scalar(select(Role).where(Role.id == id))
    if role is None:
        raise NotFoundError
    return role


Demand = Callable[[Sequence[Role], frozenset[str]], dict[UUID, str]]
_demands: list[Demand] = []


def demand_for_grants(demand: Demand) -> Demand:
    """Register what else must hold before roles are given: called with them and the giver's permissions.

    It says why not, by the ids of roles that open more than their permissions say.
    """
    _demands.append(demand)
    return demand


def grantable(role_ids: Iterable[UUID], by: frozenset[str]) -> list[Role]:
    """These roles, if whoever has the permissions ``by`` may grant them all; `ForbiddenError` otherwise."""
    wanted = list(dict.fromkeys(role_ids))
    chosen = list(db.session.scalars(roles_in_order().where(Role.id.in_(wanted))))
    if len(chosen) < len(wanted):
        raise NotFoundError("One of these roles no longer exists. Choose again.")
    refused = refusals(chosen, by)
    if refused:
        raise ForbiddenError(next(iter(refused.values())))
    return chosen


def refusals(chosen: Sequence[Role], by: frozenset[str]) -> dict[UUID, str]:
    """Why whoever may do ``by`` cannot give or take some of these roles; the others are missing."""
    refused = {role.id: _lack(role, by) for role in chosen if not by.issuperset(role.permissions)}
    for demand in _demands:
        refused = demand(chosen, by) | refused
    return refused


def change_roles(member: Membership, role_ids: list[UUID], *, by: frozenset[str], actor: Actor) -> None:
    """A member holds exactly these roles from now on."""
    with keeping_an_administrator():
        before = list(db.session.scalars(roles_of(member)))
        changed = {role.id for role in before} ^ set(role_ids)
        grantable(changed, by)  # nor take away what they could not give
        db.session.execute(delete(MembershipRole).where(MembershipRole.membership_id == member.id))
        for id in role_ids:
            grant_role(member, id)
    if changed:
        after = [role.name for role in db.session.scalars(roles_of(member))]
        named = {"roles": [role.name for role in before]}
        record(actor, "member.roles_changed", member.name, named, {"roles": after})


def enable(member: Membership, enabled: bool, *, by: frozenset[str], actor: Actor) -> None:
    """Let a member act in this organization, or not. Their other organizations do not notice.

    That gives or takes all that their roles permit: `ForbiddenError` without having it oneself.
    """
    if not enabled and member.user_id == actor.id:
        raise ConflictError(LOCKED_OUT)
    with keeping_an_administrator():
        grantable([role.id for role in db.session.scalars(roles_of(member))], by)
        before, member.is_enabled = member.is_enabled, enabled
    if before != enabled:
        act = "member.enabled" if enabled else "member.disabled"
        record(actor, act, member.name, {"is_enabled": before}, {"is_enabled": enabled})


@contextmanager
def keeping_an_administrator() -> Iterator[None]:
    """Change who may do what: `ConflictError` if nobody were left who administers the organization.

    An organization that has nobody yet, because its first administrator is only invited, loses nothing.
    """
    lock_organization()
    before = _who_is_there()
    yield
    db.session.flush()
    if any(was and not still for was, still in zip(before, _who_is_there(), strict=True)):
        raise ConflictError(
            "Somebody must stay who can configure the organization and manage its people."
            " Give another person such a role first."
        )


def _lack(role: Role, by: frozenset[str]) -> str:
    lacking = min(set(role.permissions) - by)
    return (
        f"You cannot give or take the role {role.name}: it permits what you may not do yourself"
        f" ({PERMISSIONS.get(lacking, lacking)})."
    )


def _who_is_there() -> tuple[bool, ...]:
    """Whether there is an administrator, and whether at least somebody who manages people."""
    return tuple(_somebody_may(permissions) for permissions in (ADMINISTERS, (MANAGES_PEOPLE,)))


def _somebody_may(permissions: tuple[str, ...]) -> bool:
    return db.session.scalar(members_who_may(*permissions).limit(1)) is not None
