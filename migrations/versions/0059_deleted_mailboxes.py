"""Mailboxes may be deleted: marked first, then gone a turn at a time."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from migrations.policies import open_to_the_owner

revision = "0059_deleted_mailboxes"
down_revision = "0058_reread_met"

LABEL = "uq_mailboxes_organization_id_label"
OF_ITS_OWN = "global_mailbox_id IS NULL"


def upgrade() -> None:
    empty = sa.text("'{}'::jsonb")
    op.add_column("mailboxes", sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("mailboxes", sa.Column("deletion", JSONB(), nullable=False, server_default=empty))
    op.alter_column("mailboxes", "deletion", server_default=None)
    op.drop_constraint(op.f(LABEL), "mailboxes")
    _make_unique("uq_mailboxes_label", "label", "deleted_at IS NULL")
    op.drop_index("uq_mailboxes_address", "mailboxes")
    _make_unique("uq_mailboxes_address", "address", f"{OF_ITS_OWN} AND deleted_at IS NULL")
    is_going = sa.text("deleted_at IS NOT NULL")
    op.create_index("ix_mailboxes_deleted", "mailboxes", ["organization_id"], postgresql_where=is_going)


def downgrade() -> None:
    op.drop_index("ix_mailboxes_deleted", "mailboxes")
    # They are paused mailboxes again, whose labels and addresses others may have by now.
    with open_to_the_owner("mailboxes"):
        op.execute(
            "UPDATE mailboxes SET label = label || ' ' || id, address = id || '.' || address"
            " WHERE deleted_at IS NOT NULL"
        )
    op.drop_index("uq_mailboxes_address", "mailboxes")
    _make_unique("uq_mailboxes_address", "address", OF_ITS_OWN)
    op.drop_index("uq_mailboxes_label", "mailboxes")
    op.create_unique_constraint(op.f(LABEL), "mailboxes", ["organization_id", "label"])
    op.drop_column("mailboxes", "deletion")
    op.drop_column("mailboxes", "deleted_at")


def _make_unique(name: str, column: str, where: str) -> None:
    op.create_index(
        name, "mailboxes", ["organization_id", column], unique=True, postgresql_where=sa.text(where)
    )
