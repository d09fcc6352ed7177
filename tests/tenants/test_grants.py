"""Nobody gives anybody a permission that they lack, whatever they do one after another (T19)."""

import threading
from itertools import count
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from tenants import people
from tenants.audit import Actor
from tenants.database import db, inside
from tenants.errors import AppError, ConflictError
from tenants.organizations import Membership
from tenants.people import roles
from tenants.people.invitations import accept, invite
from tenants.people.many_members import enable_many, give_role, take_role
from tenants.permissions import ADMINISTRATOR, PERMISSIONS, Role, permissions_of
from tenants.users import User
from tests.factories import PASSWORD, make_member, make_organization

FEW = ["organization.configure", "user.manage", "lead.view", "audit.view"]
MEMBERS, ROLES = 4, 3
_number = count(1)

permission_sets = st.sets(st.sampled_from(FEW)).map(sorted)
who = st.integers(0, MEMBERS - 1)
which = st.integers(0, ROLES - 1)
steps = st.one_of(
    st.tuples(st.just("assign"), who, who, st.lists(which, unique=True)),
    st.tuples(st.just("edit"), who, which, permission_sets),
    st.tuples(st.just("make"), who, which, permission_sets),
    st.tuples(st.just("delete"), who, which, st.none()),
    st.tuples(st.just("clone"), who, which, st.none()),
    st.tuples(st.just("switch"), who, who, st.booleans()),
    st.tuples(st.just("give_many"), who, st.lists(who, unique=True), which),
    st.tuples(st.just("take_many"), who, st.lists(who, unique=True), which),
    st.tuples(st.just("switch_many"), who, st.lists(who, unique=True), st.booleans()),
    st.tuples(st.just("invite"), who, st.lists(which, unique=True), st.none()),
    st.tuples(st.just("join"), st.none(), st.none(), st.none()),
)


class Story:
    """An organization in which people act; each act is what a request does, in the same functions."""

    def __init__(self, organization_id: UUID, members: list[UUID]) -> None:
        self.organization_id = organization_id
        self.members = members
        self.promised: dict[str, list[UUID]] = {}  # the roles of open invitations, by their token

    def act(self, step) -> None:
        """One request: it commits, or it is refused and changes nothing."""
        kind, *arguments = step
        with inside(self.organization_id):
            before = self._everything()
            try:
                grantor = getattr(self, kind)(*arguments)
                db.session.commit()
            except AppError:
                db.session.rollback()
                assert self._everything() == before, f"{kind} was refused, and changed something"
                return
            after = self._everything()
        for id, permissions in after.items():
            gained = permissions - before.get(id, frozenset())
            assert gained <= before.get(grantor, frozenset()) or kind == "join", f"{kind} gave {gained}"
        assert self._has_administrator(after) or not self._has_administrator(before)

    def _everything(self):
        found = db.session.scalars(select(Membership).execution_options(populate_existing=True))
        return {member.id: permissions_of(member) for member in found}

    @staticmethod
    def _has_administrator(everything) -> bool:
        return any(set(people.ADMINISTERS) <= permissions for permissions in everything.values())

    def _member(self, place: int) -> Membership:
        return people.member_of_organization(self.members[place])

    def _by(self, place: int):
        """As the guard and the view have it: only who manages people gets here."""
        member = self._member(place)
        by = people.granting(member)
        if people.MANAGES_PEOPLE not in by:
            raise AppError("the guard does not let this person in")
        return by, Actor(member.name, member.user_id)

    def _role(self, place: int) -> Role:
        own = db.session.scalars(select(Role).where(Role.system_key.is_(None)).order_by(Role.id)).all()
        if place >= len(own):
            raise AppError("there is no such role")
        return own[place]

    def assign(self, actor, target, chosen):
        by, name = self._by(actor)
        wanted = [self._role(place).id for place in chosen]
        people.change_roles(self._member(target), wanted, by=by, actor=name)
        return self.members[actor]

    def edit(self, actor, role, permissions):
        by, name = self._by(actor)
        chosen = self._role(role)
        roles.save_role(chosen, chosen.name, permissions, by=by, actor=name)
        return self.members[actor]

    def make(self, actor, _, permissions):
        by, name = self._by(actor)
        roles.save_role(None, f"Role {next(_number)}", permissions, by=by, actor=name)
        return self.members[actor]

    def delete(self, actor, role, _):
        by, name = self._by(actor)
        roles.delete_role(self._role(role), by=by, actor=name, from_holders=True)
        return self.members[actor]

    def clone(self, actor, role, _):
        by, name = self._by(actor)
        roles.clone_role(self._role(role), by=by, actor=name)
        return self.members[actor]

    def switch(self, actor, target, enabled):
        by, name = self._by(actor)
        people.enable(self._member(target), enabled, by=by, actor=name)
        return self.members[actor]

    def give_many(self, actor, targets, role):
        by, name = self._by(actor)
        give_role(self._chosen(targets), self._role(role), by=by, actor=name)
        return self.members[actor]

    def take_many(self, actor, targets, role):
        by, name = self._by(actor)
        take_role(self._chosen(targets), self._role(role), by=by, actor=name)
        return self.members[actor]

    def switch_many(self, actor, targets, enabled):
        by, name = self._by(actor)
        enable_many(self._chosen(targets), enabled, by=by, actor=name)
        return self.members[actor]

    def _chosen(self, places):
        return [self._member(place) for place in places]

    def invite(self, actor, chosen, _):
        by, name = self._by(actor)
        granted = people.grantable([self._role(place).id for place in chosen], by)
        address = f"guest{next(_number)}@story.test"
        _, token = invite(address, [role.id for role in granted], by=name)
        self.promised[token] = [role.id for role in granted]
        return self.members[actor]

    def join(self, *_):
        if not self.promised:
            raise AppError("nobody is invited")
        token, promised = self.promised.popitem()
        user = accept(token, None, name="Guest", password=PASSWORD)
        member = db.session.scalars(select(Membership).where(Membership.user_id == user.id)).one()
        held = {role.id for role in db.session.scalars(people.roles_of(member))}
        assert held <= set(promised), "more than the invitation promised"
        return


