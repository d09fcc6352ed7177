"""Reads are found by their time, to be mirrored on servers."""

from alembic import op

revision = "0007_reads_to_mirror"
down_revision = "0006_search_by_frequency"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_message_reads_read_at", "message_reads", ["organization_id", "read_at"])


def downgrade() -> None:
    op.drop_index("ix_message_reads_read_at", table_name="message_reads")
