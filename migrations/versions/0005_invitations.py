"""People are invited by a link, and may be asked for a second factor."""

import sqlalchemy as sa
from alembic import op

from migrations.policies import open_to_roles, protect

revision = "0005_invitations"
down_revision = "0004_lasting_conversions"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "invitations",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("role_ids", sa.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("invited_by", sa.Text(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name="fk_invitations_organization_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name="pk_invitations"),
        sa.UniqueConstraint(
            "organization_id", "token_hash", name="uq_invitations_organization_id_token_hash"
        ),
    )
    protect("invitations")
    op.create_table(
        "second_factors",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_step", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_second_factors_user_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", name="pk_second_factors"),
    )
    open_to_roles("second_factors")
    op.add_column(
        "sign_ins", sa.Column("needs_code", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.alter_column("sign_ins", "needs_code", server_default=None)


def downgrade() -> None:
    op.drop_column("sign_ins", "needs_code")
    op.drop_table("second_factors")
    op.drop_table("invitations")
