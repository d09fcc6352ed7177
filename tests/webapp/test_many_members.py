"""Many members at once: a refusal stops nobody else, in as many statements however many they are."""

from uuid import uuid4

import pytest
from sqlalchemy import select

from tenants.audit import AuditEntry
from tenants.database import db
from tenants.organizations import Membership, MembershipRole
from tenants.permissions import ADMINISTRATOR, Role, roles_of
from tests.factories import csrf_token, make_member, sign_in
from tests.queries import counted_queries
from tests.webapp.reading import send, words_of
from tests.webapp.test_roles import MATRIX, cells, make_role, permissions

PEOPLE = "/configuration/people/"
CHANGE = f"{PEOPLE}change-many"


def change(client, members, act, role=None, expect=200):
    chosen = [str(member.id) for member in members]
    fields = {"selected": chosen, "act": act, "role": str(role.id) if role else ""}
    return words_of(send(client, CHANGE, at=PEOPLE, expect=expect, **fields))


def names_of(inside, world, member):
    with inside(world):
        stored = db.session.scalars(select(Membership).where(Membership.id == member.id)).one()
        return [role.name for role in db.session.scalars(roles_of(stored))], stored.is_enabled


def system_role(inside, world, key):
    with inside(world):
        return db.session.scalars(select(Role).where(Role.system_key == key)).one()


def entries(inside, world):
    with inside(world):
        return [
            (entry.act, entry.subject, entry.before, entry.after)
            for entry in db.session.scalars(select(AuditEntry).order_by(AuditEntry.subject))
        ]


def test_a_role_is_given_and_taken_and_recorded_where_that_changes_something(app, inside, ours, theirs):
    sales = make_role(inside, ours, "Sales", ["lead.view"], ours.member)
    second = make_member(ours.id, "Second")
    client = sign_in(app, ours.admin)
    assert "2 people changed." in change(client, [ours.member, second], "add_role", sales)
    assert names_of(inside, ours, second) == (["Member", "Sales"], True)
    given = ("member.roles_changed", "Second", {"roles": ["Member"]}, {"roles": ["Member", "Sales"]})
    assert entries(inside, ours) == [given]
    change(client, [ours.member, second, theirs.member], "remove_role", sales)
    assert names_of(inside, ours, ours.member) == (["Member"], True)
    assert names_of(inside, theirs, theirs.member) == (["Member"], True)


@pytest.mark.parametrize("act", ["add_role", "remove_role"])
def test_a_role_that_was_deleted_meanwhile_is_said_on_the_list(app, inside, ours, theirs, act):
    elsewhere = make_role(inside, theirs, "Sales", ["lead.view"], theirs.member)
    gone = Role(id=uuid4())
    client = sign_in(app, ours.admin)
    for role in (gone, elsewhere):
        words = change(client, [ours.member], act, role)
        assert "This role is no more, and nobody was changed." in words


def test_members_are_disabled_but_oneself_and_whoever_may_do_more(app, inside, ours, theirs):
    manager = make_member(ours.id, "Manager", role=None)
    make_role(inside, ours, "People", ["user.manage"], manager)
    plain = make_member(ours.id, "Plain", role=None)
    client = sign_in(app, manager)
    page = change(client, [ours.admin, manager, plain, theirs.member], "disable")
    assert "1 person changed." in page
    assert "You cannot lock yourself out" in page
    assert "You cannot give or take the role Administrator" in page
    states = {one.name: names_of(inside, ours, one)[1] for one in (ours.admin, manager, plain)}
    assert states == {ours.admin.name: True, "Manager": True, "Plain": False}
    assert names_of(inside, theirs, theirs.member)[1]
    assert "1 person changed." in change(client, [plain], "enable")


def test_where_nobody_would_be_left_all_who_manage_people_stay(app, inside, ours):
    second = make_member(ours.id, "Second", role=ADMINISTRATOR)
    former = make_member(ours.id, "Former", role=ADMINISTRATOR)
    administrator = system_role(inside, ours, ADMINISTRATOR)
    client = sign_in(app, ours.admin)
    change(client, [former], "disable")
    page = change(client, [ours.admin, second, former], "remove_role", administrator)
    assert page.count("Somebody must stay") == 2
    assert names_of(inside, ours, former)[0] == []
    assert names_of(inside, ours, second)[0] == ["Administrator"]
    assert "1 person changed." in change(client, [second], "remove_role", administrator)
    assert names_of(inside, ours, ours.admin)[0] == ["Administrator"]


@pytest.mark.parametrize("act", ["enable", "disable", "add_role", "remove_role"])
def test_the_statements_are_as_many_for_one_as_for_many(app, inside, ours, theirs, act):
    def made(number):
        members = [make_member(ours.id, f"{act} {number} {place}", role=None) for place in range(number)]
        with inside(ours):
            for member in members:
                stored = db.session.get_one(Membership, (ours.id, member.id))
                stored.is_enabled = act != "enable"
                if act == "remove_role":
                    db.session.add(MembershipRole(membership_id=member.id, role_id=sales.id))
            db.session.commit()
        return [str(member.id) for member in members]

    sales = make_role(inside, ours, "Sales", ["lead.view"])
    client, counts = sign_in(app, ours.admin), []
    token = csrf_token(client.get(PEOPLE).text)
    for number in (1, 1, 12):
        data = {"csrf_token": token, "selected": made(number), "act": act, "role": str(sales.id)}
        with counted_queries(app) as statements:
            assert client.post(CHANGE, data=data).status_code == 302
        counts.append(len(statements))
    assert counts[1] == counts[2]


def test_the_matrix_is_saved_in_as_many_statements_for_one_role_as_for_many(app, inside, ours, theirs):
    roles = [make_role(inside, ours, f"Role {place}", ["lead.view"]) for place in range(8)]
    client, counts = sign_in(app, ours.admin), []
    token = csrf_token(client.get(MATRIX).text)
    for changed in (roles[:1], roles[1:2], roles[2:]):
        had = [cell for role in changed for cell in cells(role, "lead.view")]
        grant = [cell for role in changed for cell in cells(role, "case.view")]
        with counted_queries(app) as statements:
            answer = client.post(MATRIX, data={"csrf_token": token, "had": had, "grant": grant})
        assert answer.status_code == 302
        counts.append(len(statements))
    assert counts[1] == counts[2]
    assert all(permissions(inside, ours, role.id) == {"case.view"} for role in roles)
    assert len(entries(inside, ours)) == 8
