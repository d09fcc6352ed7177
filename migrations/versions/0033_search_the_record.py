"""What the record says about one thing, and who last took the archive, without reading all of it."""

import sqlalchemy as sa
from alembic import op

revision = "0033_search_the_record"
down_revision = "0032_place_among_flags"


def upgrade() -> None:
    op.create_index(
        "ix_audit_entries_subject", "audit_entries", ["organization_id", "subject", "at"], unique=False
    )
    op.create_index(
        "ix_system_audit_entries_subject", "system_audit_entries", ["subject", "at"], unique=False
    )
    op.create_index(
        "ix_audit_entries_archived",
        "audit_entries",
        ["organization_id", "at"],
        unique=False,
        postgresql_where=sa.text("act = 'organization.archived'"),
    )


def downgrade() -> None:
    op.drop_index("ix_audit_entries_archived", table_name="audit_entries")
    op.drop_index("ix_system_audit_entries_subject", table_name="system_audit_entries")
    op.drop_index("ix_audit_entries_subject", table_name="audit_entries")
