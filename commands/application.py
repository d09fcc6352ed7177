"""The application of a command that runs in the foreground."""

import time

import click
from flask import Flask
from sqlalchemy.exc import OperationalError

from tenants.application import create_base_app
from tenants.audit import Actor
from tenants.logs import configure_logs
from tenants.schema import demand_current_schema
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
    deadline = time.monotonic() + patience
    with app.app_context():
        while True:
            try:
                demand_current_schema()
            except OperationalError as error:
                if time.monotonic() >= deadline:
                    raise click.ClickException(
                        f"The database does not answer ({_first_line(error)}). "
                        "Check POSTROOM_DATABASE_URL and POSTROOM_SYSTEM_DATABASE_URL."
                    ) from None
                time.sleep(0.1)
            else:
                return app


def _first_line(error: OperationalError) -> str:
    return str(error.orig).partition("\n")[0]
