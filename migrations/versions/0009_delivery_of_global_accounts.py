"""How a global account delivers: each message to one organization, or a copy to each."""

import sqlalchemy as sa
from alembic import op

revision = "0009_delivery_of_global_accounts"
down_revision = "0008_lists_by_place"


def upgrade() -> None:
    op.add_column("accounts", sa.Column("delivery_mode", sa.Text(), nullable=False, server_default="routed"))
    op.alter_column("accounts", "delivery_mode", server_default=None)
    op.create_check_constraint(
        op.f("ck_accounts_delivery_mode"), "accounts", "delivery_mode IN ('routed', 'copied')"
    )


def downgrade() -> None:
    op.drop_constraint(op.f("ck_accounts_delivery_mode"), "accounts")
    op.drop_column("accounts", "delivery_mode")
