"""Folders know where the chosen history begins; pending arrivals are found newest lane first."""

import sqlalchemy as sa
from alembic import op

revision = "0003_history_floor"
down_revision = "0002_my_emails"
branch_labels = None
depends_on = None

PENDING = sa.text("state = 'stored'")


def upgrade() -> None:
    op.add_column("folders", sa.Column("history_floor", sa.BigInteger(), nullable=True))
    op.drop_index("ix_arrivals_pending", table_name="arrivals", postgresql_where=PENDING)
    op.create_index(
        "ix_arrivals_pending", "arrivals", ["account_id", "is_history", "id"], postgresql_where=PENDING
    )


def downgrade() -> None:
    op.drop_index("ix_arrivals_pending", table_name="arrivals", postgresql_where=PENDING)
    op.create_index("ix_arrivals_pending", "arrivals", ["account_id", "id"], postgresql_where=PENDING)
    op.drop_column("folders", "history_floor")
