"""An organization is deleted, and nothing of it stays; the neighbour and global mailboxes go on."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from sqlalchemy import select, update

from mailboxes import organization_deletion as domain
from mailboxes import raws
from mailboxes.accounts import Account
from mailboxes.arrivals import Raw
from mailboxes.messages import Message
from mailboxes.objects import keys_below
from mailboxes.organization_deletion import begin_deleting, go_on_deleting
from mailboxes.routing.rules import RoutingRule
from mailboxes.system_mailboxes import Mailbox
from mailboxes.tables import METADATA
from tenants.audit import Actor
from tenants.database import db, inside_installation, now
from tenants.errors import InvalidError, NotFoundError
from tenants.installation.organizations import enable_organization, rename_organization
from tenants.organizations import Organization
from tenants.users import User
from tests.factories import make_mailbox, make_message
from tests.webapp.test_isolation import fingerprints, neighbour  # noqa: F401  # the fixture

BY = Actor("Sam System")
RECORDS = {"system_audit_entries"}  # what was done stays known


@pytest.fixture
def going(app, theirs, neighbour):  # noqa: F811
    """The neighbour with one row of everything, and what the installation remembers of it."""
    make_message(theirs, make_mailbox(theirs, address="big@theirs.test"), text="x" * (raws.INLINE_BYTES + 1))
    with inside_installation("a test"):
        account = Account(address="all@system.test", home_organization_id=theirs.id)
        db.session.add(account)
        db.session.flush()
        db.session.add(
            RoutingRule(
                account_id=account.id,
                position=1,
                field="recipient",
                value="x@system.test",
                organization_id=theirs.id,
            )
        )
        db.session.commit()
    db.session.get(User, theirs.admin.user_id).current_organization_id = theirs.id
    db.session.commit()
    return theirs


def begin(inside, world):
    with inside(world):
        begin_deleting(db.session.get(Organization, world.id), world.name, by=BY)
        db.session.commit()


def tables_that_name(database_urls, *texts):
    with psycopg.connect(database_urls.system.replace("+psycopg", "")) as connection:
        return {
            table
            for table in METADATA.tables
            for text in texts
            if connection.execute(
                f"SELECT 1 FROM {table} t WHERE strpos(t::text, %s) > 0", (text,)
            ).fetchone()
        }


def objects_of(app, world):
    return [key for keys in keys_below(str(world.id)) for key in keys]


def test_nothing_stays_in_any_table_or_file_and_the_neighbour_is_untouched(
    app, inside, ours, going, database_urls, monkeypatch
):
    monkeypatch.setattr(domain, "AT_ONCE", 1)
    make_message(ours, make_mailbox(ours), text="y" * (raws.INLINE_BYTES + 1))
    before, objects = fingerprints(database_urls, ours.id), objects_of(app, ours)
    assert len(tables_that_name(database_urls, str(going.id))) > 30
    assert objects_of(app, going)
    begin(inside, going)
    while not go_on_deleting(going.id):
        db.session.remove()
    assert tables_that_name(database_urls, str(going.id)) <= RECORDS
    assert tables_that_name(database_urls, going.canary) <= RECORDS | {"users"}  # people stay
    assert objects_of(app, going) == []
    assert fingerprints(database_urls, ours.id) == before
    assert objects_of(app, ours) == objects
    assert go_on_deleting(going.id)  # again, as a job that was rung twice


def test_what_was_interrupted_is_gone_on_with(app, inside, ours, going, monkeypatch):
    monkeypatch.setattr(domain, "MOST_IN_A_TURN", 1)
    monkeypatch.setattr(domain, "AT_ONCE", 1)
    begin(inside, going)
    assert not go_on_deleting(going.id)
    assert domain.organizations_to_delete() == [going.id]
    while not go_on_deleting(going.id):
        db.session.remove()
    assert domain.organizations_to_delete() == []


@pytest.mark.parametrize("is_closed", [False, True])
def test_a_message_that_is_being_stored_is_waited_for_and_goes_too(
    app, inside, ours, going, database_urls, is_closed
):
    """It names bytes that stay until it goes; and the first of an hour is counted while it is waited for.
    So also where its mailbox was being deleted before."""
    begin(inside, going)
    if is_closed:
        with inside(going):
            db.session.execute(update(Mailbox).values(deleted_at=now()))
            db.session.commit()
    with (
        psycopg.connect(database_urls.system.replace("+psycopg", "")) as intake,
        ThreadPoolExecutor(1) as job,
    ):
        intake.execute(STORE, {"organization": going.id})
        deleted = job.submit(delete_all, app, going)
        while not intake.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchone():
            assert not deleted.done(), deleted.result()
        assert intake.execute(COUNT, {"organization": going.id}).rowcount == 1
        intake.commit()
        deleted.result()
    assert tables_that_name(database_urls, str(going.id)) <= RECORDS


# As intake does: the mailbox's row is held first.
STORE = r"""
WITH held AS (SELECT id FROM mailboxes WHERE organization_id = %(organization)s FOR NO KEY UPDATE)
INSERT INTO messages SELECT (jsonb_populate_record(
  m, jsonb_build_object('id', gen_random_uuid(), 'stable_hash', '\x01'))).*
