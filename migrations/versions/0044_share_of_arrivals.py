"""The share of an arrival is a column, and the next batch of one is found by an index, however much waits.

What waits already stays in the first share, and is delivered by whoever has that one.
"""

import sqlalchemy as sa
from alembic import op

revision = "0044_share_of_arrivals"
down_revision = "0043_turns"

NAME, TABLE, WAITS = "ix_arrivals_pending", "arrivals", sa.text("state = 'stored'")


def upgrade() -> None:
    op.add_column(TABLE, sa.Column("share", sa.BigInteger(), server_default="0", nullable=False))
    op.alter_column(TABLE, "share", server_default=None)
    op.drop_index(NAME, TABLE)
    op.create_index(NAME, TABLE, ["account_id", "share", "is_history", "id"], postgresql_where=WAITS)


def downgrade() -> None:
    op.drop_index(NAME, TABLE)
    op.create_index(NAME, TABLE, ["account_id", "is_history", "id"], postgresql_where=WAITS)
    op.drop_column(TABLE, "share")
