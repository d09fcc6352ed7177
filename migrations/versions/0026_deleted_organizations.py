"""Organizations may be deleted: marked first, then gone a turn at a time."""

import sqlalchemy as sa
from alembic import op

revision = "0026_deleted_organizations"
down_revision = "0025_ended_threads"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("organizations", sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("organizations", sa.Column("deleted_by", sa.Text(), nullable=False, server_default=""))
    op.alter_column("organizations", "deleted_by", server_default=None)


def downgrade() -> None:
    op.drop_column("organizations", "deleted_by")
    op.drop_column("organizations", "deleted_at")