FROM messages m WHERE organization_id = %(organization)s AND mailbox_id IN (SELECT id FROM held)
  AND raw_id IS NOT NULL LIMIT 1
"""

COUNT = """
INSERT INTO account_hours (id, organization_id, account_id, hour, new_count, history_count, timed_count,
  delay_milliseconds, longest_delay_milliseconds, fetch_milliseconds, parse_milliseconds,
  thread_milliseconds, store_milliseconds)
SELECT gen_random_uuid(), organization_id, id, 'epoch', 1, 0, 0, 0, 0, 0, 0, 0, 0
FROM accounts WHERE organization_id = %(organization)s LIMIT 1
"""


def delete_all(app, world):
    with app.app_context():
        while not go_on_deleting(world.id):
            db.session.remove()


def test_a_name_that_is_not_typed_deletes_nothing(app, inside, ours, theirs):
    with inside(ours), pytest.raises(InvalidError, match="Type the name Acme"):
        begin_deleting(db.session.get(Organization, ours.id), theirs.name, by=BY)
    assert not go_on_deleting(ours.id)
    assert db.session.get(Organization, ours.id).is_enabled


@pytest.mark.parametrize(
    ("meanwhile", "act"),
    [
        ("deleted_at = now()", lambda one: begin_deleting(one, one.name, by=BY)),
        ("name = 'Other'", lambda one: begin_deleting(one, "Acme", by=BY)),
        ("deleted_at = now()", lambda one: enable_organization(one, True, actor=BY)),
        ("deleted_at = now()", lambda one: rename_organization(one, "Other", actor=BY)),
    ],
)
def test_what_another_administrator_does_in_the_same_moment_counts(
    app, inside, ours, theirs, database_urls, meanwhile, act
):
    """Nobody opens again what is to go, nor deletes what is called differently by now."""
    with inside(ours):
        organization = db.session.get(Organization, ours.id)
        with psycopg.connect(database_urls.system.replace("+psycopg", "")) as connection:
            connection.execute(
                f"UPDATE organizations SET is_enabled = false, {meanwhile} WHERE id = %s", (ours.id,)
            )
        with pytest.raises((InvalidError, NotFoundError)):
            act(organization)
    assert not db.session.get(Organization, ours.id).is_enabled
    assert db.session.get(Organization, theirs.id).is_enabled


def test_what_the_system_has_is_counted_and_goes_on(app, inside, ours, going):
    with inside(going):
        effects = domain.deletion_effects()
    assert (effects.counts["members"], effects.people_left_alone, effects.routing_rules) == (2, 2, 2)
    assert effects.counts["messages"] == 5
    before = kept_by(inside, ours)
    begin(inside, going)
    while not go_on_deleting(going.id):
        db.session.remove()
    with inside_installation("a test") as session:
        account = session.scalar(select(Account).where(Account.address == "all@system.test"))
        assert (account.home_organization_id, account.is_enabled) == (None, True)
    assert kept_by(inside, ours) == before
    assert all(before)


def kept_by(inside, world):
    """What an organization has of the mailboxes that served both: its mailboxes, messages and bytes."""
    with inside(world):
        return [sorted(db.session.scalars(select(model.id))) for model in (Mailbox, Message, Raw)]
