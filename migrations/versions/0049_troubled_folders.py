"""Since when a folder has been in trouble, and which trouble was told of."""

import sqlalchemy as sa
from alembic import op

revision = "0049_troubled_folders"
down_revision = "0048_dismissed"


def upgrade() -> None:
    for column in ("troubled_since", "told_since"):
        op.add_column("folders", sa.Column(column, sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE folders SET troubled_since = coalesce(gone_at, now()) WHERE last_error <> ''")
    op.create_index(
        "ix_folders_troubled",
        "folders",
        ["account_id"],
        postgresql_where=sa.text("troubled_since IS NOT NULL"),
    )


def downgrade() -> None:
    for column in ("told_since", "troubled_since"):
        op.drop_column("folders", column)
