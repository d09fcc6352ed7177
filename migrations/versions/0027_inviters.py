"""An invitation knows who made it, so that it gives no more than they may give when it is accepted."""

import sqlalchemy as sa
from alembic import op

revision = "0027_inviters"
down_revision = "0026_deleted_organizations"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("invitations", sa.Column("invited_by_id", sa.Uuid(), nullable=True))


def downgrade() -> None:
    op.drop_column("invitations", "invited_by_id")
