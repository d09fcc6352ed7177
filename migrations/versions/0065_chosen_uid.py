"""A folder knows which UID was the next one when it was chosen; of those that are there, dates tell, as before."""

import sqlalchemy as sa
from alembic import op

revision = "0065_chosen_uid"
down_revision = "0064_junk"

COLUMNS = ("chosen_uid", "chosen_validity")


def upgrade() -> None:
    for column in COLUMNS:
        op.add_column("folders", sa.Column(column, sa.BigInteger(), nullable=True))


def downgrade() -> None:
    for column in COLUMNS:
        op.drop_column("folders", column)
