"""What was told of an account, and when; what waits for other settings is a state; a spent budget is known."""

import sqlalchemy as sa
from alembic import op

revision = "0045_told_states"
down_revision = "0044_share_of_arrivals"

STATES = "('new', 'ok', 'failing', 'refused', 'misconfigured', 'disconnected')"
FORMER_STATES = "('new', 'ok', 'failing', 'refused', 'disconnected')"


def upgrade() -> None:
    op.add_column(
        "accounts", sa.Column("told_state", sa.Text(), nullable=False, server_default=sa.text("''"))
    )
    op.alter_column("accounts", "told_state", server_default=None)
    op.add_column("accounts", sa.Column("told_at", sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE accounts SET told_state = state WHERE told_since = failing_since")
    op.add_column("accounts", sa.Column("is_spent", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.alter_column("accounts", "is_spent", server_default=None)
    op.create_index("ix_accounts_spent", "accounts", ["id"], postgresql_where=sa.text("is_spent"))
    op.drop_constraint(op.f("ck_accounts_state"), "accounts")
    op.create_check_constraint(op.f("ck_accounts_state"), "accounts", f"state IN {STATES}")


def downgrade() -> None:
    op.drop_constraint(op.f("ck_accounts_state"), "accounts")
    op.execute("UPDATE accounts SET state = 'failing' WHERE state = 'misconfigured'")
    op.create_check_constraint(op.f("ck_accounts_state"), "accounts", f"state IN {FORMER_STATES}")
    for column in ("is_spent", "told_at", "told_state"):
        op.drop_column("accounts", column)
