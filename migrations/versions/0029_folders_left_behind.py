"""An account that goes to another server stays itself: only the folders of the former one are left."""

import sqlalchemy as sa
from alembic import op

revision = "0029_folders_left_behind"
down_revision = "0028_health"


def upgrade() -> None:
    op.add_column("folders", sa.Column("left_at", sa.DateTime(timezone=True), nullable=True))
    op.drop_constraint("uq_folders_account_id_name_raw", "folders")
    op.create_index(
        "uq_folders_account_id",
        "folders",
        ["account_id", "name_raw"],
        unique=True,
        postgresql_where=sa.text("left_at IS NULL"),
    )


def downgrade() -> None:
    """Folders that were left keep what arrived in them, under a name that no server has."""
    op.execute("UPDATE folders SET name_raw = convert_to(id::text, 'UTF8') WHERE left_at IS NOT NULL")
    op.drop_index("uq_folders_account_id", "folders")
    op.create_unique_constraint("uq_folders_account_id_name_raw", "folders", ["account_id", "name_raw"])
    op.drop_column("folders", "left_at")
