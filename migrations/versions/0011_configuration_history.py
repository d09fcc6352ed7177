"""Every change of a setting is kept; language and time zone are settings, no columns."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.policies import open_to_roles, protect

revision = "0011_configuration_history"
down_revision = "0010_notices"

READ_AND_ADD = "SELECT, INSERT"  # a record: added to, never changed
CHANGE = (
    ("key", sa.Text()),
    ("before", postgresql.JSONB(astext_type=sa.Text())),
    ("after", postgresql.JSONB(astext_type=sa.Text())),
    ("by", sa.Text()),
    ("at", sa.DateTime(timezone=True)),
)


def upgrade() -> None:
    _create("system_override_changes", [], ["id"])
    _create("organization_override_changes", ["organization_id"], ["organization_id", "id"])
    _create("user_override_changes", ["user_id"], ["id"])
    protect("organization_override_changes", app_may=READ_AND_ADD)
    open_to_roles("system_override_changes", app_may=READ_AND_ADD)
    open_to_roles("user_override_changes", app_may=READ_AND_ADD)
    for table in ("organizations", "users"):
        op.drop_column(table, "language")
        op.drop_column(table, "time_zone")


def downgrade() -> None:
    op.add_column("users", sa.Column("language", sa.Text(), nullable=True))
    op.add_column("users", sa.Column("time_zone", sa.Text(), nullable=True))
    for name, default in (("language", "en"), ("time_zone", "UTC")):
        op.add_column("organizations", sa.Column(name, sa.Text(), nullable=False, server_default=default))
        op.alter_column("organizations", name, server_default=None)
    for table in ("user_override_changes", "organization_override_changes", "system_override_changes"):
        op.drop_table(table)


def _create(table: str, owner: list[str], key: list[str]) -> None:
    targets = {"organization_id": "organizations", "user_id": "users"}
    op.create_table(
        table,
        *(sa.Column(name, sa.Uuid(), nullable=False) for name in owner),
        sa.Column("id", sa.Uuid(), nullable=False),
        *(sa.Column(name, kind, nullable=False) for name, kind in CHANGE),
        *(
            sa.ForeignKeyConstraint(
                [name], [f"{targets[name]}.id"], name=op.f(f"fk_{table}_{name}"), ondelete="CASCADE"
            )
            for name in owner
        ),
        sa.PrimaryKeyConstraint(*key, name=op.f(f"pk_{table}")),
    )
    op.create_index(f"ix_{table}_key", table, [*owner, "key", "id"])
