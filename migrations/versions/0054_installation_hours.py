"""Hours that are over are summed once for all accounts together."""

import sqlalchemy as sa
from alembic import op

from migrations.policies import keep_for_the_system

revision = "0054_installation_hours"
down_revision = "0053_possibly_ill"

COUNTS = ("new_count", "history_count", "timed_count", "delay_milliseconds")


def upgrade() -> None:
    op.create_table(
        "installation_hours",
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        *[sa.Column(name, sa.BigInteger(), nullable=False) for name in COUNTS],
        sa.PrimaryKeyConstraint("hour", name=op.f("pk_installation_hours")),
    )
    keep_for_the_system("installation_hours")


def downgrade() -> None:
    op.drop_table("installation_hours")
