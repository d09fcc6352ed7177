"""Members say which mailboxes they follow, and of which they get a digest."""

import sqlalchemy as sa
from alembic import op

from migrations.policies import protect

revision = "0078_subscriptions"
down_revision = "0077_api_tokens"


def upgrade() -> None:
    op.create_table(
        "subscriptions",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("membership_id", sa.Uuid(), nullable=False),
        sa.Column("mailbox_id", sa.Uuid(), nullable=False),
        sa.Column("is_followed", sa.Boolean(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("told_through", sa.Uuid(), nullable=True),
        sa.CheckConstraint(
            "digest IN ('never', 'daily', 'working_days')", name=op.f("ck_subscriptions_digest")
        ),
        sa.CheckConstraint("(digest = 'never') = (due_at IS NULL)", name=op.f("ck_subscriptions_due")),
        sa.CheckConstraint("(digest = 'never') = (told_through IS NULL)", name=op.f("ck_subscriptions_told")),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_subscriptions_organization_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "mailbox_id"],
            ["mailboxes.organization_id", "mailboxes.id"],
            name=op.f("fk_subscriptions_organization_id_mailbox_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "membership_id"],
            ["memberships.organization_id", "memberships.id"],
            name=op.f("fk_subscriptions_organization_id_membership_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_subscriptions")),
        sa.UniqueConstraint(
            "organization_id",
            "membership_id",
            "mailbox_id",
            name=op.f("uq_subscriptions_organization_id_membership_id_mailbox_id"),
        ),
    )
    op.create_index("ix_subscriptions_mailbox", "subscriptions", ["organization_id", "mailbox_id"])
    op.create_index(
        "ix_subscriptions_due", "subscriptions", ["due_at"], postgresql_where=sa.text("due_at IS NOT NULL")
    )
    protect("subscriptions")


def downgrade() -> None:
    op.drop_table("subscriptions")
