"""An application in this process, for what is measured of it alone."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from flask import Flask

from embedded.postgres import Postgres, prepare_database
from embedded.redis import Redis
from tenants.database import db
from tenants.database.schema import migration_config
from tenants.settings import Settings
from tests.client import Client
from tests.world import KEY
from webapp import create_app


@contextmanager
def application(folder: Path) -> Iterator[Flask]:
    """On servers of its own below a folder; nothing is durable, and addresses of tests are answered."""
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
            "POSTROOM_RESERVED_DOMAINS": "1",
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
