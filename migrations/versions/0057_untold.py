"""What a server ends the connection over is asked for once a day."""

import sqlalchemy as sa
from alembic import op

revision = "0057_untold"
down_revision = "0056_given_up"

COLUMNS = (("folders", "changes_untold_at"), ("arrivals", "flags_untold_at"))


def upgrade() -> None:
    for table, column in COLUMNS:
        op.add_column(table, sa.Column(column, sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    for table, column in COLUMNS:
        op.drop_column(table, column)
