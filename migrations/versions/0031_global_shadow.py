"""Global mailboxes in shadow: what the system says of it, and since when automation acts again."""

import sqlalchemy as sa
from alembic import op

from migrations.policies import open_to_the_owner

revision = "0031_global_shadow"
down_revision = "0030_storage_of_bytes"

_SAID = """'{"shadow": {"value": false, "by": "", "at": null}}'::jsonb"""


def upgrade() -> None:
    op.add_column("mailboxes", sa.Column("live_since", sa.DateTime(timezone=True), nullable=True))
    op.execute(f"UPDATE global_mailboxes SET values = values || {_SAID}")
    with open_to_the_owner("mailboxes"):
        op.execute(
            f"UPDATE mailboxes SET system_values = system_values || {_SAID}"
            " WHERE global_mailbox_id IS NOT NULL"
        )


def downgrade() -> None:
    """Nothing is locked any more; a mailbox in shadow stays so until its organization switches it live."""
    unlocked = "SELECT jsonb_object_agg(key, value - 'lock') FROM jsonb_each({}) WHERE key <> 'shadow'"
    op.execute(f"UPDATE global_mailboxes SET values = ({unlocked.format('values')})")
    with open_to_the_owner("mailboxes"):
        op.execute(
            f"UPDATE mailboxes SET system_values = ({unlocked.format('system_values')}),"
            " overrides = overrides - 'shadow' WHERE global_mailbox_id IS NOT NULL"
        )
    op.drop_column("mailboxes", "live_since")
