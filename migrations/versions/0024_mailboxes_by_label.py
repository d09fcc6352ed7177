"""The grid of mailboxes reads a page in its order, however many there are."""

import sqlalchemy as sa
from alembic import op

revision = "0024_mailboxes_by_label"
down_revision = "0023_address_proofs"


def upgrade() -> None:
    op.create_index(
        "ix_mailboxes_shown_label", "mailboxes", ["organization_id", sa.text("lower(label)"), "id"]
    )


def downgrade() -> None:
    op.drop_index("ix_mailboxes_shown_label", "mailboxes")
