"""The embedded PostgreSQL: who it runs as, what it leaves behind, which roles it has."""

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from embedded.errors import EmbeddedServerError
from embedded.postgres import DatabaseUrls, Postgres, prepare_database
from tests.processes import living_processes, wait_for
from tests.services import copy_cluster, drop_database


def connect(url: str) -> "psycopg.Connection[tuple[object, ...]]":
    return psycopg.connect(url.replace("+psycopg", ""))


def answer(url: str, question: str) -> object:
    with connect(url) as connection:
        row = connection.execute(question).fetchone()
    assert row is not None
    return row[0]


@pytest.fixture
def urls(postgres_server: Postgres) -> Iterator[DatabaseUrls]:
    yield prepare_database(postgres_server, "roles")
    drop_database(postgres_server, "roles")


@pytest.fixture
def made(folder: Path, cluster: Path) -> Path:
    """The folder of a server that has run before."""
    copy_cluster(cluster, folder / "postgresql")
    return folder / "postgresql"


def test_each_role_reaches_the_database_as_itself(urls):
    who = "SELECT current_user::text"
    assert answer(urls.owner, who) == "postroom_owner"
    assert answer(urls.app, who) == "postroom_app"
    assert answer(urls.system, who) == "postroom_system"


def test_only_the_system_role_passes_row_security_and_none_is_superuser(urls):
    with connect(urls.app) as connection:
        rows = connection.execute(
            "SELECT rolname, rolbypassrls, rolsuper, rolcreaterole FROM pg_roles"
            " WHERE rolname LIKE 'postroom%' ORDER BY rolname"
        ).fetchall()
    assert rows == [
        ("postroom_app", False, False, False),
        ("postroom_owner", False, False, False),
        ("postroom_system", True, False, False),
    ]


def test_the_owner_owns_the_database_and_the_application_owns_nothing(urls):
    owner = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()"
    assert answer(urls.app, owner) == "postroom_owner"
    with connect(urls.app) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("CREATE TABLE mine (id int)")


def test_the_application_cannot_become_the_system_role(urls):
    with connect(urls.app) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("SET ROLE postroom_system")


def test_preparing_a_database_twice_keeps_what_is_in_it(postgres_server, urls):
    with connect(urls.owner) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
    prepare_database(postgres_server, "roles")
    assert answer(urls.owner, "SELECT number FROM kept") == 7


def test_a_database_is_copied_from_a_template(postgres_server, urls):
    with connect(urls.owner) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
    copy = prepare_database(postgres_server, "copied", template="roles")
    try:
        assert answer(copy.owner, "SELECT number FROM kept") == 7
    finally:
        drop_database(postgres_server, "copied")


def test_no_permission_of_any_parent_changes(folder):
    parents = [folder, *folder.parents]
    before = [(stat.S_IMODE(path.stat().st_mode), path.stat().st_uid) for path in parents]
    with Postgres(folder / "a" / "postgresql", durable=False):
        pass
    assert before == [(stat.S_IMODE(path.stat().st_mode), path.stat().st_uid) for path in parents]


def test_nobody_else_can_reach_the_socket(postgres_server):
    assert stat.S_IMODE(postgres_server.socket_folder.stat().st_mode) == 0o700


def test_stopping_leaves_no_process_and_the_data_survives(made):
    server = Postgres(made)
    server.start()
    urls = prepare_database(server, "kept")
    with connect(urls.owner) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
    server.stop()
    assert server.pid is None
    assert living_processes(str(made)) == []
    with server:
        assert answer(urls.owner, "SELECT number FROM kept") == 7


def test_a_killed_server_recovers_with_what_was_committed(made):
    with Postgres(made) as server:
        urls = prepare_database(server, "kept")
        with connect(urls.owner) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
        server.kill()
        server.start()
        assert answer(urls.owner, "SELECT number FROM kept") == 7


def test_a_lock_file_that_names_a_living_stranger_is_no_obstacle(made):
    server = Postgres(made, durable=False)
    server.start()
    server.kill()
    lock = server.data / "postmaster.pid"
    lock.write_text(f"{os.getpid()}\n" + "\n".join(lock.read_text().splitlines()[1:]) + "\n")
    with server:
        assert answer(server.url(), "SELECT 1") == 1


def test_a_second_server_on_the_same_folder_is_refused(made):
    with Postgres(made, durable=False), pytest.raises(EmbeddedServerError, match="already runs on"):
        Postgres(made, durable=False).start()


def test_a_folder_with_a_long_path_has_its_socket_elsewhere(folder):
    deep = folder / ("long" * 20) / ("long" * 20)
    with Postgres(deep, durable=False) as server:
        assert answer(server.url(), "SELECT 1") == 1
        elsewhere = server.socket_folder
        assert elsewhere.exists()
    assert not elsewhere.exists()


if os.geteuid() == 0:  # only root's folders are closed to PostgreSQL's user

    def test_root_is_told_when_the_folder_cannot_be_reached(folder):
        closed = folder / "closed"
        closed.mkdir(mode=0o700)
        with pytest.raises(EmbeddedServerError, match="cannot reach"):
            Postgres(closed / "postgresql").start()
        assert list(closed.iterdir()) == []

    def test_root_starts_programs_that_others_cannot_reach(folder, postgres_server):
        closed = folder / "closed"
        closed.mkdir(mode=0o700)
        (closed / "18").symlink_to(postgres_server.binaries.parent)
        with Postgres(folder / "postgresql", binaries=closed / "18" / "bin", durable=False) as server:
            assert answer(server.url(), "SELECT 1") == 1


def test_the_server_ends_when_its_parent_is_killed(made):
    script = (
        "import sys, time; from pathlib import Path; from embedded.postgres import Postgres\n"
        "Postgres(Path(sys.argv[1]), durable=False).start(); print('ready', flush=True)\n"
        "time.sleep(600)"
    )
    parent = subprocess.Popen([sys.executable, "-c", script, made], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    with parent.stdout:
        assert parent.stdout.readline() == b"ready\n"
        assert living_processes(str(made / "data")) != []
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    wait_for(lambda: living_processes(str(made)) == [])


@pytest.mark.postgresql15
def test_debians_postgresql_15_has_the_same_roles(folder, postgresql15_binaries):
    with Postgres(folder / "old", binaries=postgresql15_binaries, durable=False) as server:
        urls = prepare_database(server, "postroom")
        assert str(answer(urls.app, "SHOW server_version")).startswith("15.")
        assert answer(urls.system, "SELECT current_user::text") == "postroom_system"
