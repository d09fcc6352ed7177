"""Conversations are put away until a time."""

import sqlalchemy as sa
from alembic import op

revision = "0073_snoozes"
down_revision = "0072_identities"


def upgrade() -> None:
    op.add_column("threads", sa.Column("snoozed_until", sa.DateTime(timezone=True), nullable=True))
    op.create_check_constraint(
        op.f("ck_threads_snoozed_until"), "threads", "snoozed_until IS NULL OR status <> 'done'"
    )
    is_set = sa.text("snoozed_until IS NOT NULL")
    columns = ["organization_id", "mailbox_id", "snoozed_until", "id"]
    op.create_index("ix_threads_snoozed", "threads", columns, postgresql_where=is_set)
    op.create_index("ix_threads_back", "threads", ["snoozed_until"], postgresql_where=is_set)


def downgrade() -> None:
    op.drop_index("ix_threads_back", "threads")
    op.drop_index("ix_threads_snoozed", "threads")
    op.drop_constraint(op.f("ck_threads_snoozed_until"), "threads", type_="check")
    op.drop_column("threads", "snoozed_until")
