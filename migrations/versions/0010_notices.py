"""Notices: mail of the system itself, waiting to be sent."""

import sqlalchemy as sa
from alembic import op

from migrations.policies import protect

revision = "0010_notices"
down_revision = "0009_delivery_of_global_accounts"

OWNER = "coalesce(organization_id, '00000000-0000-0000-0000-000000000000'::uuid)"
STATES = "('ready', 'claimed', 'committing', 'sent', 'failed', 'unknown', 'cancelled')"


def upgrade() -> None:
    op.create_table(
        "notices",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("about_id", sa.Uuid(), nullable=True),
        sa.Column("once", sa.Text(), nullable=True),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("give_up_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("claim_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("organization_id", sa.Uuid(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), sa.Computed(OWNER, persisted=True), nullable=False),
        sa.CheckConstraint(f"state IN {STATES}", name="ck_notices_state"),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name="fk_notices_organization_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_notices"),
    )
    op.create_index("uq_notices_once", "notices", ["owner_id", "once"], unique=True)
    op.create_index("ix_notices_about_id", "notices", ["owner_id", "about_id"])
    op.create_index(
        "ix_notices_due",
        "notices",
        ["next_attempt_at"],
        postgresql_where=sa.text("state IN ('ready', 'claimed', 'committing')"),
    )
    protect("notices")


def downgrade() -> None:
    op.drop_table("notices")
