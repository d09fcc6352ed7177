"""How many messages of a folder whose UIDs mean nothing have been read anew: the next pass goes on there."""

import sqlalchemy as sa
from alembic import op

revision = "0052_reread"
down_revision = "0051_new_names"


def upgrade() -> None:
    op.add_column("folders", sa.Column("reread_count", sa.BigInteger(), nullable=False, server_default="0"))
    op.alter_column("folders", "reread_count", server_default=None)


def downgrade() -> None:
    op.drop_column("folders", "reread_count")
