"""A folder knows which UID was the next one at its last visit; an account, when its server told of all wrongly."""

import sqlalchemy as sa
from alembic import op

revision = "0076_statuses"
down_revision = "0075_saved_views"


def upgrade() -> None:
    op.add_column("folders", sa.Column("uid_next", sa.BigInteger(), nullable=True))
    op.add_column("accounts", sa.Column("statuses_untold_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("accounts", "statuses_untold_at")
    op.drop_column("folders", "uid_next")
