"""Addresses are proven by a link that is mailed to them."""

import sqlalchemy as sa
from alembic import op

from migrations.policies import protect

revision = "0023_address_proofs"
down_revision = "0022_unread_to_mirror"
branch_labels = None
depends_on = None

OWNER = "coalesce(organization_id, '00000000-0000-0000-0000-000000000000'::uuid)"
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "address_proofs",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=True),
        sa.Column("asked_at", MOMENT, nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("confirmed_at", MOMENT, nullable=True),
        sa.Column("confirmed_by", sa.Text(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), sa.Computed(OWNER, persisted=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name="fk_address_proofs_organization_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["owner_id", "account_id"],
            ["accounts.owner_id", "accounts.id"],
            name="fk_address_proofs_owner_id_account_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_address_proofs"),
        sa.UniqueConstraint(
            "owner_id", "account_id", "address", name="uq_address_proofs_owner_id_account_id_address"
        ),
        sa.UniqueConstraint("owner_id", "token_hash", name="uq_address_proofs_owner_id_token_hash"),
    )
    protect("address_proofs")


def downgrade() -> None:
    op.drop_table("address_proofs")
