"""What is held back may be dismissed: it leaves the list and the counts, and stays."""

import sqlalchemy as sa
from alembic import op

revision = "0048_dismissed"
down_revision = "0047_reused_uids"


def upgrade() -> None:
    op.add_column("arrivals", sa.Column("dismissed_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("arrivals", "dismissed_at")
