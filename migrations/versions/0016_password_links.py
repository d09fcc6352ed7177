"""Links to a new password, an order for 50,000 users, and a record that nobody changes."""

import sqlalchemy as sa
from alembic import op

from migrations.policies import open_to_roles

revision = "0016_password_links"
down_revision = "0015_offers"

RECORDS = ("audit_entries", "system_audit_entries")


def upgrade() -> None:
    op.create_table(
        "password_links",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("token_hash", sa.LargeBinary(), nullable=True),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_password_links_user_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_password_links"),
        sa.UniqueConstraint("token_hash", name="uq_password_links_token_hash"),
    )
    op.create_index("ix_password_links_user_id", "password_links", ["user_id"])
    open_to_roles("password_links")
    op.create_index(
        "ix_users_shown_name", "users", [sa.text("lower(coalesce(nullif(name, ''), address))"), "id"]
    )
    for table in RECORDS:
        op.execute(f"REVOKE UPDATE, DELETE ON {table} FROM postroom_system")


def downgrade() -> None:
    for table in RECORDS:
        op.execute(f"GRANT UPDATE, DELETE ON {table} TO postroom_system")
    op.drop_index("ix_users_shown_name", "users")
    op.drop_table("password_links")
