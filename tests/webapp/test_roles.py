"""Roles: the matrix, a role's page, clones, and who loses what when one goes."""

from types import SimpleNamespace

import pytest
from sqlalchemy import select

from mailboxes.system_mailboxes import MailboxGrant
from tenants.audit import AuditEntry
from tenants.database import db
from tenants.organizations import Membership
from tenants.permissions import Role, grant_role, permissions_of
from tests.factories import make_mailbox, make_member, sign_in
from tests.webapp.reading import read, send, words_of

MATRIX = "/configuration/roles/"


@pytest.fixture
def sales(inside, ours):
    """A role of our own that our member holds beside Member."""
    return make_role(inside, ours, "Sales", ["lead.view", "data.export"], ours.member)


def make_role(inside, world, name, permissions, *holders):
    with inside(world):
        role = Role(name=name, permissions=permissions)
        db.session.add(role)
        db.session.flush()
        for holder in holders:
            grant_role(db.session.get_one(Membership, (world.id, holder.id)), role.id)
        db.session.commit()
        return SimpleNamespace(id=role.id, page=f"{MATRIX}{role.id}")


def permissions(inside, world, id):
    with inside(world):
        return set(db.session.scalars(select(Role).where(Role.id == id)).one().permissions)


def cells(role, *names):
    return [f"{role.id}:{name}" for name in names]


def test_the_matrix_saves_what_was_ticked_and_unticked(app, inside, ours, theirs, sales):
    client = sign_in(app, ours.admin)
    send(
        client,
        MATRIX,
        had=cells(sales, "lead.view", "data.export"),
        grant=cells(sales, "lead.view", "audit.view"),
    )
    assert permissions(inside, ours, sales.id) == {"lead.view", "audit.view"}
    with inside(ours):
        entry = db.session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc())).first()
    assert (entry.act, entry.after["permissions"]) == ("role.saved", ["audit.view", "lead.view"])


def test_what_somebody_else_changed_meanwhile_stays(app, inside, ours, sales):
    client = sign_in(app, ours.admin)
    client.get(MATRIX)
    send(client, sales.page, name="Sales", permissions=["lead.view", "data.export", "case.view"])
    send(client, MATRIX, had=cells(sales, "lead.view", "data.export"), grant=cells(sales, "lead.view"))
    assert permissions(inside, ours, sales.id) == {"lead.view", "case.view"}


def test_the_right_to_administer_moves_from_role_to_role_in_one_save(app, inside, ours):
    from tenants.permissions import ADMINISTRATOR

    both = ("organization.configure", "user.manage")
    one = make_role(inside, ours, "One", list(both), ours.admin)
    two = make_role(inside, ours, "Two", [], ours.admin)
    with inside(ours):  # now only One makes Ada an administrator
        from tenants.organizations import MembershipRole

        system = db.session.scalar(select(Role.id).where(Role.system_key == ADMINISTRATOR))
        held = db.session.scalars(
            select(MembershipRole).where(
                MembershipRole.role_id == system, MembershipRole.membership_id == ours.admin.id
            )
        ).one()
        db.session.delete(held)
        db.session.commit()
    client = sign_in(app, ours.admin)
    page = send(client, MATRIX, had=cells(one, *both), grant=[], expect=422)
    assert "Somebody must stay" in page
    send(client, MATRIX, had=cells(one, *both), grant=cells(two, *both))
    assert permissions(inside, ours, two.id) == set(both)


def test_whoever_lacks_a_permission_cannot_tick_it_and_forging_the_box_is_refused(app, inside, ours, sales):
    manager = make_member(ours.id, "Manager", role=None)
    make_role(inside, ours, "People", ["user.manage"], manager)
    client = sign_in(app, manager)
    page = read(client, MATRIX)
    assert f'value="{sales.id}:lead.view"' in page
    answer = send(client, MATRIX, grant=cells(sales, "audit.view"), expect=422)
    assert "You can only give and take permissions that you have yourself" in answer
    send(client, MATRIX, had=cells(sales, "lead.view"), grant=[], expect=422)
    assert permissions(inside, ours, sales.id) == {"lead.view", "data.export"}


def test_boxes_that_could_not_be_ticked_stay_as_they_were(app, inside, ours, sales):
    manager = make_member(ours.id, "Manager", role=None)
    make_role(inside, ours, "People", ["user.manage"], manager)
    send(sign_in(app, manager), sales.page, name="Sellers", permissions=["user.manage"])
    assert permissions(inside, ours, sales.id) == {"lead.view", "data.export", "user.manage"}


def test_a_role_of_the_system_stays_and_can_be_cloned(app, inside, ours):
    client = sign_in(app, ours.admin)
    with inside(ours):
        member = db.session.scalars(select(Role).where(Role.system_key == "member")).one()
    page = f"{MATRIX}{member.id}"
    assert "stays as it is" in send(client, page, expect=422, name="Member", permissions=[])
    copy = send(client, f"{page}/clone", at=page)
    assert "Member (copy)" in copy
    send(client, f"{page}/clone", at=page)
    with inside(ours):
        names = db.session.scalars(select(Role.name).where(Role.system_key.is_(None))).all()
    assert set(names) == {"Member (copy)", "Member (copy 2)"}


def test_before_a_role_goes_the_page_says_who_loses_what(app, inside, ours, theirs, sales):
    mailbox = make_mailbox(ours, readers=())
    with inside(ours):
        db.session.add(MailboxGrant(mailbox_id=mailbox.id, role_id=sales.id, level="read"))
        db.session.commit()
    client = sign_in(app, ours.admin)
    page = words_of(read(client, f"{sales.page}/delete"))
    assert "Takes the role from 1 person" in page
    assert f"1 mailbox: {mailbox.label}" in page
    row = page.partition("Can no longer")[2]
    assert "Export data" in row
    assert "See leads" not in row  # the role Member permits it, too
    send(client, f"{sales.page}/delete")
    with inside(ours):
        member = db.session.scalars(select(Membership).where(Membership.id == ours.member.id)).one()
        assert "data.export" not in permissions_of(member)
        assert db.session.scalars(select(MailboxGrant)).all() == []


def test_a_name_is_taken_whatever_its_case_and_nothing_typed_is_lost(app, ours, sales):
    client = sign_in(app, ours.admin)
    page = send(client, f"{MATRIX}new", expect=422, name="SALES", permissions=["case.view"])
    assert "There is a role Sales already." in page
    assert 'value="SALES"' in page


def test_the_neighbour_has_the_same_names_and_notices_nothing(app, inside, ours, theirs, sales):
    other = make_role(inside, theirs, "Sales", ["lead.view"])
    client = sign_in(app, ours.admin)
    for path in (other.page, f"{other.page}/delete"):
        read(client, path, 404)
    send(client, MATRIX, grant=cells(other, "case.view"), expect=404)
    assert permissions(inside, theirs, other.id) == {"lead.view"}
