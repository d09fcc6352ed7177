"""Servers that tests share: one PostgreSQL and one Redis for each pytest process."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import psycopg
import pytest
from psycopg import sql

from embedded.folders import temporary_folder
from embedded.postgres import Postgres
from embedded.redis import Redis

SETTINGS = {"autovacuum": "off"}  # `tests.world` clears away what was deleted


@pytest.fixture(scope="session")
def services_folder() -> Iterator[Path]:
    """A folder that every embedded server can reach, also when the tests run as root."""
    with temporary_folder() as folder:
        yield folder


@pytest.fixture(scope="session")
def postgres_server(services_folder: Path) -> Iterator[Postgres]:
    """The bundled PostgreSQL, without durability. Databases: `embedded.postgres.prepare_database`.

    POSTROOM_TEST_POSTGRESQL names a folder of other binaries, such as those of the oldest version supported.
    """
    given = os.environ.get("POSTROOM_TEST_POSTGRESQL")
    binaries = Path(given) if given else None
    folder = services_folder / "postgresql"
    with Postgres(folder, durable=False, binaries=binaries, settings=SETTINGS) as server:
        yield server


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
