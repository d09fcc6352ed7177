"""A folder that a file declared as spam is stored in IMAP's word, by which delivery knows it."""

from alembic import op

from migrations.policies import open_to_the_owner

revision = "0064_junk"
down_revision = "0063_split_families"


def upgrade() -> None:
    with open_to_the_owner("folders"):
        op.execute("UPDATE folders SET special_use = 'junk' WHERE special_use = 'spam'")


def downgrade() -> None:
    """Both words were stored before; this one was understood."""
