"""Migrations: numbered, one after the other, forward and back, and what the models say."""

import re
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from embedded.environment import DATABASE
from embedded.postgres import Postgres, prepare_database
from mailboxes.accounts import Account, Folder
from mailboxes.global_mailboxes.table import GlobalMailbox
from mailboxes.inbox.subscriptions import Subscription
from mailboxes.messages import Attachment, Message
from mailboxes.subjects import base_subject
from mailboxes.system_mailboxes import Mailbox
from mailboxes.threads import Thread
from mailboxes.threads.notes import Note
from tenants.database import INSTALLATION, now
from tenants.database.schema import MIGRATIONS, migration_config
from tenants.organizations import Membership, Organization
from tenants.users import User
from tests.services import drop_database


@pytest.fixture
def fresh(postgres_server):
    yield prepare_database(postgres_server, "postroom_migrations")
    drop_database(postgres_server, "postroom_migrations")


@pytest.fixture
def migrated(postgres_server):
    """A database that has been brought up from nothing."""
    yield prepare_database(postgres_server, "postroom_migrations", template=DATABASE)
    drop_database(postgres_server, "postroom_migrations")


def test_files_are_numbered_in_order_and_there_is_one_head():
    names = sorted(path.stem for path in Path(MIGRATIONS, "versions").glob("*.py") if path.stem != "__init__")
    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))
    assert all(re.fullmatch(r"\d{4}_[a-z0-9_]+", name) for name in names)
    script = ScriptDirectory(str(MIGRATIONS))
    assert len(script.get_heads()) == 1
    assert [revision.revision for revision in script.walk_revisions()] == names[::-1]


def test_up_down_and_up_again_leaves_what_the_models_say(migrated):
    config = migration_config(migrated.owner)
    command.downgrade(config, "base")
    command.upgrade(config, "head")
    command.check(config)


def test_going_back_and_forth_keeps_the_rows_of_a_filled_database(fresh):
    config = migration_config(fresh.owner)
    command.upgrade(config, "0001_first_tables")
    with psycopg.connect(fresh.owner.replace("+psycopg", "")) as connection:
        connection.execute(
            "INSERT INTO organizations (id, name, slug, is_enabled, language, time_zone, created_at)"
            " VALUES (gen_random_uuid(), 'Acme', 'acme', true, 'en', 'UTC', now())"
        )
    command.upgrade(config, "head")
    command.downgrade(config, "0001_first_tables")
    command.upgrade(config, "head")
    with psycopg.connect(fresh.owner.replace("+psycopg", "")) as connection:
        assert connection.execute("SELECT name FROM organizations").fetchall() == [("Acme",)]


def test_what_an_organization_changed_of_the_systems_offers_is_its_own_override(fresh):
    config = migration_config(fresh.owner)
    names = sorted(path.stem for path in Path(MIGRATIONS, "versions").glob("0*.py"))
    command.upgrade(config, names[next(n for n, name in enumerate(names) if name.endswith("_offers")) - 1])
    with psycopg.connect(fresh.system.replace("+psycopg", "")) as connection:
        connection.execute(_CHANGED_COPIES)
    command.upgrade(config, "head")
    with psycopg.connect(fresh.system.replace("+psycopg", "")) as connection:
        sources = connection.execute("SELECT key, overrides FROM lead_sources ORDER BY key").fetchall()
        changed = connection.execute("SELECT unnest(overrides) FROM templates ORDER BY 1").fetchall()
    assert sources == [
        ("email", ["position"]),
        ("own", ["default", "position"]),
        ("phone", ["name", "hidden", "position"]),
    ]
    assert [name for (name,) in changed] == ["text.de", "text.en", "text.es", "text.fr", "used_for"]


_CHANGED_COPIES = """
INSERT INTO organizations (id, name, slug, is_enabled, created_at)
  VALUES (gen_random_uuid(), 'Acme', 'acme', true, now());
INSERT INTO lead_sources (organization_id, id, key, name, position, is_hidden, is_default, system_key)
  SELECT o.id, gen_random_uuid(), s.* FROM organizations o, (VALUES
    ('own', 'Own', 1, false, true, NULL), ('email', 'Email', 2, false, false, 'email'),
    ('phone', 'Hotline', 3, true, false, 'phone')) s;
INSERT INTO templates (organization_id, id, name, kind, used_for, system_key, is_custom, updated_at)
  SELECT id, gen_random_uuid(), 'Acknowledgement', 'plain', ARRAY['lead'], 'acknowledgement', false, now()
  FROM organizations;
INSERT INTO template_texts (organization_id, id, template_id, language, subject, content)
  SELECT organization_id, gen_random_uuid(), id, 'en', '', 'Ours.' FROM templates;
"""


