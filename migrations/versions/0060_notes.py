"""Members write notes on conversations for one another."""

import sqlalchemy as sa
from alembic import op

from migrations.policies import protect

revision = "0060_notes"
down_revision = "0059_deleted_mailboxes"


def upgrade() -> None:
    op.create_table(
        "notes",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("thread_id", sa.Uuid(), nullable=False),
        sa.Column("author_id", sa.Uuid(), nullable=True),
        sa.Column("author_name", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id", "thread_id"],
            ["threads.organization_id", "threads.id"],
            name=op.f("fk_notes_organization_id_thread_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_notes")),
    )
    op.create_index("ix_notes_thread_id", "notes", ["organization_id", "thread_id", "written_at"])
    protect("notes")


def downgrade() -> None:
    op.drop_table("notes")
