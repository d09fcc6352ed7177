"""Whether the database has the tables this code expects."""

from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import text

from tenants.database import db
from tenants.settings import SettingsError

MIGRATIONS = Path(__file__).parent.parent / "migrations"


def migration_config(url: str) -> Config:
    """Alembic's configuration for a database, named by the URL of its owner."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return config


def newest() -> str:
    """The revision this code was written for."""
    head = ScriptDirectory(str(MIGRATIONS)).get_current_head()
    return head or ""


def is_behind() -> bool:
    """Whether migrations wait to be run."""
    with db.engines["system"].connect() as connection:
        known = connection.scalar(text("SELECT to_regclass('alembic_version') IS NOT NULL"))
        if not known:
            return True
        return bool(connection.scalar(text("SELECT version_num FROM alembic_version")) != newest())


def demand_current_schema() -> None:
    """Refuse to start before the migrations have run."""
    if is_behind():
        raise SettingsError("The database is behind this version of Postroom. Run: postroom migrate")
