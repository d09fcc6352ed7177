"""A message that moves remembers which conversations it has ended, so that answers follow it back too."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0025_ended_threads"
down_revision = "0024_mailboxes_by_label"
branch_labels = None
depends_on = None


def upgrade() -> None:
    column = sa.Column(
        "left_thread_ids", postgresql.ARRAY(sa.Uuid()), nullable=False, server_default=sa.text("'{}'")
    )
    op.add_column("routings", column)
    op.alter_column("routings", "left_thread_ids", server_default=None)


def downgrade() -> None:
    op.drop_column("routings", "left_thread_ids")
