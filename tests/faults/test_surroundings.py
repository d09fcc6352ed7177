"""F51: the database, the disk or the name service fails under a pass, and nothing is lost.

Processes that are killed, PostgreSQL and Redis among them: `test_killing`.
"""

import psycopg
import pytest
from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError, OperationalError

from embedded.postgres import DatabaseUrls, Postgres
from mailboxes import objects, raws
from tenants.database import db, inside
from tests.faults.imap_server import Command, Session
from tests.faults.stage import INBOX, Stage


def owner(urls: DatabaseUrls) -> "psycopg.Connection[tuple[object, ...]]":
    return psycopg.connect(urls.owner.replace("+psycopg", ""), autocommit=True)


def cursor(stage: Stage) -> int:
    with inside(stage.world.id):
        return stage.folders()[INBOX].last_uid


@pytest.fixture
def waiting(stage: Stage) -> Stage:
    """New mail waits on the server."""
    stage.fill(INBOX, 2)
    stage.sync()
    stage.live_on()
    return stage


def breaks(stage: Stage, error: type[Exception]) -> None:
    """A pass breaks with this error, and the cursor stays where it was."""
    before = cursor(stage)
    with pytest.raises(error):
        stage.sync()
    db.session.remove()
    assert cursor(stage) == before


def test_connections_to_the_database_that_end_in_the_middle_of_a_pass(
    waiting: Stage, postgres_server: Postgres, database_urls: DatabaseUrls
) -> None:
    database = make_url(database_urls.owner).database or ""
    url = postgres_server.url(database=database).replace("+psycopg", "")

    ended: list[bytes] = []

    def end_them(session: Session, command: Command) -> bool:
        if b"BODY" in command.arguments:
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND usename <> current_user"  # ours, not the tests'
                )
            session.server.heal()
            ended.append(command.arguments)
        return False

    waiting.server.on("FETCH", end_them)
    try:
        waiting.sync()  # between transactions it may go on with another connection
    except DBAPIError:
        db.session.remove()
    assert ended
    waiting.settle()


@pytest.mark.parametrize(
    ("code", "words"), [("53100", "could not extend file: No space left on device"), ("25006", "read-only")]
)
@pytest.mark.parametrize("table", ["raws", "arrivals"])
def test_a_database_that_takes_nothing(
    waiting: Stage, database_urls: DatabaseUrls, table: str, code: str, words: str
) -> None:
    with owner(database_urls) as connection:
        connection.execute(
            "CREATE FUNCTION refuse_everything() RETURNS trigger LANGUAGE plpgsql AS"
            f" $$ BEGIN RAISE EXCEPTION '{words}' USING ERRCODE = '{code}'; END $$"
        )
        connection.execute(
            f"CREATE TRIGGER refuses BEFORE INSERT ON {table} EXECUTE FUNCTION refuse_everything()"
        )
        try:
            breaks(waiting, psycopg.Error)
        finally:
            connection.execute("DROP FUNCTION refuse_everything CASCADE")
    waiting.settle()


def test_a_full_object_store(waiting: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(raws, "INLINE_BYTES", 10)
        broken.setattr(objects, "_put", full)
        breaks(waiting, OSError)
    waiting.settle()


@pytest.mark.parametrize("at", ["before delivery", "while storing"])
def test_a_disk_that_is_full_at_delivery_quarantines_nothing(
    waiting: Stage, database_urls: DatabaseUrls, at: str
) -> None:
    table = {"before delivery": "messages", "while storing": "message_words"}[at]
    with owner(database_urls) as connection:
        connection.execute(
            "CREATE FUNCTION refuse_everything() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'No space left on device' USING ERRCODE = '53100'; END $$"
        )
        connection.execute(
            f"CREATE TRIGGER refuses BEFORE INSERT ON {table} EXECUTE FUNCTION refuse_everything()"
        )
        try:
            with pytest.raises((OperationalError, psycopg.OperationalError)):
                waiting.sync()
        finally:
            connection.execute("DROP FUNCTION refuse_everything CASCADE")
    db.session.remove()
    assert "quarantined" not in waiting.arrivals().values()
    waiting.settle()
