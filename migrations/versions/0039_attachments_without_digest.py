"""Nobody asks for the digest of an attachment, and making it meant to decode each file when its message came."""

import sqlalchemy as sa
from alembic import op

revision = "0039_attachments_without_digest"
down_revision = "0038_read_whole"


def upgrade() -> None:
    op.drop_column("attachments", "sha256")


def downgrade() -> None:
    """What is stored has none any more."""
    op.add_column("attachments", sa.Column("sha256", sa.Text(), nullable=False, server_default=""))
    op.alter_column("attachments", "sha256", server_default=None)
