"""How quickly lists, pickers and configuration pages answer in an installation full of organizations.

2,000 organizations, 20,000 mailboxes and 50,000 people; half of the mailboxes and people are in one of them.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from alembic import command
from flask import Flask
from sqlalchemy import event

from benchmarks.filling import fill
from benchmarks.tables import print_table, spread
from embedded.folders import temporary_folder
from embedded.postgres import Postgres, prepare_database
from embedded.redis import Redis
from tenants.database import db
from tenants.schema import migration_config
from tenants.settings import Settings
from tests.client import Client
from tests.factories import make_mailbox, make_message, make_organization, make_user, sign_in
from tests.world import KEY
from webapp import create_app

TIMES = 20
BIG = "Big"
# What the administrator of the large organization opens; {mailbox} is one of theirs.
OF_ORGANIZATION = (
    "/configuration/mailboxes/",
    "/configuration/mailboxes/?q=box+77",
    "/configuration/mailboxes/?state=attention&sort=-newest",
    "/configuration/mailboxes/?sort=-waiting",
    "/configuration/mailboxes/states",
    "/configuration/mailboxes/{mailbox}",
    "/configuration/settings/email",
)
OF_SYSTEM = ("/system/mailboxes/", "/system/configuration/email")


def run() -> dict[str, Any]:
    """Fill an installation, open every page, print the table and return the figures."""
    with temporary_folder() as folder, _application(folder) as app, app.app_context():
        ours = make_organization(BIG)
        mailbox = make_mailbox(ours)
        system = make_user(name="Sys Admin", is_system_admin=True)
        message = make_message(ours, mailbox)
        with psycopg.connect(_plain(app.config["BENCHMARK_OWNER"]), autocommit=True) as connection:
            fill(connection, ours.id, ours.member.id, message.id)
        visits = [(sign_in(app, ours.admin), path) for path in OF_ORGANIZATION]
        visits += [(sign_in(app, system), path) for path in OF_SYSTEM]
        figures = {path: _measured(client, path.format(mailbox=mailbox.id)) for client, path in visits}
    rows = [[path, *one.values()] for path, one in figures.items()]
    print_table(
        "Milliseconds of the server, in the largest organization", ("page", "queries", "median", "p95"), rows
    )
    return figures


def _measured(client: Any, path: str) -> dict[str, float]:
    client.get(path)  # what is kept for the process is made once
    queries, milliseconds = 0, []
    for _ in range(TIMES):
        with _counted() as count:
            began = time.perf_counter()
            answer = client.get(path)
            milliseconds.append((time.perf_counter() - began) * 1000)
        assert answer.status_code == 200, f"{path}: {answer.status_code}"
        queries = len(count)
    found = spread(milliseconds)
    return {"queries": queries, "median": found["median"], "p95": found["p95"]}


@contextmanager
def _counted() -> Iterator[list[str]]:
    statements: list[str] = []

    def note(*given: Any) -> None:
        statements.append(given[2])

    for engine in db.engines.values():
        event.listen(engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        for engine in db.engines.values():
            event.remove(engine, "before_cursor_execute", note)


@contextmanager
def _application(folder: Path) -> Iterator[Flask]:
    with Postgres(folder / "postgresql", durable=False) as server, Redis(folder / "redis") as redis:
        urls = prepare_database(server, "postroom_benchmark")
        command.upgrade(migration_config(urls.owner), "head")
        environment = {
            "POSTROOM_DATABASE_URL": urls.app,
            "POSTROOM_SYSTEM_DATABASE_URL": urls.system,
            "POSTROOM_OWNER_DATABASE_URL": urls.owner,
            "POSTROOM_REDIS_URL": redis.url,
            "POSTROOM_SECRET_KEY": os.urandom(24).hex(),
            "POSTROOM_ENCRYPTION_KEYS": f"1:{KEY}",
            "POSTROOM_OBJECT_STORE": (folder / "objects").as_uri(),
            "POSTROOM_CHEAP_PASSWORDS": "1",
        }
        app = create_app(Settings.from_environment(environment))
        app.test_client_class = Client
        app.config["BENCHMARK_OWNER"] = server.url(database="postroom_benchmark")
        yield app
        with app.app_context():
            db.session.remove()
            for engine in db.engines.values():
                engine.dispose()


def _plain(url: str) -> str:
    return url.replace("postgresql+psycopg://", "postgresql://")
