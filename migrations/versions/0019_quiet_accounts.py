"""A server that asks to be left alone is, and what was fetched from it in a day is counted."""

import sqlalchemy as sa
from alembic import op

revision = "0019_quiet_accounts"
down_revision = "0018_refetching"


def upgrade() -> None:
    op.add_column("accounts", sa.Column("quiet_until", sa.DateTime(timezone=True), nullable=True))
    op.add_column("accounts", sa.Column("fetched_on", sa.Date(), nullable=True))
    op.add_column("accounts", sa.Column("fetched_bytes", sa.BigInteger(), nullable=False, server_default="0"))
    op.alter_column("accounts", "fetched_bytes", server_default=None)


def downgrade() -> None:
    for column in ("fetched_bytes", "fetched_on", "quiet_until"):
        op.drop_column("accounts", column)
