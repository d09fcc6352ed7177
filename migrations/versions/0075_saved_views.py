"""Searches are kept under a name, by a member or for everybody."""

import sqlalchemy as sa
from alembic import op

from migrations.policies import protect

revision = "0075_saved_views"
down_revision = "0074_tags"


def upgrade() -> None:
    op.create_table(
        "saved_views",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("membership_id", sa.Uuid(), nullable=True),
        sa.Column("mailbox_id", sa.Uuid(), nullable=True),
        sa.Column("view", sa.Text(), nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_saved_views_organization_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "membership_id"],
            ["memberships.organization_id", "memberships.id"],
            name=op.f("fk_saved_views_organization_id_membership_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "mailbox_id"],
            ["mailboxes.organization_id", "mailboxes.id"],
            name=op.f("fk_saved_views_organization_id_mailbox_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_saved_views")),
    )
    op.create_index(
        "uq_saved_views_own",
        "saved_views",
        ["organization_id", "membership_id", sa.text("lower(name)")],
        unique=True,
        postgresql_where=sa.text("membership_id IS NOT NULL"),
    )
    op.create_index(
        "uq_saved_views_shared",
        "saved_views",
        ["organization_id", sa.text("lower(name)")],
        unique=True,
        postgresql_where=sa.text("membership_id IS NULL"),
    )
    protect("saved_views")


def downgrade() -> None:
    op.drop_table("saved_views")
