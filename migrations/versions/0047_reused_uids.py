"""Where the comparison of a folder's UIDs, which its server may have given to other messages, goes on."""

import sqlalchemy as sa
from alembic import op

revision = "0047_reused_uids"
down_revision = "0046_deaths"


def upgrade() -> None:
    op.add_column("folders", sa.Column("reused_uid", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    """What was not compared yet is so when the server next counts from a lower UID."""
    op.drop_column("folders", "reused_uid")
