"""Whether the database has the tables this code expects."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import text

from tenants.database import db
from tenants.settings import SettingsError

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = Path(__file__).parents[2] / "migrations"


def migration_config(url: str) -> Config:
    """Alembic's configuration for a database, named by the URL of its owner."""
    from alembic.config import Config  # only who migrates pays for loading it

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return config


def newest() -> str:
    """The revision this code was written for: the last of the numbered files, which are named after it."""
    return max((path.stem for path in (MIGRATIONS / "versions").glob("[0-9]*.py")), default="")


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
