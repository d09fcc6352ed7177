"""The world of every test: a migrated database, an application, our organization and a neighbour."""

import base64
import itertools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any

import psycopg
import pytest
from flask import Flask
from jinja2 import FileSystemBytecodeCache
from sqlalchemy import event

from embedded.environment import DATABASE
from embedded.postgres import DatabaseUrls, Postgres, prepare_database
from embedded.redis import Redis
from mailboxes.tables import METADATA
from tenants.database import db
from tenants.database import inside as inside_of
from tenants.settings import Settings
from tests.client import Client
from tests.factories import World, make_organization
from tests.services import SHARED_FOLDER
from tests.webapp.critic import share_what_is_valid
from webapp import create_app
from workers import queues

TURNS_BEFORE_VACUUM = 100
MOST_COMPILED = 4000  # statements, more than a run has
MOST_PREPARED = 1000  # of each connection
KEY = base64.b64encode(b"k" * 32).decode()


@pytest.fixture(scope="session")
def database_urls(postgres_server: Postgres) -> DatabaseUrls:
    """A database with every migration run, and the URLs of its three roles."""
    return prepare_database(postgres_server, "postroom_test", template=DATABASE)


@pytest.fixture(scope="session")
def environment(
    database_urls: DatabaseUrls, redis_server: Redis, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """The variables that a process of this test run starts with."""
    return {
        "POSTROOM_DATABASE_URL": database_urls.app,
        "POSTROOM_SYSTEM_DATABASE_URL": database_urls.system,
        "POSTROOM_OWNER_DATABASE_URL": database_urls.owner,
        "POSTROOM_REDIS_URL": redis_server.url,
        "POSTROOM_SECRET_KEY": "0123456789abcdef0123456789abcdef-test",
        "POSTROOM_ENCRYPTION_KEYS": f"1:{KEY}",
        "POSTROOM_OBJECT_STORE": tmp_path_factory.mktemp("objects").as_uri(),
        "POSTROOM_PERMITTED_NETWORKS": "127.0.0.0/8",
        "POSTROOM_RESERVED_DOMAINS": "1",
        "POSTROOM_CHEAP_PASSWORDS": "1",
    }


@pytest.fixture(scope="session")
def _application(environment: dict[str, str], pytestconfig: pytest.Config) -> Iterator[Flask]:
    app = create_app(Settings.from_environment(environment))
    app.testing = True
    if cache := getattr(pytestconfig, "cache", None):  # one process compiles a template for all of them
        app.jinja_env.bytecode_cache = FileSystemBytecodeCache(str(cache.mkdir("templates")))
    app.test_client_class = Client
    share_what_is_valid(pytestconfig.stash[SHARED_FOLDER] / "valid")
    with app.app_context():
        for engine in db.engines.values():
            engine._compiled_cache.capacity = MOST_COMPILED
            event.listen(engine, "connect", _keep_prepared)
    yield app
    with app.app_context():
        for engine in db.engines.values():
            engine.dispose()
        queues.redis().close()


def _keep_prepared(connection: Any, _: object) -> None:
    """Keep what the server has prepared: at each rollback, with which every page ends, psycopg forgets it.

    A table might have been changed by what is rolled back; here nobody changes one. To plan each statement
    anew would take four times as long as to carry it out, and a third of the time of a page.
    """
    connection.prepared_max = MOST_PREPARED
    connection._prepared.clear = lambda: False


@pytest.fixture(scope="session")
def _superuser(postgres_server: Postgres, database_urls: DatabaseUrls) -> Iterator[psycopg.Connection]:
    """A connection that no fence and no trigger hinders, and that checks no foreign key."""
    url = _plain(postgres_server.url(database="postroom_test"))
    with psycopg.connect(url, autocommit=True, prepare_threshold=None) as connection:
        connection.execute("SET session_replication_role = replica")
        yield connection


@pytest.fixture(scope="session")
def _emptying(_superuser: psycopg.Connection) -> Callable[[], None]:
    """Empties every table. To delete few rows takes a tenth of the time of TRUNCATE with its new files.

    Deleting is planned once, by a function: to plan it takes six times as long as to find nothing there.
    """
    statements = "".join(f"DELETE FROM {name}; " for name in METADATA.tables)
    _superuser.execute(
        f"CREATE FUNCTION pg_temp.empty() RETURNS void LANGUAGE plpgsql AS $$BEGIN {statements}END$$"
    )
    turns = itertools.count(1)

    def empty() -> None:
        _superuser.execute("SELECT pg_temp.empty()")
        if next(turns) % TURNS_BEFORE_VACUUM == 0:
            _superuser.execute(f"VACUUM (ANALYZE) {', '.join(METADATA.tables)}")

    return empty


@pytest.fixture
def app(_application: Flask, _emptying: Callable[[], None]) -> Iterator[Flask]:
    """The application on an empty database, pushed; emptied and set up as before afterwards."""
    settings = _application.config["POSTROOM"]
    with _application.app_context():
        queues.redis().flushall()
        yield _application
        db.session.remove()
    _application.config["POSTROOM"] = settings
    _emptying()


@pytest.fixture(scope="session")
def _kept() -> dict[str, tuple[Any, dict[str, bytes]]]:
    """What `once` has made in this process: the result, and the rows of each table."""
    return {}


@pytest.fixture
def once(
    app: Flask, _superuser: psycopg.Connection, _kept: dict[str, tuple[Any, dict[str, bytes]]]
) -> Callable[[str, Callable[[], Any]], Any]:
    """``once(name, make)`` fills the empty database and returns what ``make`` returns.

    It is made by the first test that asks; for the next ones its rows are put back as they were, which takes
    a hundredth of the time. Only rows are kept, nothing of Redis; and nobody changes the result.
    """

    def filled(name: str, make: Callable[[], Any]) -> Any:
        if name in _kept:
            result, rows = _kept[name]
            _put_back(_superuser, rows)
            return result
        assert not _rows(_superuser), "once() begins with an empty database"
        result = make()
        db.session.remove()
        _kept[name] = result, _rows(_superuser)
        return result

    return filled


def _rows(connection: psycopg.Connection) -> dict[str, bytes]:
    rows = {}
    for name in METADATA.tables:
        with connection.cursor() as cursor, cursor.copy(f"COPY {name} TO STDOUT") as copy:
            rows[name] = b"".join(bytes(part) for part in copy)
    return {name: content for name, content in rows.items() if content}


def _put_back(connection: psycopg.Connection, rows: dict[str, bytes]) -> None:
    for name, content in rows.items():
        with connection.cursor() as cursor, cursor.copy(f"COPY {name} FROM STDIN") as copy:
            copy.write(content)


@pytest.fixture
def ours(app: Flask) -> World:
    """Our organization."""
    return make_organization("Acme")


@pytest.fixture
def theirs(app: Flask) -> World:
    """The neighbour, who must never notice us."""
    return make_organization("Neighbour")


@pytest.fixture
def inside() -> Any:
    """``with inside(ours): …`` binds a fresh session to an organization."""

    def enter(organization: World) -> AbstractContextManager[Any]:
        return inside_of(organization.id)

    return enter


def permitted_ports(app: Flask, *ports: int) -> None:
    """Let the egress guard reach servers of this test run."""
    import dataclasses

    settings: Settings = app.config["POSTROOM"]
    app.config["POSTROOM"] = dataclasses.replace(
        settings,
        permitted_ports=settings.permitted_ports | set(ports),
        permitted_networks=(ip_network("127.0.0.0/8"),),
    )


def _plain(url: str) -> str:
    return url.replace("postgresql+psycopg://", "postgresql://")


class Clock:
    """A clock that a test moves."""

    def __init__(self, traveller: Any) -> None:
        self._traveller = traveller

    def shift(self, seconds: float) -> None:
        """Let this much time pass."""
        self._traveller.shift(seconds)


@pytest.fixture
def noon() -> Iterator[None]:
    """It is noon tomorrow, which only the database does not know: no day and no hour ends meanwhile."""
    import time_machine

    tomorrow = datetime.now(UTC) + timedelta(days=1)
    with time_machine.travel(tomorrow.replace(hour=12, minute=0, second=0, microsecond=0), tick=True):
        yield


@pytest.fixture
def time_machine_clock() -> Iterator[Clock]:
    """Time stands where it is, and moves when the test says so."""
    import time_machine

    with time_machine.travel(datetime.now(UTC), tick=True) as traveller:
        yield Clock(traveller)
