"""Tokens of the API, and the permission to make them, which administrators hold."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

from migrations.policies import open_to_the_owner, protect

revision = "0077_api_tokens"
down_revision = "0076_statuses"

MANAGES = "'api_token.manage'"


def upgrade() -> None:
    op.create_table(
        "api_tokens",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("membership_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("scopes", ARRAY(sa.Text()), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_api_tokens_organization_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "membership_id"],
            ["memberships.organization_id", "memberships.id"],
            name=op.f("fk_api_tokens_organization_id_membership_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_api_tokens")),
        sa.UniqueConstraint(
            "organization_id", "token_hash", name=op.f("uq_api_tokens_organization_id_token_hash")
        ),
    )
    op.create_index("ix_api_tokens_membership", "api_tokens", ["organization_id", "membership_id"])
    op.create_table(
        "api_requests",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("token_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        sa.Column("made_id", sa.Uuid(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_api_requests_organization_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "token_id"],
            ["api_tokens.organization_id", "api_tokens.id"],
            name=op.f("fk_api_requests_organization_id_token_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_api_requests")),
        sa.UniqueConstraint(
            "organization_id", "token_id", "key", name=op.f("uq_api_requests_organization_id_token_id_key")
        ),
    )
    for table in ("api_tokens", "api_requests"):
        protect(table)
    with open_to_the_owner("roles"):
        op.execute(
            f"UPDATE roles SET permissions = array_append(permissions, {MANAGES})"
            f" WHERE system_key = 'administrator' AND NOT {MANAGES} = ANY (permissions)"
        )


def downgrade() -> None:
    with open_to_the_owner("roles"):
        op.execute(f"UPDATE roles SET permissions = array_remove(permissions, {MANAGES})")
    for table in ("api_requests", "api_tokens"):
        op.drop_table(table)
