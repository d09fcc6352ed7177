"""The terminal: what each command says and does, and how it fails."""

import base64
import re
import runpy
import sys
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select

from commands import main
from commands.program import COMMANDS, VERSION
from embedded.postgres import Postgres, prepare_database
from mailboxes.connections import password_of, store_password
from mailboxes.setup.saving import account_of
from tenants.audit import SystemAuditEntry
from tenants.database import db
from tenants.database.schema import newest
from tenants.secrets import is_current
from tenants.users import authenticate, user_by_address
from tests.factories import make_mailbox

FILE = """
organizations:
  - slug: nordwind
    name: Nordwind Outdoor
    members:
      - {address: ada@nordwind.example, name: Ada, roles: [Administrator]}
    mailboxes:
      - address: support@nordwind.example
        account:
          imap: {enabled: true, host: imap.nordwind.example, user: support, password: "${SUPPORT}"}
          folders: [INBOX]
"""


@pytest.fixture
def run(environment, monkeypatch):
    """Run a command as the environment of this test run sets it up."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    def invoke(*words: str, **given: str) -> Result:
        return CliRunner().invoke(main, list(words), env=given, catch_exceptions=False)

    return invoke


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "nordwind.yaml"
    path.write_text(FILE)
    return path


def test_the_program_calls_itself_as_people_call_it(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["commands/__main__.py", "--help"])
    with pytest.raises(SystemExit):
        runpy.run_module("commands", run_name="__main__")
    assert capsys.readouterr().out.startswith("Usage: postroom [OPTIONS]")


def test_help_lists_every_command_with_a_sentence(run):
    told = run("--help")
    assert told.exit_code == 0
    for name in COMMANDS:
        assert re.search(rf"^  {name} +\w", told.output, re.MULTILINE), name


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_its_options(run, name):
    told = run(name, "--help")
    assert told.exit_code == 0
    assert told.output.startswith("Usage:")


def test_the_version_is_told(run):
    assert run("--version").output.strip() == VERSION


def test_an_unknown_command_is_refused(run):
    told = run("dance")
    assert told.exit_code == 2
    assert "No such command 'dance'" in told.output


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("POSTROOM_DATABASE_URL", "POSTROOM_DATABASE_URL is not set"),
        ("POSTROOM_SECRET_KEY", "POSTROOM_SECRET_KEY is not set"),
        ("POSTROOM_REDIS_URL", "POSTROOM_REDIS_URL is not set"),
    ],
)
def test_a_missing_setting_is_named(run, app, monkeypatch, name, words):
    monkeypatch.delenv(name)
    told = run("check")
    assert told.exit_code == 1
    assert words in told.output


def test_a_database_that_does_not_answer_is_one_sentence(run, app, tmp_path):
    url = f"postgresql+psycopg://postroom_app@/postroom?host={tmp_path}"
    told = run("check", POSTROOM_DATABASE_URL=url, POSTROOM_SYSTEM_DATABASE_URL=url)
    assert told.exit_code == 1
    assert "The database does not answer" in told.output
    assert "Traceback" not in told.output


def test_migrate_brings_an_empty_database_to_the_newest_revision_and_back(run, postgres_server: Postgres):
    urls = prepare_database(postgres_server, "postroom_migrated")
    told = run("migrate", POSTROOM_OWNER_DATABASE_URL=urls.owner)
    assert told.output == f"The database is at {newest()}.\n"
    assert version_of(urls.owner) == newest()
    assert run("migrate", POSTROOM_OWNER_DATABASE_URL=urls.owner).exit_code == 0
    told = run("migrate", "--back", "--to", "base", POSTROOM_OWNER_DATABASE_URL=urls.owner)
    assert told.exit_code == 0
    assert version_of(urls.owner) is None


def version_of(url: str) -> str | None:
    with psycopg.connect(url.replace("postgresql+psycopg", "postgresql")) as connection:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return row[0] if row else None


def test_migrate_without_an_owner_says_what_is_missing(run):
    told = run("migrate", POSTROOM_OWNER_DATABASE_URL="")
    assert told.exit_code == 1
    assert "POSTROOM_OWNER_DATABASE_URL is not set" in told.output


def test_migrate_tells_when_the_owner_cannot_be_reached(run, tmp_path):
    told = run("migrate", POSTROOM_OWNER_DATABASE_URL=f"postgresql+psycopg://owner@/x?host={tmp_path}")
    assert told.exit_code == 1
    assert "cannot be reached as its owner" in told.output


def test_nothing_runs_on_a_database_that_is_behind(run, postgres_server: Postgres):
    urls = prepare_database(postgres_server, "postroom_behind")
    told = run("check", POSTROOM_DATABASE_URL=urls.app, POSTROOM_SYSTEM_DATABASE_URL=urls.system)
    assert told.exit_code == 1
    assert "Run: postroom migrate" in told.output


def test_create_admin_makes_somebody_new_who_can_sign_in(run, app):
    told = run("create-admin", "Root@Example.org", "--name", "Rosa", "--password", "a long password")
    assert told.exit_code == 0
    user = authenticate("root@example.org", "a long password", "test")
    assert (user.name, user.is_system_admin) == ("Rosa", True)
    acts = db.session.scalars(select(SystemAuditEntry.act)).all()
    assert acts == ["user.made_system_admin"]


def test_create_admin_raises_somebody_who_is_there(run, app, ours):
    address = ours.member.user.address
    run("create-admin", address, "--password", "another password")
    db.session.expire_all()
    user = user_by_address(address)
    assert user.is_system_admin
    assert user.name == ours.member.name


def test_create_admin_refuses_a_short_password_in_a_sentence(run, app):
    told = run("create-admin", "root@example.org", "--password", "short")
    assert told.exit_code == 1
    assert "at least 10 characters" in told.output
    assert user_by_address("root@example.org") is None


def test_new_key_prints_keys_that_settings_accept(run):
    lines = dict(line.split("=", 1) for line in run("new-key").output.splitlines())
    assert len(lines["POSTROOM_SECRET_KEY"]) >= 32
    key_id, _, encoded = lines["POSTROOM_ENCRYPTION_KEYS"].partition(":")
    assert key_id == "1"
    assert len(base64.b64decode(encoded)) == 32
    assert run("new-key").output != run("new-key").output


def test_rotate_keys_encrypts_every_stored_password_with_the_newest_key(
    run, app, environment, ours, inside, monkeypatch
):
    mailbox = make_mailbox(ours)
    with inside(ours):
        account = account_of(mailbox)
        store_password(account, "imap", "sésame")
        db.session.commit()
    newer = base64.b64encode(b"n" * 32).decode()
    keys = f"{environment['POSTROOM_ENCRYPTION_KEYS']},2:{newer}"
    told = run("rotate-keys", POSTROOM_ENCRYPTION_KEYS=keys)
    assert told.output == "1 stored secrets are now encrypted with the newest key.\n"
    assert run("rotate-keys", POSTROOM_ENCRYPTION_KEYS=keys).output.startswith("0 ")
    with inside(ours):
        blob = account_of(mailbox).imap_secret
        assert not is_current(blob)  # this test's own application knows the old key only
        monkeypatch.setitem(app.config, "POSTROOM", with_keys(app, {"2": b"n" * 32}))
        assert is_current(blob)
        assert password_of(account_of(mailbox), "imap") == "sésame"


def with_keys(app, keys):
    import dataclasses

    return dataclasses.replace(app.config["POSTROOM"], encryption_keys=keys)


def test_check_prints_a_line_for_each_invariant(run, app):
    told = run("check")
    assert told.exit_code == 0
    assert re.search(r"^I3 +ok ", told.output, re.MULTILINE)


def test_apply_plans_applies_and_then_has_nothing_to_do(run, app, file):
    planned = run("apply", str(file), "--plan", SUPPORT="a secret")
    assert "+ organization nordwind\n" in planned.output
    assert "would change; nothing was changed." in planned.output
    applied = run("apply", str(file), SUPPORT="a secret")
    assert applied.output.splitlines()[:-1] == planned.output.splitlines()[:-1]
    assert run("apply", str(file), SUPPORT="a secret").output == "Nothing had to change.\n"
    assert run("apply", str(file), "--plan", SUPPORT="a secret").output == "Nothing differs.\n"


def test_apply_tells_file_line_and_what_to_do(run, app, file):
    told = run("apply", str(file))
    assert told.exit_code == 1
    assert "nordwind.yaml, line 10" in told.output
    assert "SUPPORT is not set" in told.output


def test_apply_refuses_a_file_that_is_no_text(run, app, tmp_path):
    path = tmp_path / "x.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    told = run("apply", str(path))
    assert told.exit_code == 1
    assert "no text in UTF-8" in told.output


def test_export_goes_to_the_screen_or_into_a_file(run, app, file, tmp_path):
    run("apply", str(file), SUPPORT="a secret")
    shown = run("export", "--organization", "nordwind").output
    assert "slug: nordwind" in shown
    assert "a secret" not in shown
    output = tmp_path / "out.yaml"
    assert run("export", "--organization", "nordwind", "--output", str(output)).exit_code == 0
    assert output.read_text() == shown


def test_export_of_an_unknown_organization_names_those_there_are(run, app, ours):
    told = run("export", "--organization", "nowhere")
    assert told.exit_code == 1
    assert "There is no organization nowhere" in told.output


def test_sync_of_an_unknown_mailbox_is_refused(run, app, ours):
    told = run("sync", "nowhere/support")
    assert told.exit_code == 1
    assert "There is no organization nowhere." in told.output


@pytest.mark.parametrize("shard", ["1/1", "x", "3/2", "-1/2"])
def test_watch_refuses_a_shard_that_is_none(run, app, shard):
    told = run("watch", "--shard", shard)
    assert told.exit_code == 1
    assert "NUMBER/OF" in told.output


def test_inspect_prints_one_object_for_each_file(run, tmp_path):
    path = tmp_path / "one.eml"
    path.write_bytes(b"From: a@b.example\r\nSubject: Hello\r\n\r\nText\r\n")
    told = run("inspect", str(path), str(path))
    assert told.exit_code == 0
    assert told.output.count('"subject": "Hello"') == 2
