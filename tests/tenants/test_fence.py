"""Walls two and three: the bound session and row security."""

from uuid import uuid4

import pytest
from sqlalchemy import bindparam, delete, insert, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from mailboxes.accounts import Account
from mailboxes.crm.cases import Case, CaseComment
from mailboxes.system_mailboxes import Mailbox
from tenants.database import across_organizations, db, enter_organization, inside_installation
from tenants.errors import OutsideOrganizationError
from tests.factories import make_mailbox


def make_case(inside, organization, subject="A question"):
    with inside(organization):
        case = Case(subject=subject)
        db.session.add(case)
        db.session.commit()
    return case


def test_inside_an_organization_the_neighbour_does_not_exist(inside, ours, theirs):
    case = make_case(inside, theirs)
    with inside(ours):
        assert db.session.scalars(select(Case)).all() == []
        assert db.session.get(Case, (theirs.id, case.id)) is None
        assert db.session.scalar(select(Case.id).where(Case.organization_id == theirs.id)) is None


def test_outside_any_organization_a_query_on_scoped_rows_raises(app, ours):
    with app.app_context(), pytest.raises(OutsideOrganizationError):
        db.session.scalars(select(Case)).all()


def test_a_core_query_on_a_scoped_table_raises_outside_too(app, ours):
    with app.app_context(), pytest.raises(OutsideOrganizationError):
        db.session.execute(select(Case.__table__.c.id)).all()


def test_bulk_updates_and_deletes_leave_the_neighbour_alone(inside, ours, theirs):
    make_case(inside, theirs, "theirs")
    with inside(ours):
        assert db.session.execute(update(Case).values(subject="changed")).rowcount == 0
        assert db.session.execute(delete(Case)).rowcount == 0
        db.session.commit()
    with inside(theirs):
        assert db.session.scalars(select(Case.subject)).all() == ["theirs"]


def test_a_row_written_inside_is_stamped_and_a_foreign_one_is_refused(inside, ours, theirs):
    with inside(ours):
        case = Case(subject="mine")
        db.session.add(case)
        db.session.flush()
        assert case.organization_id == ours.id
        db.session.add(Case(organization_id=theirs.id, subject="smuggled"))
        with pytest.raises(OutsideOrganizationError):
            db.session.flush()


def test_a_session_cannot_change_its_organization(inside, ours, theirs):
    with inside(ours), pytest.raises(OutsideOrganizationError):
        enter_organization(theirs.id)


@pytest.mark.parametrize(
    "statement", ["SELECT * FROM cases", "SELECT * FROM memberships", "SELECT * FROM roles"]
)
def test_row_security_holds_where_the_session_cannot_look(app, inside, ours, theirs, statement):
    make_case(inside, theirs)
    with inside(ours):
        rows = db.session.execute(text(statement)).mappings().all()
        assert {row["organization_id"] for row in rows} <= {ours.id}
    with app.app_context():
        assert db.session.execute(text(statement)).all() == []


def test_row_security_refuses_a_foreign_row_in_plain_sql(inside, ours, theirs):
    values = {"organization_id": theirs.id, "id": uuid4(), "name": "x", "kind": "sales", "is_active": True}
    with inside(ours), pytest.raises(DBAPIError, match="row-level security"):
        db.session.connection().execute(
            text(
                "INSERT INTO channels (organization_id, id, name, kind, is_active)"
                " VALUES (:organization_id, :id, :name, :kind, :is_active)"
            ),
            values,
        )


def test_the_setting_does_not_outlive_its_transaction(app, inside, ours):
    make_case(inside, ours)
    with app.app_context():
        for _ in range(20):  # whichever pooled connection it gets
            assert db.session.execute(text("SELECT count(*) FROM cases")).scalar() == 0
            db.session.rollback()


def test_the_database_refuses_a_link_to_another_organization(inside, ours, theirs):
    case = make_case(inside, theirs)
    with inside(ours):
        db.session.add(CaseComment(case_id=case.id, author_name="x", text="x"))
        with pytest.raises(IntegrityError):
            db.session.flush()


def test_a_mailbox_cannot_read_the_account_of_another_organization(app, inside, ours, theirs):
    mailbox = make_mailbox(theirs)
    for owner in (theirs.id, ours.id):
        with inside(ours):
            db.session.add(
                Mailbox(account_id=mailbox.account_id, account_owner_id=owner, label="x", address="x@x.test")
            )
            with pytest.raises(IntegrityError):
                db.session.flush()


def test_the_installation_sees_its_own_accounts_and_nobody_elses(app, inside, ours):
    make_mailbox(ours)
    with inside_installation("a test of the fence"):
        db.session.add(Account(address="all@postroom.test"))
        db.session.commit()
        assert db.session.scalars(select(Account.address)).all() == ["all@postroom.test"]
    with inside(ours):
        assert "all@postroom.test" not in db.session.scalars(select(Account.address)).all()


def test_looking_across_organizations_demands_a_reason(app):
    with pytest.raises(ValueError, match="why"), across_organizations(""):
        pass


@pytest.mark.parametrize(
    "attempt",
    [
        "SET row_security = off; SELECT * FROM cases",
        "ALTER TABLE cases DISABLE ROW LEVEL SECURITY",
        "SET ROLE postroom_system",
        "SET SESSION AUTHORIZATION postroom_owner",
        "DROP POLICY inside_the_organization ON cases",
        "UPDATE audit_entries SET act = 'x'",
        "DELETE FROM events",
        "DELETE FROM audit_entries",
        "UPDATE system_audit_entries SET act = 'x'",
    ],
)
def test_the_applications_role_cannot_step_over_the_wall(inside, ours, attempt):
    *before, last = attempt.split(";")
    with inside(ours):
        for statement in before:
            db.session.execute(text(statement))
        with pytest.raises(DBAPIError):
            db.session.execute(text(last))


def test_an_insert_statement_cannot_name_another_organization(inside, ours, theirs):
    with inside(ours), pytest.raises(DBAPIError):
        db.session.execute(
            insert(Case).values(organization_id=bindparam("o"), id=uuid4(), subject="x"), {"o": theirs.id}
        )


def test_an_error_of_the_database_shows_nothing_that_people_wrote(inside, ours):
    with inside(ours), pytest.raises(DBAPIError) as caught:
        db.session.execute(text("SELECT 1 / 0 WHERE :words = :words"), {"words": ours.canary})
    assert ours.canary not in str(caught.value)


@pytest.mark.parametrize("table", ["audit_entries", "system_audit_entries"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET act = 'x'", "DELETE FROM {}", "TRUNCATE {}"])
def test_not_even_the_systems_role_changes_the_record(app, table, statement):
    with across_organizations("a test of the fence") as session, pytest.raises(DBAPIError):
        session.execute(text(statement.format(table)))
