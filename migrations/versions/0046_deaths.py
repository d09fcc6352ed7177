"""How many passes over an account ended with their process, in a row."""

import sqlalchemy as sa
from alembic import op

revision = "0046_deaths"
down_revision = "0045_told_states"


def upgrade() -> None:
    op.add_column("accounts", sa.Column("death_count", sa.BigInteger(), nullable=False, server_default="0"))
    op.alter_column("accounts", "death_count", server_default=None)


def downgrade() -> None:
    op.drop_column("accounts", "death_count")
