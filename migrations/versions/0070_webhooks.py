"""Organizations' own programs are told of what happens."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from migrations.policies import protect

revision = "0070_webhooks"
down_revision = "0069_came_since"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "webhooks",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("kinds", ARRAY(sa.Text()), nullable=False),
        sa.Column("is_everywhere", sa.Boolean(), nullable=False),
        sa.Column("has_text", sa.Boolean(), nullable=False),
        sa.Column("paused_because", sa.Text(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("former_secret", sa.LargeBinary(), nullable=True),
        sa.Column("former_until", MOMENT, nullable=True),
        sa.Column("failure_count", sa.BigInteger(), nullable=False),
        sa.Column("failing_since", MOMENT, nullable=True),
        sa.Column("quiet_until", MOMENT, nullable=True),
        sa.Column("told_at", MOMENT, nullable=True),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.CheckConstraint(
            "paused_because IN ('', 'person', 'gone', 'failing')", name=op.f("ck_webhooks_paused_because")
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_webhooks_organization_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_webhooks")),
        sa.UniqueConstraint("organization_id", "name", name=op.f("uq_webhooks_organization_id_name")),
    )
    protect("webhooks")
    op.create_table(
        "webhook_mailboxes",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("webhook_id", sa.Uuid(), nullable=False),
        sa.Column("mailbox_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_webhook_mailboxes_organization_id"),
            ondelete="CASCADE",
        ),
        _key("webhook_mailboxes", "webhook_id", "webhooks"),
        _key("webhook_mailboxes", "mailbox_id", "mailboxes"),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_webhook_mailboxes")),
        sa.UniqueConstraint(
            "organization_id",
            "webhook_id",
            "mailbox_id",
            name=op.f("uq_webhook_mailboxes_organization_id_webhook_id_mailbox_id"),
        ),
    )
    op.create_index("ix_webhook_mailboxes_mailbox_id", "webhook_mailboxes", ["organization_id", "mailbox_id"])
    protect("webhook_mailboxes")
    op.create_table(
        "webhook_calls",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("webhook_id", sa.Uuid(), nullable=False),
        sa.Column("mailbox_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("details", JSONB(), nullable=False),
        sa.Column("occurred_at", MOMENT, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("next_attempt_at", MOMENT, nullable=False),
        sa.Column("give_up_at", MOMENT, nullable=False),
        sa.Column("attempted_at", MOMENT, nullable=True),
        sa.Column("status", sa.BigInteger(), nullable=True),
        sa.Column("milliseconds", sa.BigInteger(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.CheckConstraint("state IN ('waiting', 'told', 'failed')", name=op.f("ck_webhook_calls_state")),
        _key("webhook_calls", "webhook_id", "webhooks"),
        _key("webhook_calls", "mailbox_id", "mailboxes"),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_webhook_calls")),
    )
    op.create_index(
        "ix_webhook_calls_log", "webhook_calls", ["organization_id", "webhook_id", "occurred_at", "id"]
    )
    op.create_index("ix_webhook_calls_mailbox_id", "webhook_calls", ["organization_id", "mailbox_id"])
    op.create_index(
        "ix_webhook_calls_due",
        "webhook_calls",
        ["organization_id", "webhook_id", "next_attempt_at"],
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_index(
        "ix_webhook_calls_tests",
        "webhook_calls",
        ["organization_id", "webhook_id"],
        postgresql_where=sa.text("state = 'waiting' AND kind = 'webhook.test'"),
    )
    protect("webhook_calls")


def _key(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["organization_id", column],
        [f"{target}.organization_id", f"{target}.id"],
        name=op.f(f"fk_{table}_organization_id_{column}"),
        ondelete="CASCADE",
    )


def downgrade() -> None:
    for table in ("webhook_calls", "webhook_mailboxes", "webhooks"):
        op.drop_table(table)
