"""My Emails: how far people have read, lists by state, words within mailboxes, drafts on their way."""

import sqlalchemy as sa
from alembic import op

from migrations.policies import protect

revision = "0002_my_emails"
down_revision = "0001_first_tables"

# Row security keeps ``@@`` off its index; this function looks for the current organization instead.
SEARCH = """
CREATE FUNCTION messages_with_words(query tsquery, within uuid[], most integer)
RETURNS TABLE (id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
AS $$
  SELECT message_words.id FROM message_words
  WHERE message_words.organization_id
        = nullif(current_setting('app.organization_id', true), '')::uuid
    AND message_words.mailbox_id = ANY (within)
    AND message_words.words @@ query
  ORDER BY message_words.id DESC LIMIT most
$$
"""
FORMER_SEARCH = """
CREATE FUNCTION messages_with_words(query tsquery, most integer)
RETURNS TABLE (id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
AS $$
  SELECT message_words.id FROM message_words
  WHERE message_words.organization_id
        = nullif(current_setting('app.organization_id', true), '')::uuid
    AND message_words.words @@ query
  ORDER BY message_words.id DESC LIMIT most
$$
"""
UNREAD = "direction = 'in' AND NOT is_read_by_all"


def upgrade() -> None:
    op.create_table(
        "read_marks",
        sa.Column("membership_id", sa.Uuid(), nullable=False),
        sa.Column("mailbox_id", sa.Uuid(), nullable=False),
        sa.Column("read_through", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id", "membership_id"],
            ["memberships.organization_id", "memberships.id"],
            name="fk_read_marks_organization_id_membership_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "mailbox_id"],
            ["mailboxes.organization_id", "mailboxes.id"],
            name="fk_read_marks_organization_id_mailbox_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name="fk_read_marks_organization_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name="pk_read_marks"),
        sa.UniqueConstraint(
            "organization_id",
            "membership_id",
            "mailbox_id",
            name="uq_read_marks_organization_id_membership_id_mailbox_id",
        ),
    )
    protect("read_marks")
    op.add_column("drafts", sa.Column("outgoing_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        "fk_drafts_outgoing_id",
        "drafts",
        "outgoing",
        ["organization_id", "outgoing_id"],
        ["organization_id", "id"],
        ondelete="SET NULL (outgoing_id)",
    )
    op.drop_index("ix_messages_unread", "messages")
    op.create_index(
        "ix_messages_unread",
        "messages",
        ["organization_id", "mailbox_id", "id", "thread_id"],
        postgresql_where=sa.text(UNREAD),
    )
    op.create_index("ix_messages_list", "messages", ["organization_id", "mailbox_id", "shown_at", "id"])
    op.create_index(
        "ix_threads_status", "threads", ["organization_id", "mailbox_id", "status", "last_at", "id"]
    )
    op.create_index(
        "ix_threads_to_do",
        "threads",
        ["organization_id", "mailbox_id", "last_at", "id"],
        postgresql_where=sa.text("status <> 'done'"),
    )
    op.create_index("ix_threads_assignee", "threads", ["organization_id", "assignee_id", "last_at", "id"])
    _replace_search("tsquery, integer", SEARCH)


def downgrade() -> None:
    _replace_search("tsquery, uuid[], integer", FORMER_SEARCH)
    op.drop_index("ix_threads_assignee", "threads")
    op.drop_index("ix_threads_to_do", "threads")
    op.drop_index("ix_threads_status", "threads")
    op.drop_index("ix_messages_list", "messages")
    op.drop_index("ix_messages_unread", "messages")
    op.create_index(
        "ix_messages_unread",
        "messages",
        ["organization_id", "mailbox_id", "thread_id"],
        postgresql_where=sa.text(UNREAD),
    )
    op.drop_constraint("fk_drafts_outgoing_id", "drafts")
    op.drop_column("drafts", "outgoing_id")
    op.drop_table("read_marks")


def _replace_search(former_arguments: str, definition: str) -> None:
    op.execute(f"DROP FUNCTION messages_with_words ({former_arguments})")
    op.execute(definition)
    op.execute("GRANT CREATE ON SCHEMA public TO postroom_system")
    op.execute("ALTER FUNCTION messages_with_words OWNER TO postroom_system")
    op.execute("REVOKE CREATE ON SCHEMA public FROM postroom_system")
    op.execute("REVOKE ALL ON FUNCTION messages_with_words FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION messages_with_words TO postroom_app")
