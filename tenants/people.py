"""What an administrator may do with people and roles. Nobody grants what they lack."""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import delete, func, select

from tenants.audit import Actor, record
from tenants.database import db
from tenants.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from tenants.organizations import Membership, MembershipRole, active_members
from tenants.permissions import PERMISSIONS, Role, grant_role, permissions_of, roles_of

MANAGES_PEOPLE = "user.manage"


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


def grantable(role_ids: Iterable[UUID], by: frozenset[str]) -> list[Role]:
    """These roles, if whoever has the permissions ``by`` may grant them all; `ForbiddenError` otherwise."""
    chosen = [role_of_organization(id) for id in role_ids]
    for role in chosen:
        lacking = set(role.permissions) - by
        if lacking:
            raise ForbiddenError(
                f"You cannot give the role {role.name}: it permits what you may not do yourself"
                f" ({PERMISSIONS[min(lacking)]})."
            )
    return chosen


def change_roles(member: Membership, role_ids: list[UUID], *, by: frozenset[str], actor: Actor) -> None:
    """A member holds exactly these roles from now on."""
    before = list(db.session.scalars(roles_of(member)))
    held = {role.id for role in before}
    grantable([id for id in role_ids if id not in held], by)
    grantable([id for id in held if id not in role_ids], by)  # nor take away what they could not give
    managed = MANAGES_PEOPLE in permissions_of(member)
    db.session.execute(delete(MembershipRole).where(MembershipRole.membership_id == member.id))
    for id in role_ids:
        grant_role(member, id)
    db.session.flush()
    if managed:
        _demand_an_administrator()
    after = [role.name for role in db.session.scalars(roles_of(member))]
    record(
        actor,
        "member.roles_changed",
        member.name,
        {"roles": [role.name for role in before]},
        {"roles": after},
    )


def enable(member: Membership, enabled: bool, *, by: frozenset[str], actor: Actor) -> None:
    """Let a member act in this organization, or not. Their other organizations do not notice.

    That gives or takes all that their roles permit: `ForbiddenError` without having it oneself.
    """
    grantable([role.id for role in db.session.scalars(roles_of(member))], by)
    member.is_enabled = enabled
    db.session.flush()
    if not enabled:
        _demand_an_administrator()
    record(actor, "member.enabled" if enabled else "member.disabled", member.name)


def save_role(
    role: Role | None, name: str, permissions: list[str], *, by: frozenset[str], actor: Actor
) -> Role:
    """A new role, or a changed one of the organization's own."""
    name = " ".join(name.split())
    if not 1 <= len(name) <= 60:
        raise InvalidError("Give the role a name of up to 60 characters.", field="name")
    if not set(permissions) <= set(PERMISSIONS):
        raise InvalidError("Choose permissions of the list.", field="permissions")
    same = db.session.scalar(select(Role).where(func.lower(Role.name) == name.lower()))
    if same is not None and same is not role:
        raise InvalidError(f"There is a role {same.name} already.", field="name")
    before = {"permissions": sorted(role.permissions)} if role is not None else {}
    changed = set(permissions) ^ set(role.permissions if role is not None else ())
    if not changed <= by:
        raise ForbiddenError("You can only give and take permissions that you have yourself.")
    if role is None:
        role = Role(name=name)
        db.session.add(role)
    elif role.system_key is not None:
        raise ForbiddenError(f"{role.name} is offered by the system. Make a role of your own instead.")
    role.name, role.permissions = name, sorted(set(permissions))
    db.session.flush()
    if MANAGES_PEOPLE in changed and MANAGES_PEOPLE not in permissions:
        _demand_an_administrator()
    record(actor, "role.saved", role.name, before, {"permissions": role.permissions})
    return role


def delete_role(role: Role, *, by: frozenset[str], actor: Actor) -> None:
    """Delete a role that nobody holds."""
    grantable([role.id], by)
    if role.system_key is not None:
        raise ForbiddenError(f"{role.name} is offered by the system and stays.")
    held = db.session.scalar(
        select(func.count()).select_from(MembershipRole).where(MembershipRole.role_id == role.id)
    )
    if held:
        raise ConflictError(f"{held} people hold the role {role.name}. Give them another one first.")
    record(actor, "role.deleted", role.name, {"permissions": role.permissions})
    db.session.delete(role)
    db.session.flush()


def _demand_an_administrator() -> None:
    """`ConflictError` if nobody would be left who can manage people."""
    if not any(MANAGES_PEOPLE in permissions_of(member) for member in db.session.scalars(active_members())):
        raise ConflictError("Somebody must stay who can manage people. Give another person that role first.")
