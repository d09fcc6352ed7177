"""The application of a command that runs in the foreground."""

from flask import Flask

from tenants.application import create_base_app
from tenants.audit import Actor
from tenants.logs import configure_logs
from tenants.schema import demand_current_schema
from tenants.settings import Settings

TERMINAL = Actor("terminal")


def command_app() -> Flask:
    """An application set up by the environment, on a database that is up to date."""
    settings = Settings.from_environment()
    configure_logs(settings.log_level)
    app = create_base_app(settings)
    with app.app_context():
        demand_current_schema()
    return app
