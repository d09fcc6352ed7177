"""How accounts are, explained: passes, hours, what folders lack, and how far a first sync has come."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.policies import protect

revision = "0028_health"
down_revision = "0027_inviters"

OWNER = "coalesce(organization_id, '00000000-0000-0000-0000-000000000000'::uuid)"
MOMENT = sa.DateTime(timezone=True)
FOLDER_COLUMNS = (
    ("history_total", sa.BigInteger),
    ("history_left", sa.BigInteger),
    ("history_began_at", lambda: MOMENT),
    ("audit_wanted_at", lambda: MOMENT),
    ("audited_at", lambda: MOMENT),
    ("audit", postgresql.JSONB),
)


def upgrade() -> None:
    _create(
        "passes",
        sa.Column("began_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT, nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("milliseconds", sa.BigInteger(), nullable=False),
        sa.Column("new_count", sa.BigInteger(), nullable=False),
        sa.Column("history_count", sa.BigInteger(), nullable=False),
        sa.Column("changed_count", sa.BigInteger(), nullable=False),
        sa.Column("vanished_count", sa.BigInteger(), nullable=False),
        sa.Column("fetched_bytes", sa.BigInteger(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
    )
    op.create_index("ix_passes_account_id", "passes", ["account_id", "id"])
    op.create_index("ix_passes_ended_at", "passes", ["ended_at"])
    _create(
        "account_hours",
        sa.Column("hour", MOMENT, nullable=False),
        *(
            sa.Column(name, sa.BigInteger(), nullable=False)
            for name in (
                "new_count",
                "history_count",
                "timed_count",
                "delay_milliseconds",
                "longest_delay_milliseconds",
                "fetch_milliseconds",
                "parse_milliseconds",
                "thread_milliseconds",
                "store_milliseconds",
            )
        ),
        sa.UniqueConstraint("account_id", "hour", name="uq_account_hours_account_id_hour"),
    )
    op.create_index("ix_account_hours_hour", "account_hours", ["hour"])
    for name, kind in FOLDER_COLUMNS:
        op.add_column("folders", sa.Column(name, kind(), nullable=True))
    left, missing = "history_left > 0", "audit #>> '{groups,missing}' <> '0'"
    op.create_index("ix_folders_history_left", "folders", ["history_left"], postgresql_where=sa.text(left))
    op.create_index("ix_folders_missing", "folders", ["id"], postgresql_where=sa.text(missing))
    op.add_column("arrivals", sa.Column("fetch_milliseconds", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.drop_column("arrivals", "fetch_milliseconds")
    op.drop_index("ix_folders_missing", "folders")
    op.drop_index("ix_folders_history_left", "folders")
    for name, _ in reversed(FOLDER_COLUMNS):
        op.drop_column("folders", name)
    op.drop_table("account_hours")
    op.drop_table("passes")


def _create(table: str, *columns: sa.schema.SchemaItem) -> None:
    """A table of rows about accounts, with the account's owner."""
    op.create_table(
        table,
        sa.Column("account_id", sa.Uuid(), nullable=False),
        *columns,
        sa.Column("organization_id", sa.Uuid(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), sa.Computed(OWNER, persisted=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name=f"fk_{table}_organization_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["owner_id", "account_id"],
            ["accounts.owner_id", "accounts.id"],
            name=f"fk_{table}_owner_id_account_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=f"pk_{table}"),
    )
    protect(table)
