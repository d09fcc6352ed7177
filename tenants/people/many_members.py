"""Many members at once: each is judged by themselves, in as many statements however many they are.

A refusal stops nobody else. Only where nobody would be left who administers the organization, all of them
who manage its people are refused. The caller holds the organization's lock (`tenants.people.granting`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import delete, update

from tenants.audit import Actor, record
from tenants.database import db, is_one_of
from tenants.database.bulk import insert_rows
from tenants.errors import ConflictError
from tenants.organizations import Membership, MembershipRole
from tenants.people import LOCKED_OUT, MANAGES_PEOPLE, keeping_an_administrator, refusals
from tenants.people.outcomes import Outcome
from tenants.permissions import Role, members_who_may, roles_by_member

Write = Callable[[list[UUID]], object]  # what becomes true of the members with these ids


@dataclass(frozen=True)
class Change:
    """Somebody becomes otherwise: the roles that it gives or takes, and what the record says of it."""

    member: Membership
    roles: Sequence[Role]
    act: str
    before: dict[str, Any]
    after: dict[str, Any]


def enable_many(
    members: Sequence[Membership], enabled: bool, *, by: frozenset[str], actor: Actor
) -> list[Outcome]:
    """Let them act in this organization, or not. That gives or takes all that their roles permit."""
    held = roles_by_member(member.id for member in members)
    act = "member.enabled" if enabled else "member.disabled"
    changes = [
        Change(member, held.get(member.id, []), act, {"is_enabled": not enabled}, {"is_enabled": enabled})
        for member in members
        if member.is_enabled != enabled
    ]
    oneself = {one.member.id: LOCKED_OUT for one in changes if one.member.user_id == actor.id and not enabled}

    def write(ids: list[UUID]) -> None:
        statement = update(Membership).where(is_one_of(Membership.id, ids)).values(is_enabled=enabled)
        db.session.execute(statement.execution_options(synchronize_session=False))

    return _outcomes(members, _done(changes, oneself, write, by, actor))


def give_role(
    members: Sequence[Membership], role: Role, *, by: frozenset[str], actor: Actor
) -> list[Outcome]:
    """They hold a role, too, from now on."""
    held = roles_by_member(member.id for member in members)
    changes = [
        _change_of_roles(member, role, before, [*before, role])
        for member in members
        if role not in (before := held.get(member.id, []))
    ]

    def write(ids: list[UUID]) -> None:
        insert_rows(MembershipRole, [{"membership_id": id, "role_id": role.id} for id in ids])

    return _outcomes(members, _done(changes, {}, write, by, actor))


def take_role(
    members: Sequence[Membership], role: Role, *, by: frozenset[str], actor: Actor
) -> list[Outcome]:
    """They hold a role no longer."""
    held = roles_by_member(member.id for member in members)
    changes = [
        _change_of_roles(member, role, before, [one for one in before if one is not role])
        for member in members
        if role in (before := held.get(member.id, []))
    ]

    def write(ids: list[UUID]) -> None:
        holding = (is_one_of(MembershipRole.membership_id, ids), MembershipRole.role_id == role.id)
        statement = delete(MembershipRole).where(*holding)
        db.session.execute(statement.execution_options(synchronize_session=False))

    return _outcomes(members, _done(changes, {}, write, by, actor))


def _change_of_roles(member: Membership, role: Role, before: list[Role], after: list[Role]) -> Change:
    names = [sorted(one.name for one in held) for held in (before, after)]
    return Change(member, [role], "member.roles_changed", {"roles": names[0]}, {"roles": names[1]})


def _done(
    changes: list[Change], refused: dict[UUID, str], write: Write, by: frozenset[str], actor: Actor
) -> dict[UUID, str]:
    """Write and record what may be; why not, by member, where something may not."""
    refused = _ungrantable(changes, by) | refused
    going = [one for one in changes if one.member.id not in refused]
    try:
        _write(going, write)
    except ConflictError as error:
        refused |= dict.fromkeys(_managers(going), error.message)
        going = [one for one in going if one.member.id not in refused]
        _write(going, write)
    for one in going:
        record(actor, one.act, one.member.name, one.before, one.after)
    return refused


def _ungrantable(changes: list[Change], by: frozenset[str]) -> dict[UUID, str]:
    words = refusals(list({role.id: role for one in changes for role in one.roles}.values()), by)
    found = {one.member.id: [words[role.id] for role in one.roles if role.id in words] for one in changes}
    return {id: some[0] for id, some in found.items() if some}


def _write(going: list[Change], write: Write) -> None:
    """All of them or, where nobody were left who administers, none."""
    if going:
        with db.session.begin_nested(), keeping_an_administrator():
            write([one.member.id for one in going])


def _managers(going: list[Change]) -> list[UUID]:
    chosen = is_one_of(Membership.id, [one.member.id for one in going])
    managing = members_who_may(MANAGES_PEOPLE).where(chosen)
    return list(db.session.scalars(managing.with_only_columns(Membership.id)))


def _outcomes(members: Sequence[Membership], refused: dict[UUID, str]) -> list[Outcome]:
    return [Outcome(member.name, refused.get(member.id, "")) for member in members]
