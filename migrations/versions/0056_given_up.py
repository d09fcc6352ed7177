"""Messages that could not be acted upon are found without reading all, and say so in a sentence.

What an error said is replaced: it may quote the message, and is shown now.
"""

import sqlalchemy as sa
from alembic import op

from migrations.policies import open_to_the_owner

revision = "0056_given_up"
down_revision = "0055_outside_marks"

IS_GIVEN_UP = sa.text("work = 'none' AND work_error <> ''")


def upgrade() -> None:
    with open_to_the_owner("messages"):
        op.execute(f"UPDATE messages SET work_error = 'Each attempt has failed.' WHERE {IS_GIVEN_UP}")
    op.create_index(
        "ix_messages_given_up",
        "messages",
        ["organization_id", "arrived_at", "id"],
        postgresql_where=IS_GIVEN_UP,
    )


def downgrade() -> None:
    op.drop_index("ix_messages_given_up", table_name="messages", postgresql_where=IS_GIVEN_UP)
