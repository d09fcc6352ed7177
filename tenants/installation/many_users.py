"""Many users of the installation at once, as `tenants.people.many_members` does it with members.

Each is judged by themselves and a refusal stops nobody else, in as many statements however many they are.
"""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import delete, select, update

from tenants.audit import Actor, record_for_system
from tenants.database import across_organizations, db, is_one_of
from tenants.errors import InvalidError
from tenants.installation.users import (
    LOCKED_OUT,
    keeping_a_system_administrator,
    lock_organizations,
    only_administrator,
)
from tenants.organizations import Membership, Organization
from tenants.people import ADMINISTERS
from tenants.people.outcomes import Outcome
from tenants.permissions import members_who_may
from tenants.users import SHOWN_NAME, SignIn, User
from tenants.users.password_links import end_all

# By an organization (its name, its id): the chosen who administer it, where nobody else does.
Alone = dict[tuple[str, UUID], set[UUID]]


def change_many(ids: Sequence[UUID], act: str, *, actor: Actor) -> list[Outcome]:
    """Enable, disable or sign out several users."""
    if act not in ("enable", "disable", "sign_out"):
        raise InvalidError("Choose what to do with the users.")
    chosen = db.session.scalars(select(User).where(is_one_of(User.id, ids)).order_by(SHOWN_NAME)).all()
    refused: dict[UUID, str] = {}
    if act == "sign_out":
        _sign_out(chosen)
        for user in chosen:
            record_for_system(actor, "user.signed_out_everywhere", user.address)
    else:
        changing = [user for user in chosen if user.is_enabled != (act == "enable")]
        refused = _needed(changing, actor) if act == "disable" else {}
        _enable([user for user in changing if user.id not in refused], act == "enable", actor)
    return [Outcome(user.name or user.address, refused.get(user.id, "")) for user in chosen]


def _enable(users: Sequence[User], enabled: bool, actor: Actor) -> None:
    with keeping_a_system_administrator():
        statement = update(User).where(is_one_of(User.id, _ids(users))).values(is_enabled=enabled)
        db.session.execute(statement.execution_options(synchronize_session=False))
    _sign_out(users)
    if not enabled:
        end_all(*users)
    act = "user.enabled" if enabled else "user.disabled"
    for user in users:
        record_for_system(actor, act, user.address, {"is_enabled": not enabled}, {"is_enabled": enabled})


def _needed(users: Sequence[User], actor: Actor) -> dict[UUID, str]:
    """Who is not disabled, and why: oneself, and the last administrator of an organization."""
    alone, refused = _administered_by_nobody_else(users), {}
    for user in users:
        last = [name for (name, _), left in alone.items() if left == {user.id}]
        if user.id == actor.id or last:
            refused[user.id] = LOCKED_OUT if user.id == actor.id else only_administrator(user, last)
            continue
        for left in alone.values():
            left.discard(user.id)
    return refused


def _administered_by_nobody_else(users: Sequence[User]) -> Alone:
    """Locked until the transaction ends, as by those who change roles there."""
    is_chosen = is_one_of(Membership.user_id, _ids(users))
    with across_organizations("which organizations lose their administrators with some users") as session:
        ids = session.scalars(select(Membership.organization_id).where(is_chosen).distinct()).all()
    lock_organizations(ids)
    administrators = members_who_may(*ADMINISTERS)
    others = administrators.where(~is_chosen).with_only_columns(Membership.organization_id)
    query = (
        administrators.where(is_chosen, Organization.is_enabled, Organization.id.not_in(others))
        .join(Organization, Organization.id == Membership.organization_id)
        .with_only_columns(Organization.name, Organization.id, Membership.user_id)
        .order_by(Organization.name, Organization.id)
    )
    with across_organizations("which organizations lose their administrators with some users") as session:
        rows = session.execute(query).all()
    found: Alone = {}
    for name, id, user_id in rows:
        found.setdefault((name, id), set()).add(user_id)
    return found


def _sign_out(users: Sequence[User]) -> None:
    db.session.execute(delete(SignIn).where(is_one_of(SignIn.user_id, _ids(users))))


def _ids(users: Sequence[User]) -> list[UUID]:
    return [user.id for user in users]
