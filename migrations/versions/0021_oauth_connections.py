"""Accounts at Google and Microsoft are connected without a password."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.policies import protect

revision = "0021_oauth_connections"
down_revision = "0020_shadow"
branch_labels = None
depends_on = None

OWNER = "coalesce(organization_id, '00000000-0000-0000-0000-000000000000'::uuid)"
STATES = "('new', 'ok', 'failing', 'refused', 'disconnected')"
FORMER_STATES = "('new', 'ok', 'failing', 'refused')"
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column(
        "accounts", sa.Column("connected_as", sa.Text(), nullable=False, server_default=sa.text("''"))
    )
    op.alter_column("accounts", "connected_as", server_default=None)
    op.add_column("accounts", sa.Column("told_since", MOMENT, nullable=True))
    op.drop_constraint(op.f("ck_accounts_state"), "accounts")
    op.create_check_constraint(op.f("ck_accounts_state"), "accounts", f"state IN {STATES}")
    op.create_table(
        "oauth_connections",
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("session_hash", sa.LargeBinary(), nullable=True),
        sa.Column("state_hash", sa.LargeBinary(), nullable=True),
        sa.Column("verifier_secret", sa.LargeBinary(), nullable=True),
        sa.Column("for_account_id", sa.Uuid(), nullable=True),
        sa.Column("typed", postgresql.JSONB(), nullable=False),
        sa.Column("asked_at", MOMENT, nullable=False),
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("access_secret", sa.LargeBinary(), nullable=True),
        sa.Column("refresh_secret", sa.LargeBinary(), nullable=True),
        sa.Column("expires_at", MOMENT, nullable=True),
        sa.Column("refreshed_at", MOMENT, nullable=True),
        sa.Column("connected_at", MOMENT, nullable=True),
        sa.Column("connected_by", sa.Text(), nullable=False),
        sa.Column("failure_count", sa.BigInteger(), nullable=False),
        sa.Column("next_attempt_at", MOMENT, nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), sa.Computed(OWNER, persisted=True), nullable=False),
        sa.CheckConstraint("state IN ('asked', 'connected', 'ended')", name="ck_oauth_connections_state"),
        sa.CheckConstraint("kind IN ('google', 'microsoft')", name="ck_oauth_connections_kind"),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name="fk_oauth_connections_organization_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["owner_id", "account_id"],
            ["accounts.owner_id", "accounts.id"],
            name="fk_oauth_connections_owner_id_account_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["owner_id", "for_account_id"],
            ["accounts.owner_id", "accounts.id"],
            name="fk_oauth_connections_owner_id_for_account_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_oauth_connections"),
    )
    for column in ("account_id", "state_hash"):
        op.create_index(
            f"uq_oauth_connections_{column}", "oauth_connections", ["owner_id", column], unique=True
        )
    protect("oauth_connections")


def downgrade() -> None:
    op.drop_table("oauth_connections")
    op.execute("SET LOCAL ROLE postroom_system")
    op.execute("UPDATE accounts SET state = 'refused' WHERE state = 'disconnected'")
    op.execute("RESET ROLE")
    op.drop_constraint(op.f("ck_accounts_state"), "accounts")
    op.create_check_constraint(op.f("ck_accounts_state"), "accounts", f"state IN {FORMER_STATES}")
    op.drop_column("accounts", "told_since")
    op.drop_column("accounts", "connected_as")
