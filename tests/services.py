"""Servers that tests share: one PostgreSQL and one Redis for each pytest process.

All processes of a run begin with a copy of one PostgreSQL, whose database has every migration (`cluster`).
"""

import fcntl
import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NoReturn

import psycopg
import pytest
from alembic import command
from psycopg import sql

from embedded import processes
from embedded.environment import DATABASE
from embedded.folders import temporary_folder
from embedded.postgres import Postgres, prepare_database
from embedded.redis import Redis
from tenants.database.schema import migration_config

SETTINGS = {"autovacuum": "off"}  # `tests.world` clears away what was deleted
SHARED_FOLDER = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    """Whoever starts the run makes a folder for all of its processes, and removes it.

    Whoever starts many runs names one for all of them in POSTROOM_TEST_FOLDER. No process draws the ports of
    another one.
    """
    given = getattr(config, "workerinput", None)
    if given is not None:
        config.stash[SHARED_FOLDER] = Path(given["shared_folder"])
        number = int(given["workerid"].removeprefix("gw"))
        processes.NEVER_OUTGOING = processes.NEVER_OUTGOING[number :: given["workercount"]]
        return
    if folder := os.environ.get("POSTROOM_TEST_FOLDER"):
        config.stash[SHARED_FOLDER] = Path(folder)
        return
    stack = ExitStack()
    config.add_cleanup(stack.close)
    config.stash[SHARED_FOLDER] = stack.enter_context(temporary_folder())


def pytest_configure_node(node: Any) -> None:
    """Tell a process of this run where the folder is."""
    node.workerinput["shared_folder"] = str(node.config.stash[SHARED_FOLDER])


@pytest.fixture(scope="session")
def services_folder() -> Iterator[Path]:
    """A folder that every embedded server can reach, also when the tests run as root."""
    with temporary_folder() as folder:
        yield folder


@pytest.fixture(scope="session")
def cluster(pytestconfig: pytest.Config) -> Path:
    """The data of a server that has stopped: its `DATABASE` has every migration. Made once in a run."""
    shared = pytestconfig.stash[SHARED_FOLDER]
    server, is_made = _server(shared / "postgresql"), shared / "cluster is made"
    with (shared / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_made.exists():
            with server:
                command.upgrade(migration_config(prepare_database(server, DATABASE).owner), "head")
            is_made.touch()
    return server.data


def copy_cluster(cluster: Path, folder: Path) -> None:
    """Let a server that will have its data in this folder begin with what is there."""
    folder.mkdir()
    folder.chmod(0o711)  # whoever starts the tests, PostgreSQL's user passes through
    subprocess.run(["cp", "-a", cluster, folder / "data"], check=True)


@pytest.fixture(scope="session")
def postgres_server(services_folder: Path, cluster: Path) -> Iterator[Postgres]:
    """The bundled PostgreSQL, without durability. Databases: `embedded.postgres.prepare_database`.

    POSTROOM_TEST_POSTGRESQL names a folder of other binaries, such as those of the oldest version supported.
    """
    folder = services_folder / "postgresql"
    copy_cluster(cluster, folder)
    with _server(folder) as server:
        yield server


def _server(folder: Path) -> Postgres:
    given = os.environ.get("POSTROOM_TEST_POSTGRESQL")
    return Postgres(folder, durable=False, binaries=Path(given) if given else None, settings=SETTINGS)


def drop_database(server: Postgres, name: str) -> None:
    """Remove a database with everything in it, also when somebody is connected."""
    url = server.url().replace("+psycopg", "")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def redis_server(services_folder: Path) -> Iterator[Redis]:
    """The first Redis of the chain. Whoever fills it empties it."""
    with Redis(services_folder / "redis") as server:
        yield server


@pytest.fixture(scope="session")
def postgresql15_binaries() -> Path:
    """Debian's PostgreSQL 15, the oldest one that is supported."""
    binaries = Path("/usr/lib/postgresql/15/bin")
    if not (binaries / "postgres").exists():
        missing("PostgreSQL 15", "apt-get install -y postgresql-15")
    return binaries


def missing(program: str, install: str) -> NoReturn:
    """Skip the test and say what installs the program; on CI nothing may be missing."""
    sentence = f"{program} is missing. Install it with: {install}"
    if os.environ.get("CI") == "true":
        pytest.fail(sentence)
    pytest.skip(sentence)
