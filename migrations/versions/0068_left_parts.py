"""A message that moves remembers the part of a split conversation that it left, so that it comes back to that."""

import sqlalchemy as sa
from alembic import op

revision = "0068_left_parts"
down_revision = "0067_remarks"

COLUMNS = ("left_part_id", "left_family")


def upgrade() -> None:
    for column in COLUMNS:
        op.add_column("routings", sa.Column(column, sa.Uuid(), nullable=True))


def downgrade() -> None:
    for column in COLUMNS:
        op.drop_column("routings", column)
