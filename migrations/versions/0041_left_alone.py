"""Until when a folder is left alone whose server hangs in it."""

import sqlalchemy as sa
from alembic import op

revision = "0041_left_alone"
down_revision = "0040_new_since"


def upgrade() -> None:
    op.add_column("folders", sa.Column("left_alone_until", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("folders", "left_alone_until")
