"""The application without a door: settings and database, for web, workers and commands alike."""

from flask import Flask

from tenants.database import db, pool_options
from tenants.settings import Settings


def create_base_app(settings: Settings, import_name: str = "webapp") -> Flask:
    """A Flask application that knows its settings and both database roles, and serves nothing."""
    app = Flask(import_name)
    app.config["POSTROOM"] = settings
    app.config["SECRET_KEY"] = settings.secret_key
    options = pool_options(settings.database_pooler)
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = options
    app.config["SQLALCHEMY_DATABASE_URI"] = settings.database_url
    app.config["SQLALCHEMY_BINDS"] = {"system": {"url": settings.system_database_url, **options}}
    db.init_app(app)
    return app


def settings_of(app: Flask) -> Settings:
    """The process settings an application was made with."""
    settings: Settings = app.config["POSTROOM"]
    return settings
