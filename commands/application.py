"""The application of a command that runs in the foreground."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import click
from flask import Flask
from sqlalchemy.exc import OperationalError

from tenants.application import create_base_app
from tenants.audit import Actor
from tenants.database import db
from tenants.database.schema import demand_current_schema
from tenants.logs import configure_logs
from tenants.settings import Settings

TERMINAL = Actor("terminal")


PATIENCE = 30.0  # seconds that a service waits for its database, when a machine boots


def command_app(patience: float = 0) -> Flask:
    """An application set up by the environment, on a database that is up to date.

    ``patience``: for so many seconds a database that does not answer yet is asked again.
    """
    settings = Settings.from_environment()
    configure_logs(settings.log_level)
    app = create_base_app(settings)
    with app.app_context():
        try:
            _demand_database(time.monotonic() + patience)
        except BaseException:
            _disconnect()
            raise
    return app


@contextmanager
def command_context(patience: float = 0) -> Iterator[Flask]:
    """Inside the application for one command; its connections are closed at the end."""
    app = command_app(patience)
    with app.app_context():
        try:
            yield app
        finally:
            _disconnect()


def demand_database() -> None:
    """Wait for a database that is up to date, for a process that makes its applications itself."""
    with command_context(PATIENCE):  # and leave no connection that a fork would share
        pass


def _demand_database(deadline: float) -> None:
    while True:
        try:
            demand_current_schema()
        except OperationalError as error:
            if time.monotonic() >= deadline:
                reason = str(error.orig).partition("\n")[0]
                raise click.ClickException(
                    f"The database does not answer ({reason}). "
                    "Check POSTROOM_DATABASE_URL and POSTROOM_SYSTEM_DATABASE_URL."
                ) from None
            time.sleep(0.1)
        else:
            return


def _disconnect() -> None:
    db.session.remove()
    for engine in db.engines.values():
        engine.dispose()
