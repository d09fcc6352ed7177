"""What an administrator may do with roles. Nobody grants or takes what they lack."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from tenants.audit import Actor, record
from tenants.database import db
from tenants.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from tenants.organizations import Membership, MembershipRole
from tenants.people import grantable, keeping_an_administrator
from tenants.permissions import PERMISSIONS, Role, roles_by_member
from tenants.users import SHOWN_NAME, User

LONGEST_NAME = 60
Cells = Mapping[UUID, set[str]]  # permissions by role


@dataclass(frozen=True)
class Loss:
    """What somebody can no longer do once a role is gone, in words; nothing if other roles permit it."""

    member: Membership
    permissions: tuple[str, ...]


def save_role(
    role: Role | None, name: str, permissions: Collection[str], *, by: frozenset[str], actor: Actor
) -> Role:
    """A new role, or a changed one of the organization's own."""
    with keeping_an_administrator():
        before = _known(role)
        name = _checked_name(name, role)
        _demand_grantable(set(permissions) ^ set(before.get("permissions", ())), by)
        if role is None:
            role = Role()
            db.session.add(role)
        role.name, role.permissions = name, sorted(set(permissions))
    after = _known(role)
    if after != before:
        record(actor, "role.saved", role.name, before, after)
    return role


def change_permissions(given: Cells, taken: Cells, *, by: frozenset[str], actor: Actor) -> None:
    """What the matrix gives to roles and takes from them, all of it or nothing.

    In as many statements however many they are. `NotFoundError` where a role is not there.
    """
    with keeping_an_administrator():
        changed = _own_roles({*given, *taken})
        before = {role.id: _described(role) for role in changed}
        for role in changed:
            held = set(role.permissions)
            wanted = (held | given.get(role.id, set())) - taken.get(role.id, set())
            _demand_grantable(held ^ wanted, by)
            role.permissions = sorted(wanted)
    for role in changed:
        if before[role.id] != _described(role):
            record(actor, "role.saved", role.name, before[role.id], _described(role))


def clone_role(role: Role, *, by: frozenset[str], actor: Actor) -> Role:
    """A role of the organization's own with the same permissions, and a name that is free."""
    taken = {name.lower() for name in db.session.scalars(select(Role.name))}
    stem = role.name[: LONGEST_NAME - 9]
    names = [f"{stem} (copy)", *(f"{stem} (copy {number})" for number in range(2, 100))]
    free = next((name for name in names if name.lower() not in taken), None)
    if free is None:
        raise ConflictError("There are many copies of this role already. Rename some of them first.")
    return save_role(None, free, role.permissions, by=by, actor=actor)


def losses(role: Role) -> list[Loss]:
    """Everybody who holds a role, by name, with what no other role of theirs permits."""
    holders = db.session.scalars(
        select(Membership)
        .join(User, User.id == Membership.user_id)
        .where(Membership.id.in_(_holders(role.id)))
        .order_by(SHOWN_NAME)
    ).all()
    held = roles_by_member(member.id for member in holders)
    return [Loss(member, _lost(role, held.get(member.id, []))) for member in holders]


def delete_role(role: Role, *, by: frozenset[str], actor: Actor, from_holders: bool = False) -> None:
    """Delete a role of the organization's own; with ``from_holders`` also from those who hold it."""
    with keeping_an_administrator():
        before = _known(role)
        grantable([role.id], by)
        held = db.session.scalar(select(func.count()).select_from(_holders(role.id).subquery())) or 0
        if held and not from_holders:
            raise ConflictError(f"{_people(held)} the role {role.name}. Give them another one first.")
        db.session.delete(role)
    record(actor, "role.deleted", role.name, {**before, "holders": held}, {})


def holder_counts() -> dict[UUID, int]:
    """How many members hold each role; those that nobody holds are missing."""
    rows = db.session.execute(select(MembershipRole.role_id, func.count()).group_by(MembershipRole.role_id))
    return {row[0]: row[1] for row in rows}


def _holders(role_id: UUID):  # type: ignore[no-untyped-def]  # a Select of ids
    return select(MembershipRole.membership_id).where(MembershipRole.role_id == role_id)


def _lost(role: Role, held: list[Role]) -> tuple[str, ...]:
    kept = {permission for other in held if other.id != role.id for permission in other.permissions}
    return tuple(words for key, words in PERMISSIONS.items() if key in role.permissions and key not in kept)


def _checked_name(name: str, role: Role | None) -> str:
    name = " ".join(name.split())
    if not 1 <= len(name) <= LONGEST_NAME:
        raise InvalidError(f"Give the role a name of up to {LONGEST_NAME} characters.", field="name")
    same = db.session.scalar(select(Role).where(func.lower(Role.name) == name.lower()))
    if same is not None and same is not role:
        raise InvalidError(f"There is a role {same.name} already.", field="name")
    return name


def _demand_grantable(changed: set[str], by: frozenset[str]) -> None:
    if not changed <= set(PERMISSIONS):
        raise InvalidError("Choose permissions from the list.", field="permissions")
    if not changed <= by:
        lacking = ", ".join(PERMISSIONS[one] for one in sorted(changed - by))
        raise ForbiddenError(
            f"You can only give and take permissions that you have yourself. Not: {lacking}."
        )


def _known(role: Role | None) -> dict[str, Any]:
    """A role as it is now, for the record; `ForbiddenError` for one of the system's."""
    if role is None:
        return {}
    db.session.flush()
    db.session.refresh(role)
    return _described(role)


def _own_roles(ids: set[UUID]) -> list[Role]:
    """These roles as they are now, each of the organization's own, by name."""
    query = select(Role).where(Role.id.in_(ids)).order_by(Role.name)
    found = list(db.session.scalars(query.execution_options(populate_existing=True)))
    if len(found) < len(ids):
        raise NotFoundError("One of these roles no longer exists. Look at the matrix again.")
    return found


def _described(role: Role) -> dict[str, Any]:
    if role.system_key is not None:
        raise ForbiddenError(f"{role.name} is offered by the system and stays as it is. Clone it instead.")
    return {"name": role.name, "permissions": sorted(role.permissions)}


def _people(number: int) -> str:
    return "1 person holds" if number == 1 else f"{number} people hold"