def test_global_mailboxes_and_those_that_follow_lose_locks_and_shadow_on_the_way_back_and_get_shadow_again(
    migrated,
):
    config = migration_config(migrated.owner)
    engine = create_engine(migrated.system)
    with Session(engine) as session:
        _serve_in_shadow(session)
        session.commit()
    engine.dispose()
    told = (
        "SELECT g.values, m.system_values, m.overrides FROM global_mailboxes g, mailboxes m"
        " WHERE m.global_mailbox_id = g.id"
    )
    with psycopg.connect(migrated.system.replace("+psycopg", ""), autocommit=True) as connection:
        command.downgrade(config, "0030_storage_of_bytes")
        signature = {"signature": {"value": "From us"}}
        assert connection.execute(told).fetchall() == [(signature, signature, {})]
        command.upgrade(config, "head")
        said = signature | {"shadow": {"value": False, "by": "", "at": None}}
        assert connection.execute(told).fetchall() == [(said, said, {})]


def test_a_mailbox_that_is_being_deleted_makes_room_for_the_one_that_has_its_label_on_the_way_back(migrated):
    config = migration_config(migrated.owner)
    engine = create_engine(migrated.system)
    with Session(engine) as session:
        session.add(organization := Organization(name="Acme", slug="acme"))
        session.flush()
        for deleted_at in (now(), None):
            account = Account(organization_id=organization.id, address="info@acme.test")
            session.add(account)
            session.flush()
            label = {"label": "Info", "address": account.address, "deleted_at": deleted_at}
            owner = {"organization_id": organization.id, "account_owner_id": organization.id}
            session.add(Mailbox(account_id=account.id, **owner, **label))
        session.commit()
    engine.dispose()
    command.downgrade(config, "0058_reread_met")
    with psycopg.connect(migrated.system.replace("+psycopg", "")) as connection:
        rows = connection.execute("SELECT label, address FROM mailboxes ORDER BY length(label)").fetchall()
    assert rows[0] == ("Info", "info@acme.test")
    assert rows[1][0].startswith("Info ")
    assert rows[1][1].endswith(".info@acme.test")
    command.upgrade(config, "head")