@pytest.fixture
def story(app):
    def begin() -> Story:
        organization = make_organization(f"Story {next(_number)}")
        managers = [make_member(organization.id, f"M{place}", role=None) for place in range(MEMBERS - 1)]
        everybody = [organization.admin.id, *(member.id for member in managers)]
        with inside(organization.id):
            made = Role(name="People", permissions=["user.manage", "lead.view"])
            others = [Role(name="Audit", permissions=["audit.view"]), Role(name="All", permissions=FEW)]
            db.session.add_all([made, *others])
            db.session.flush()
            for member in managers[:2]:
                people.grant_role(people.member_of_organization(member.id), made.id)
            db.session.commit()
        return Story(organization.id, everybody)

    return begin


@pytest.mark.long
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(taken=st.lists(steps, min_size=3, max_size=14))
def test_no_sequence_of_acts_gives_what_its_grantor_lacked(story, taken):
    told = story()
    for step in taken:
        told.act(step)


def test_two_administrators_who_strip_each_other_leave_one(app, ours, theirs):
    """Both read that the other one is there; the lock lets the second see what the first has done."""
    second = make_member(ours.id, "Second", role=ADMINISTRATOR)
    barrier, refused = threading.Barrier(2), []

    def strip(actor: Membership, target: Membership) -> None:
        with app.app_context(), inside(ours.id):
            people.member_of_organization(actor.id)  # as the guard did, before the other began
            barrier.wait(10)
            try:
                by = people.granting(people.member_of_organization(actor.id))
                if people.MANAGES_PEOPLE not in by:
                    raise ConflictError("stripped meanwhile")
                people.change_roles(
                    people.member_of_organization(target.id), [], by=by, actor=Actor("x", actor.user_id)
                )
                db.session.commit()
            except AppError as error:
                db.session.rollback()
                refused.append(error)

    pairs = ((ours.admin, second), (second, ours.admin))
    threads = [threading.Thread(target=strip, args=pair) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(refused) == 1
    with inside(ours.id):
        left = [m for m in (ours.admin, second) if permissions_of(people.member_of_organization(m.id))]
    assert len(left) == 1


@pytest.mark.parametrize("lacking", sorted(PERMISSIONS))
def test_whoever_lacks_a_permission_gives_it_in_no_way(app, ours, lacking):
    by = frozenset(PERMISSIONS) - {lacking}
    actor = Actor("Somebody", UUID(int=1))
    with inside(ours.id):
        target = people.member_of_organization(ours.member.id)
        role = Role(name="Has it", permissions=[lacking])
        empty = Role(name="Empty", permissions=[])
        db.session.add_all([role, empty])
        db.session.commit()
        for attempt in (
            lambda: people.change_roles(target, [role.id], by=by, actor=actor),
            lambda: people.grantable([role.id], by),
            lambda: roles.save_role(empty, "Empty", [lacking], by=by, actor=actor),
            lambda: roles.save_role(None, "New", [lacking], by=by, actor=actor),
            lambda: roles.clone_role(role, by=by, actor=actor),
            lambda: roles.delete_role(role, by=by, actor=actor),
            lambda: roles.save_role(role, "Has it", [], by=by, actor=actor),
        ):
            with pytest.raises(AppError):
                attempt()
            db.session.rollback()


def test_a_disabled_user_of_the_system_administers_nothing(app, ours):
    with inside(ours.id):
        member = people.member_of_organization(ours.admin.id)
        db.session.get(User, member.user_id).is_enabled = False
        db.session.flush()
        assert db.session.scalars(people.members_who_may("user.manage")).all() == []
