"""Mailboxes that need attention are found by indexes, however many are well.

Quiet that is over is forgotten, so that accounts which are well again are no longer looked at.
"""

import sqlalchemy as sa
from alembic import op

from migrations.policies import open_to_the_owner

revision = "0053_possibly_ill"
down_revision = "0052_reread"

MAY_BE_ILL = (
    "state = ANY (ARRAY['disconnected'::text, 'refused'::text, 'misconfigured'::text, 'failing'::text])"
    " OR quiet_until IS NOT NULL OR NOT is_enabled OR NOT (imap_enabled OR smtp_enabled)"
)


def upgrade() -> None:
    with open_to_the_owner("accounts"):
        op.execute("UPDATE accounts SET quiet_until = NULL WHERE state = 'ok' AND quiet_until < now()")
    op.add_column(
        "accounts",
        sa.Column("may_be_ill", sa.Boolean(), sa.Computed(MAY_BE_ILL, persisted=True), nullable=False),
    )
    op.create_index(
        "ix_accounts_may_be_ill",
        "accounts",
        ["organization_id", "id"],
        postgresql_where=sa.text("may_be_ill"),
    )
    op.create_index(
        "ix_mailboxes_unfetched",
        "mailboxes",
        ["organization_id"],
        postgresql_where=sa.text("unfetched_since IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_mailboxes_unfetched", "mailboxes")
    op.drop_column("accounts", "may_be_ill")
