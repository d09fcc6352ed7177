"""A message that was routed wrongly moves: since when it is leaving an organization."""

import sqlalchemy as sa
from alembic import op

revision = "0017_moves"
down_revision = "0016_password_links"


def upgrade() -> None:
    op.drop_index("ix_routings_under_way", "routings")
    op.drop_column("routings", "leaving_to")
    op.add_column("routings", sa.Column("leaving_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_routings_leaving", "routings", ["account_id"], postgresql_where=sa.text("leaving_at IS NOT NULL")
    )


def downgrade() -> None:
    op.drop_index("ix_routings_leaving", "routings")
    op.drop_column("routings", "leaving_at")
    op.add_column("routings", sa.Column("leaving_to", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        "fk_routings_leaving_to", "routings", "organizations", ["leaving_to"], ["id"], ondelete="SET NULL"
    )
    op.create_index(
        "ix_routings_under_way",
        "routings",
        ["account_id"],
        postgresql_where=sa.text("leaving_to IS NOT NULL"),
    )
