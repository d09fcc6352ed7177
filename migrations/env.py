"""Alembic's entry: runs the migrations as the owner of the database."""

from alembic import context
from sqlalchemy import create_engine, pool

from mailboxes.tables import METADATA

url = context.config.get_main_option("sqlalchemy.url")


def run() -> None:
    """Migrate within one transaction, with a lock so that two at once wait for each other."""
    engine = create_engine(str(url), poolclass=pool.NullPool)
    with engine.connect() as connection:
        context.configure(
            connection=connection,
            target_metadata=METADATA,
            compare_type=True,
            transaction_per_migration=False,
        )
        with context.begin_transaction():
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7066110)")
            context.run_migrations()
    engine.dispose()


run()
