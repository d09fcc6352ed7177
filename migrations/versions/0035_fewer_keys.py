"""What is a part of a mailbox, a thread or a message has its organization by the key to that one.

A second key, to the organization itself, was checked for each row that is stored, and said nothing new.
"""

from alembic import op

revision = "0035_fewer_keys"
down_revision = "0034_contacts_and_waiting"

PARTS = (
    "threads",
    "thread_references",
    "messages",
    "message_words",
    "attachments",
    "locations",
    "events",
    "arrivals",
)


def upgrade() -> None:
    for table in PARTS:
        op.drop_constraint(f"fk_{table}_organization_id", table, type_="foreignkey")


def downgrade() -> None:
    for table in PARTS:
        op.create_foreign_key(
            f"fk_{table}_organization_id",
            table,
            "organizations",
            ["organization_id"],
            ["id"],
            ondelete="CASCADE",
        )
