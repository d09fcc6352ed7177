"""Messages that could not be acted upon are found without reading all."""

import sqlalchemy as sa
from alembic import op

revision = "0056_given_up"
down_revision = "0055_outside_marks"

IS_GIVEN_UP = sa.text("work = 'none' AND work_error <> ''")


def upgrade() -> None:
    op.create_index(
        "ix_messages_given_up",
        "messages",
        ["organization_id", "arrived_at", "id"],
        postgresql_where=IS_GIVEN_UP,
    )


def downgrade() -> None:
    op.drop_index("ix_messages_given_up", table_name="messages", postgresql_where=IS_GIVEN_UP)
