"""Where the daily look at the flags of all messages of a folder goes on."""

import sqlalchemy as sa
from alembic import op

revision = "0032_place_among_flags"
down_revision = "0031_global_shadow"


def upgrade() -> None:
    op.add_column("folders", sa.Column("flags_uid", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    """What was not asked about yet is asked about with the next daily look."""
    op.drop_column("folders", "flags_uid")
