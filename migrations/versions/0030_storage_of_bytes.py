"""What is compressed already, or hardly ever read, is stored as it comes: compressing it took processor time.

``raws.content`` is zstd. ``message_words.words`` is written once and looked for through its index; up to
8 KB it stays beside its key, since a row of its own in another table would cost more than the bytes.
"""

from alembic import op

revision = "0030_storage_of_bytes"
down_revision = "0029_folders_left_behind"


def upgrade() -> None:
    op.execute("ALTER TABLE raws ALTER COLUMN content SET STORAGE EXTERNAL")
    op.execute("ALTER TABLE message_words ALTER COLUMN words SET STORAGE EXTERNAL")
    op.execute("ALTER TABLE message_words SET (toast_tuple_target = 8160)")


def downgrade() -> None:
    """What is stored stays as it is; what comes from now on is compressed again."""
    op.execute("ALTER TABLE message_words RESET (toast_tuple_target)")
    op.execute("ALTER TABLE message_words ALTER COLUMN words SET STORAGE EXTENDED")
    op.execute("ALTER TABLE raws ALTER COLUMN content SET STORAGE EXTENDED")
