"""A conversion outlives its message: what retention removed and the server shows again is not new.

Runs while the previous version of the code still serves: no lock for more than seconds.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004_lasting_conversions"
down_revision = "0003_history_floor"
branch_labels = None
depends_on = None

KEY = "fk_conversions_organization_id_message_id"
COLUMNS = ["organization_id", "message_id"]


def upgrade() -> None:
    op.alter_column("conversions", "message_id", existing_type=sa.Uuid(), nullable=True)
    op.drop_constraint(KEY, "conversions", type_="foreignkey")
    op.create_foreign_key(
        KEY, "conversions", "messages", COLUMNS, ["organization_id", "id"], ondelete="SET NULL (message_id)"
    )
    op.create_index("ix_conversions_record_id", "conversions", ["organization_id", "record_id"])


def downgrade() -> None:
    op.drop_index("ix_conversions_record_id", "conversions")
    op.drop_constraint(KEY, "conversions", type_="foreignkey")
    op.execute("DELETE FROM conversions WHERE message_id IS NULL")
    op.create_foreign_key(KEY, "conversions", "messages", COLUMNS, ["organization_id", "id"])
    op.alter_column("conversions", "message_id", existing_type=sa.Uuid(), nullable=False)
