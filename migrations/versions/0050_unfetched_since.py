"""Served organizations learn since when a global account is not read, and people since when one is well again."""

import sqlalchemy as sa
from alembic import op

revision = "0050_unfetched_since"
down_revision = "0049_troubled_folders"


def upgrade() -> None:
    op.add_column("mailboxes", sa.Column("unfetched_since", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "mailboxes", sa.Column("is_mirrored", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.alter_column("mailboxes", "is_mirrored", server_default=None)
    op.add_column("accounts", sa.Column("recovered_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("accounts", "recovered_at")
    op.drop_column("mailboxes", "is_mirrored")
    op.drop_column("mailboxes", "unfetched_since")
