"""The leads and cases of a contact, and the conversations that wait, by an index."""

import sqlalchemy as sa
from alembic import op

revision = "0034_contacts_and_waiting"
down_revision = "0033_search_the_record"


def upgrade() -> None:
    op.create_index(
        "ix_leads_contact", "leads", ["organization_id", "contact_id", "created_at"], unique=False
    )
    op.create_index(
        "ix_cases_contact", "cases", ["organization_id", "contact_id", "reported_at"], unique=False
    )
    op.create_index(
        "ix_threads_waiting",
        "threads",
        ["organization_id", "mailbox_id"],
        unique=False,
        postgresql_where=sa.text("status = 'waiting'"),
    )


def downgrade() -> None:
    op.drop_index("ix_threads_waiting", table_name="threads")
    op.drop_index("ix_cases_contact", table_name="cases")
    op.drop_index("ix_leads_contact", table_name="leads")
