"""Codes for who has lost the app of their second factor."""

import sqlalchemy as sa
from alembic import op

from migrations.policies import open_to_roles

revision = "0071_recovery_codes"
down_revision = "0070_webhooks"


def upgrade() -> None:
    op.create_table(
        "recovery_codes",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["second_factors.user_id"],
            name=op.f("fk_recovery_codes_user_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("user_id", "code_hash", name=op.f("pk_recovery_codes")),
    )
    open_to_roles("recovery_codes")


def downgrade() -> None:
    op.drop_table("recovery_codes")
