"""The UIDVALIDITY of a new folder, by which one that is gone may be known under its new name."""

import sqlalchemy as sa
from alembic import op

revision = "0051_new_names"
down_revision = "0050_unfetched_since"


def upgrade() -> None:
    op.add_column("folders", sa.Column("listed_validity", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.drop_column("folders", "listed_validity")
