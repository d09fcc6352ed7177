"""What a connection has prepared stays when a transaction ends; what the transaction was told does not."""

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DataError

from mailboxes.system_mailboxes import Mailbox
from tenants import statements
from tenants.database import db, enter_organization
from tests.factories import make_mailbox

PLANS = statements.PLANS
OFTEN = 12  # more than psycopg and PostgreSQL wait for before they keep a plan
LABELS = select(Mailbox.__table__.c.label).where(Mailbox.__table__.c.label != "Nobody")


@pytest.fixture(autouse=True)
def nothing_is_prepared(app, monkeypatch):
    monkeypatch.setattr(statements, "PLANS", PLANS)  # other tests have few rows, and plan each statement once
    with app.app_context():
        db.engine.dispose()
        yield
        db.engine.dispose()


@pytest.fixture
def connection(app):
    with app.app_context(), db.engine.connect() as connection:
        yield connection


def kept(connection):
    """What is prepared, and how often each was run with a plan for what was asked, and with one for all."""
    found = connection.exec_driver_sql(
        "SELECT statement, ARRAY[custom_plans, generic_plans] FROM pg_prepared_statements"
    )
    return {statement: count for statement, count in found if "FROM mailboxes" in statement}


def seen_by(connection, organization_id):
    """The labels that a transaction sees, told of an organization or of none; it ends as that of a page."""
    if organization_id:
        connection.execute(
            text("SELECT set_config('app.organization_id', :id, true)"), {"id": str(organization_id)}
        )
    labels = connection.execute(LABELS).scalars().all()
    connection.rollback()
    return labels


def test_a_plan_is_kept_and_shows_each_transaction_its_own_organization(connection, ours, theirs):
    make_mailbox(ours, label="Ours")
    make_mailbox(theirs, label="Theirs")
    for _ in range(OFTEN):
        assert seen_by(connection, ours.id) == ["Ours"]
        assert seen_by(connection, theirs.id) == ["Theirs"]
        assert seen_by(connection, None) == []
    ((anew, for_all),) = kept(connection).values()
    assert (anew > OFTEN, for_all) == (True, 0)


def test_pages_find_prepared_what_earlier_ones_have_prepared(app, ours, theirs):
    make_mailbox(ours, label="Ours")
    make_mailbox(theirs, label="Theirs")
    for _ in range(OFTEN):
        for world, label in ((ours, "Ours"), (theirs, "Theirs")):
            with app.app_context():
                enter_organization(world.id)
                assert db.session.scalars(select(Mailbox.label)).all() == [label]
    with app.app_context(), db.engine.connect() as connection:
        assert kept(connection)


def test_after_an_error_everything_is_prepared_anew(connection, ours):
    for _ in range(OFTEN):
        seen_by(connection, ours.id)
    assert kept(connection)
    with pytest.raises(DataError):
        connection.execute(text("SELECT 1 / (SELECT 0)"))
    connection.rollback()
    assert kept(connection) == {}
