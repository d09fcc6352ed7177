"""From when on mail of a folder is new, kept with each folder instead of once for its account."""

import sqlalchemy as sa
from alembic import op

from migrations.policies import open_to_the_owner

revision = "0040_new_since"
down_revision = "0039_attachments_without_digest"


def upgrade() -> None:
    op.add_column("folders", sa.Column("new_since", sa.DateTime(timezone=True), nullable=True))
    with open_to_the_owner("accounts", "folders"):
        # As it was told until now: from an hour before the account was last read whole; where it never was,
        # from its beginning. A folder that was not read yet begins today.
        op.execute(
            """
            UPDATE folders f SET new_since = CASE
              WHEN a.whole_at IS NULL
                THEN greatest(a.created_at, coalesce(a.failing_since, now()) - interval '1 hour')
              WHEN f.uid_validity IS NULL AND f.compared_at IS NULL THEN now()
              ELSE a.whole_at - interval '1 hour' END
            FROM accounts a WHERE a.id = f.account_id
            """
        )
    op.alter_column("folders", "new_since", nullable=False)
    op.drop_column("accounts", "whole_at")


def downgrade() -> None:
    op.add_column("accounts", sa.Column("whole_at", sa.DateTime(timezone=True), nullable=True))
    with open_to_the_owner("accounts", "folders"):
        op.execute(
            """
            UPDATE accounts a SET whole_at = least(a.synced_at, (
              SELECT min(f.new_since) + interval '1 hour' FROM folders f
              WHERE f.account_id = a.id AND f.is_synced AND f.left_at IS NULL))
            WHERE a.synced_at IS NOT NULL
            """
        )
    op.drop_column("folders", "new_since")
