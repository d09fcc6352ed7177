"""When every folder of an account was last read, apart from when its last pass went well."""

import sqlalchemy as sa
from alembic import op

from migrations.policies import open_to_the_owner

revision = "0038_read_whole"
down_revision = "0037_offered_attachments"


def upgrade() -> None:
    op.add_column("accounts", sa.Column("whole_at", sa.DateTime(timezone=True), nullable=True))
    with open_to_the_owner("accounts"):
        op.execute("UPDATE accounts SET whole_at = synced_at")


def downgrade() -> None:
    op.drop_column("accounts", "whole_at")
