"""A reading of an unstable folder that goes on knows which messages without content it has met."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0058_reread_met"
down_revision = "0057_untold"


def upgrade() -> None:
    empty = sa.text("'{}'::jsonb")
    op.add_column("folders", sa.Column("reread_met", JSONB(), nullable=False, server_default=empty))
    op.alter_column("folders", "reread_met", server_default=None)


def downgrade() -> None:
    op.drop_column("folders", "reread_met")
