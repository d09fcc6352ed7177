"""When the pass began that visited a folder last: who has waited longest has the next turn."""

import sqlalchemy as sa
from alembic import op

revision = "0043_turns"
down_revision = "0042_arrivals_in_place"


def upgrade() -> None:
    op.add_column("folders", sa.Column("visited_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("folders", "visited_at")
