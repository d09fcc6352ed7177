"""Lists that few conversations are in: sent ones, linked ones, with attachments, in other folders."""

import sqlalchemy as sa
from alembic import op

revision = "0008_lists_by_place"
down_revision = "0007_reads_to_mirror"


def upgrade() -> None:
    op.create_index(
        "ix_threads_sent",
        "threads",
        ["organization_id", "mailbox_id", "last_at", "id"],
        postgresql_where=sa.text("outgoing_count > 0"),
    )
    op.create_index(
        "ix_threads_with_attachments",
        "threads",
        ["organization_id", "mailbox_id", "last_at", "id"],
        postgresql_where=sa.text("has_attachments"),
    )
    op.create_index(
        "ix_threads_linked",
        "threads",
        ["organization_id", "linked_thread_id"],
        postgresql_where=sa.text("linked_thread_id IS NOT NULL"),
    )
    op.create_index(
        "ix_messages_elsewhere",
        "messages",
        ["organization_id", "mailbox_id", "box", "shown_at", "id"],
        postgresql_where=sa.text("box NOT IN ('inbox', 'sent')"),
    )


def downgrade() -> None:
    op.drop_index("ix_messages_elsewhere", "messages")
    op.drop_index("ix_threads_linked", "threads")
    op.drop_index("ix_threads_with_attachments", "threads")
    op.drop_index("ix_threads_sent", "threads")
