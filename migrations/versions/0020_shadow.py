"""Mailboxes in shadow: automation is only thought of."""

import sqlalchemy as sa
from alembic import op

revision = "0020_shadow"
down_revision = "0019_quiet_accounts"


def upgrade() -> None:
    for table in ("mailboxes", "messages"):
        op.add_column(table, sa.Column("is_shadow", sa.Boolean(), nullable=False, server_default="false"))
        op.alter_column(table, "is_shadow", server_default=None)
    op.create_index(
        "ix_messages_shadow",
        "messages",
        ["organization_id", "mailbox_id", "id"],
        postgresql_where=sa.text("is_shadow"),
    )


def downgrade() -> None:
    op.drop_index("ix_messages_shadow", "messages")
    for table in ("mailboxes", "messages"):
        op.drop_column(table, "is_shadow")
