"""An arrival that was not in its folder yet at an earlier look says so: the server's clock may be behind."""

import sqlalchemy as sa
from alembic import op

revision = "0069_came_since"
down_revision = "0068_left_parts"


def upgrade() -> None:
    op.add_column("arrivals", sa.Column("came_since", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("arrivals", "came_since")
