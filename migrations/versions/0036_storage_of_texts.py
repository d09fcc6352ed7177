"""Texts of messages are stored as they come: compressing them took a third of the time to store a message.

They take more room on disk than before, and less than the raws beside them; nobody waits until they are unpacked.
"""

from alembic import op

revision = "0036_storage_of_texts"
down_revision = "0035_fewer_keys"

COLUMNS = ("text", "reply_text")


def upgrade() -> None:
    for column in COLUMNS:
        op.execute(f"ALTER TABLE messages ALTER COLUMN {column} SET STORAGE EXTERNAL")


def downgrade() -> None:
    """What is stored stays as it is; what comes from now on is compressed again."""
    for column in COLUMNS:
        op.execute(f"ALTER TABLE messages ALTER COLUMN {column} SET STORAGE EXTENDED")
