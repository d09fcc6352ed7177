"""What somebody has marked unread is taken back on the server, where the read state is mirrored."""

import sqlalchemy as sa
from alembic import op

revision = "0022_unread_to_mirror"
down_revision = "0021_oauth_connections"


def upgrade() -> None:
    op.add_column("messages", sa.Column("unread_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_messages_unread_at",
        "messages",
        ["organization_id", "mailbox_id"],
        postgresql_where=sa.text("unread_at IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_messages_unread_at", "messages")
    op.drop_column("messages", "unread_at")
