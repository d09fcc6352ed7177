"""A message that could not be fetched, or is too large, may be wanted all the same."""

import sqlalchemy as sa
from alembic import op

revision = "0018_refetching"
down_revision = "0017_moves"


def upgrade() -> None:
    op.add_column("arrivals", sa.Column("is_wanted", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.alter_column("arrivals", "is_wanted", server_default=None)
    op.create_index(
        "ix_arrivals_missing",
        "arrivals",
        ["folder_id", "uid"],
        postgresql_where=sa.text("state IN ('too_large', 'unfetchable')"),
    )


def downgrade() -> None:
    op.drop_index("ix_arrivals_missing", "arrivals")
    op.drop_column("arrivals", "is_wanted")
