"""Wall three in SQL: what every migration that makes a table calls."""

from collections.abc import Iterator
from contextlib import contextmanager

from alembic import op

CURRENT = "(select nullif(current_setting('app.organization_id', true), '')::uuid)"
ALL = "SELECT, INSERT, UPDATE, DELETE"


def protect(table: str, *, app_may: str = ALL) -> None:
    """Force row security on a table with ``organization_id`` and let both roles in."""
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(
        f"CREATE POLICY inside_the_organization ON {table} FOR ALL TO postroom_app"
        f" USING (organization_id = {CURRENT}) WITH CHECK (organization_id = {CURRENT})"
    )
    op.execute(f"GRANT {app_may} ON {table} TO postroom_app")
    op.execute(f"GRANT {ALL} ON {table} TO postroom_system")


def open_to_roles(table: str, *, app_may: str = ALL) -> None:
    """Let both roles use a table of the installation, which no organization owns."""
    op.execute(f"GRANT {app_may} ON {table} TO postroom_app")
    op.execute(f"GRANT {ALL} ON {table} TO postroom_system")


def keep_for_the_system(table: str) -> None:
    """A table of the installation that no organization may even look into."""
    op.execute(f"GRANT {ALL} ON {table} TO postroom_system")


@contextmanager
def open_to_the_owner(*tables: str) -> Iterator[None]:
    """Let a migration read and change the rows of all organizations, which even the owner may not."""
    for table in tables:
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    yield
    for table in tables:
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
