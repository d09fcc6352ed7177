"""What people split stays apart: conversations remember that they were one."""

import sqlalchemy as sa
from alembic import op

revision = "0063_split_families"
down_revision = "0062_no_notices"


def upgrade() -> None:
    op.add_column("threads", sa.Column("split_family", sa.Uuid(), nullable=True))
    op.create_index(
        "ix_threads_split",
        "threads",
        ["organization_id", "split_family"],
        postgresql_where=sa.text("split_family IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_threads_split", "threads")
    op.drop_column("threads", "split_family")