def test_administrators_have_the_permission_of_tokens_as_long_as_it_opens_something(migrated):
    config = migration_config(migrated.owner)
    with psycopg.connect(migrated.system.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(_ROLES)
        of_each = "SELECT name, permissions FROM roles ORDER BY name"
        command.downgrade(config, "0060_notes")
        administrators = ["audit.view", "api_token.manage"]
        assert connection.execute(of_each).fetchall() == [("All", administrators), ("Own", ["audit.view"])]
        command.upgrade(config, "0061_no_tokens")
        assert connection.execute(of_each).fetchall() == [("All", ["audit.view"]), ("Own", ["audit.view"])]
        command.upgrade(config, "head")
        administrators = ["audit.view", "mail.organize", "api_token.manage"]
        assert connection.execute(of_each).fetchall() == [("All", administrators), ("Own", ["audit.view"])]
        command.downgrade(config, "0076_statuses")
        former = ["audit.view", "mail.organize"]
        assert connection.execute(of_each).fetchall() == [("All", former), ("Own", ["audit.view"])]
        command.upgrade(config, "head")


def test_a_template_that_was_for_notices_is_for_messages(migrated):
    config = migration_config(migrated.owner)
    command.downgrade(config, "0061_no_tokens")
    with psycopg.connect(migrated.system.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(_TEMPLATES)
        command.upgrade(config, "head")
        for table in ("templates", "system_templates"):
            of_each = f"SELECT used_for FROM {table} WHERE name LIKE 'For%%' ORDER BY name"
            assert connection.execute(of_each).fetchall() == [(["case"],), (["message"],)]


def test_a_folder_that_was_stored_as_spam_is_junk_in_every_organization_and_in_none(migrated):
    config = migration_config(migrated.owner)
    engine = create_engine(migrated.system)
    with Session(engine) as session:
        organizations = [Organization(name=slug, slug=slug) for slug in ("acme", "neighbour")]
        session.add_all(organizations)
        session.flush()
        for owner in (*[one.id for one in organizations], None):
            account = Account(organization_id=owner, address="read@acme.test", created_at=now())
            session.add(account)
            session.flush()
            for use in ("inbox", "spam", "other"):
                of_account = {"organization_id": owner, "account_id": account.id, "new_since": now()}
                session.add(Folder(name_raw=use.encode(), name=use, special_use=use, **of_account))
        session.commit()
    engine.dispose()
    command.downgrade(config, "0063_split_families")
    told = [("inbox", "inbox"), ("other", "other"), ("spam", "junk")]
    with psycopg.connect(migrated.system.replace("+psycopg", ""), autocommit=True) as connection:
        for change, revision in ((command.upgrade, "head"), (command.downgrade, "0063_split_families")):
            change(config, revision)
            rows = connection.execute("SELECT DISTINCT name, special_use FROM folders ORDER BY name")
            assert rows.fetchall() == told
    command.upgrade(config, "head")


def test_a_subject_with_a_mark_before_its_tag_is_compared_as_one_of_today(migrated):
    """By what `0055_outside_marks` had made of it, in every organization."""
    marked = ["[EXT] [shop] Re: bill", "[EXT] [Extern] AW: Re[2]: bill", "[EXT] [shop] Re: [shop] bill"]
    left = ["[shop] re: bill", "aw: re[2]: bill", "[shop] re: [shop] bill"]
    others = ["[a] [b] re: bill", "order: bill", "[shop] bill", "[shop] order: bill", "rest: bill"]
    config = migration_config(migrated.owner)
    engine = create_engine(migrated.system)
    with Session(engine) as session:
        for slug in ("acme", "neighbour"):
            mailbox = _mailbox(session, slug)
            within = {"organization_id": mailbox.organization_id, "mailbox_id": mailbox.id}
            session.add_all(Thread(base_subject=one, subject=one, **within) for one in [*left, *others])
        session.commit()
    engine.dispose()
    command.downgrade(config, "0065_chosen_uid")
    command.upgrade(config, "head")
    with psycopg.connect(migrated.system.replace("+psycopg", "")) as connection:
        rows = connection.execute("SELECT subject, base_subject FROM threads").fetchall()
    expected = dict(zip(left, [base_subject(one)[0] for one in marked], strict=True))
    assert len(rows) == 2 * (len(left) + len(others))
    assert dict(rows) == expected | {one: one for one in others}


def test_notes_that_were_there_are_found_by_their_words(migrated):
    texts = ("They rang: shelf 3. They did.", "x" * 3_000, "…")
    config = migration_config(migrated.owner)
    engine = create_engine(migrated.system)
    with Session(engine) as session:
        for slug in ("acme", "neighbour"):
            mailbox = _mailbox(session, slug)
            thread = Thread(organization_id=mailbox.organization_id, mailbox_id=mailbox.id)
            session.add(thread)
            session.flush()
            within = {"organization_id": mailbox.organization_id, "thread_id": thread.id}
            session.add_all(Note(author_name="Ada", text=text, **within) for text in texts)
        session.commit()
    engine.dispose()
    command.downgrade(config, "0066_marks_before_tags")
    command.upgrade(config, "head")
    with psycopg.connect(migrated.system.replace("+psycopg", "")) as connection:
        query = "SELECT n.text, w.words::text FROM notes n JOIN note_words w USING (organization_id, id)"
        rows = connection.execute(query).fetchall()
    words = ("'3' 'did' 'rang' 'shelf' 'they'", f"'{'x' * 200}'", "")
    assert sorted(rows) == sorted(2 * list(zip(texts, words, strict=True)))


def test_subscriptions_go_and_leave_those_who_had_them(migrated):
    config = migration_config(migrated.owner)
    engine = create_engine(migrated.system)
    with Session(engine) as session:
        for slug in ("acme", "neighbour"):
            mailbox = _mailbox(session, slug)
            user = User(address=f"mo@{slug}.test", password_hash="")
            session.add(user)
            session.flush()
            member = Membership(organization_id=mailbox.organization_id, user_id=user.id)
            session.add(member)
            session.flush()
            wished = {"membership_id": member.id, "mailbox_id": mailbox.id, "is_followed": False}
            session.add(Subscription(organization_id=mailbox.organization_id, **wished))
        session.commit()
    engine.dispose()
    command.downgrade(config, "0077_api_tokens")
    command.upgrade(config, "head")
    with psycopg.connect(migrated.system.replace("+psycopg", "")) as connection:
        counts = "SELECT (SELECT count(*) FROM subscriptions), (SELECT count(*) FROM memberships)"
        assert connection.execute(counts).fetchone() == (0, 2)


_TEMPLATES = """
INSERT INTO organizations (id, name, slug, is_enabled, created_at, offers_revision, deleted_by)
  VALUES (gen_random_uuid(), 'Acme', 'acme', true, now(), 0, '');
INSERT INTO templates (organization_id, id, name, kind, used_for, is_custom, is_hidden, overrides, updated_at)
  SELECT o.id, gen_random_uuid(), t.name, 'plain', t.used_for, false, false, '{}', now() FROM organizations o,
    (VALUES ('For both', ARRAY['case', 'notice']), ('For notices', ARRAY['notice'])) AS t(name, used_for);
INSERT INTO system_templates (key, name, kind, used_for, updated_at)
  SELECT 'for_' || t.used_for[1], t.name, 'plain', t.used_for, now() FROM
    (VALUES ('For both', ARRAY['case', 'notice']), ('For notices', ARRAY['notice'])) AS t(name, used_for);
"""

_ROLES = """
INSERT INTO organizations (id, name, slug, is_enabled, created_at, offers_revision, deleted_by)
  VALUES (gen_random_uuid(), 'Acme', 'acme', true, now(), 0, '');
INSERT INTO roles (organization_id, id, name, system_key, permissions)
  SELECT o.id, gen_random_uuid(), r.name, r.key, ARRAY['audit.view'] FROM organizations o,
    (VALUES ('All', 'administrator'), ('Own', NULL)) AS r(name, key);
"""


def test_what_is_stored_is_brought_up_to_date_in_every_organization(migrated):
    config = migration_config(migrated.owner)
    engine = create_engine(migrated.system)
    with Session(engine) as session:
        for slug in ("acme", "neighbour"):
            _keep_attachments(session, slug)
        session.commit()
    engine.dispose()
    command.downgrade(config, "0036_storage_of_texts")
    command.upgrade(config, "head")
    of_each = "SELECT {} FROM {} JOIN organizations o ON o.id = organization_id ORDER BY o.slug, {}".format
    with psycopg.connect(migrated.system.replace("+psycopg", "")) as connection:
        hidden = connection.execute(of_each("filename, is_inline", "attachments", "filename")).fetchall()
        counts = connection.execute(of_each("subject, attachment_count", "messages", "subject")).fetchall()
        marks = connection.execute(of_each("subject, has_attachments", "threads", "subject")).fetchall()
        errors = connection.execute(of_each("work_error", "messages", "subject")).fetchall()
        bases = connection.execute(of_each("base_subject", "threads", "subject")).fetchall()
    assert hidden == [("bill.pdf", False), ("logo.png", True), ("map.svg", False), ("photo.png", False)] * 2
    assert counts == [("bill", 3), ("logo", 0), ("nothing", 0)] * 2
    assert marks == [("bill", True), ("logo", False), ("nothing", False)] * 2
    assert {error for (error,) in errors} == {"Each attempt has failed."}
    assert bases == [base_subject(f"[EXTERN] AW: [EXT] {one}")[:1] for one in ("bill", "logo", "nothing")] * 2


def test_folders_of_every_organization_and_of_none_know_from_when_on_mail_is_new(migrated):
    """An hour before their account was read; from its beginning where it never was; from now on where a
    folder was not read yet."""
    config = migration_config(migrated.owner)
    read_at = now() - timedelta(days=3)
    engine = create_engine(migrated.system)
    with Session(engine) as session:
        organizations = [Organization(name=slug, slug=slug) for slug in ("acme", "neighbour")]
        session.add_all(organizations)
        session.flush()
        for owner in (*[one.id for one in organizations], None):
            of_account = {"organization_id": owner, "created_at": now() - timedelta(days=9)}
            read = Account(address="read@acme.test", synced_at=read_at, **of_account)
            failing = Account(address="new@acme.test", failing_since=read_at, **of_account)
            session.add_all([read, failing])
            session.flush()
            for account, name, validity in [
                (read, "READ", 7),
                (read, "CHOSEN", None),
                (failing, "NEW", None),
            ]:
                session.add(
                    Folder(
                        organization_id=owner,
                        account_id=account.id,
                        name_raw=name.encode(),
                        name=name,
                        is_synced=True,
                        uid_validity=validity,
                        new_since=read_at - timedelta(hours=1),
                    )
                )
        session.commit()
    engine.dispose()
    command.downgrade(config, "0039_attachments_without_digest")
    with psycopg.connect(migrated.system.replace("+psycopg", "")) as connection:
        before = connection.execute("SELECT whole_at FROM accounts ORDER BY address, whole_at").fetchall()
    command.upgrade(config, "head")
    with psycopg.connect(migrated.system.replace("+psycopg", "")) as connection:
        told = connection.execute("SELECT name, new_since FROM folders ORDER BY name").fetchall()
    assert before == [(None,)] * 3 + [(read_at,)] * 3
    assert [name for name, _ in told] == ["CHOSEN"] * 3 + ["NEW"] * 3 + ["READ"] * 3
    assert all(since > read_at + timedelta(days=2) for _, since in told[:3])
    assert {since for _, since in told[3:]} == {read_at - timedelta(hours=1)}


def _keep_attachments(session, slug):
    """Messages as they were stored: ``is_inline`` was what the sender said, and all parts were counted."""
    mailbox = _mailbox(session, slug)
    parts = {
        "bill": [
            ("bill.pdf", "application/pdf", "", True),
            ("map.svg", "image/svg+xml", "map", True),
            ("photo.png", "image/png", "", True),
        ],
        "logo": [("logo.png", "image/png", "logo", True)],
        "nothing": [],
    }
    for subject, attachments in parts.items():
        _keep_message(session, mailbox, subject, attachments)


def _mailbox(session, slug):
    organization = Organization(name=slug, slug=slug)
    session.add(organization)
    session.flush()
    account = Account(organization_id=organization.id, address=f"info@{slug}.test")
    session.add(account)
    session.flush()
    mailbox = Mailbox(
        organization_id=organization.id,
        account_id=account.id,
        account_owner_id=organization.id,
        label="Info",
        address=account.address,
    )
    session.add(mailbox)
    session.flush()
    return mailbox


def _keep_message(session, mailbox, subject, attachments):
    within = {"organization_id": mailbox.organization_id}
    marked = f"[extern] [ext] {subject}"  # as "[EXTERN] Re: [EXT] bill" was compared before
    told = {"subject": subject, "base_subject": marked, "has_attachments": bool(attachments)}
    thread = Thread(mailbox_id=mailbox.id, **told, **within)
    session.add(thread)
    session.flush()
    message = Message(
        mailbox_id=mailbox.id,
        thread_id=thread.id,
        stable_hash=subject.encode(),
        subject=subject,
        attachment_count=len(attachments),
        work="none",
        work_error="DataError: of the text of a message",
        **within,
    )
    session.add(message)
    session.flush()
    for position, (filename, content_type, content_id, is_inline) in enumerate(attachments):
        session.add(
            Attachment(
                message_id=message.id,
                position=position,
                filename=filename,
                content_type=content_type,
                content_id=content_id,
                is_inline=is_inline,
                **within,
            )
        )


def _serve_in_shadow(session):
    """A mailbox that follows a global one with a lock, and says shadow otherwise."""
    organization = Organization(name="Acme", slug="acme")
    account = Account(address="info@acme.test")
    session.add_all([organization, account])
    session.flush()
    values = {"signature": {"value": "From us", "lock": "Decided"}, "shadow": {"value": True}}
    source = GlobalMailbox(account_id=account.id, address=account.address, values=values)
    session.add(source)
    session.flush()
    session.add(
        Mailbox(
            organization_id=organization.id,
            account_id=account.id,
            account_owner_id=INSTALLATION,
            global_mailbox_id=source.id,
            label="Info",
            address=account.address,
            rules_from="system",
            system_values=values,
            overrides={"shadow": {"value": False}},
        )
    )


@pytest.mark.postgresql15
def test_the_oldest_supported_postgresql_takes_the_same_migrations(postgresql15_binaries, services_folder):
    with Postgres(services_folder / "postgresql15", durable=False, binaries=postgresql15_binaries) as server:
        urls = prepare_database(server, "postroom_old")
        config = migration_config(urls.owner)
        command.upgrade(config, "head")
        command.check(config)


def test_revisions_are_named_after_their_files_so_that_the_last_file_is_the_newest():
    from alembic.script import ScriptDirectory

    from tenants.database.schema import MIGRATIONS, newest

    assert newest() == ScriptDirectory(str(MIGRATIONS)).get_current_head()
