"""Notes and comments are changed by their authors, and notes are found by their words."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TSVECTOR

from migrations.policies import open_to_the_owner, protect

revision = "0067_remarks"
down_revision = "0066_marks_before_tags"

# As for messages (0006): under row security no index serves ``@@``.
SEARCH = """
CREATE FUNCTION threads_noted_with(query tsquery, within uuid[], most integer)
RETURNS TABLE (id uuid)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp
AS $$
DECLARE
  organization uuid := nullif(current_setting('app.organization_id', true), '')::uuid;
BEGIN
  IF organization IS NULL OR within IS NULL OR numnode(query) = 0 THEN
    RETURN;
  END IF;
  RETURN QUERY EXECUTE format(
    'SELECT n.thread_id FROM note_words w'
    ' JOIN notes n ON n.organization_id = w.organization_id AND n.id = w.id'
    ' JOIN threads t ON t.organization_id = n.organization_id AND t.id = n.thread_id'
    ' WHERE w.organization_id = %L::uuid AND t.mailbox_id = ANY (%L::uuid[]) AND w.words @@ %L::tsquery'
    ' ORDER BY w.id DESC LIMIT %s', organization, within, query, most);
END
$$
"""
# A search looks for words as they are split here, too.
WORDS = """
INSERT INTO note_words (organization_id, id, words)
SELECT organization_id, id, array_to_tsvector(ARRAY(
  SELECT DISTINCT left(word, 200) FROM regexp_split_to_table(lower(text), '[^[:alnum:]]+') AS word
  WHERE word <> ''))
FROM notes
"""


def upgrade() -> None:
    for table in ("notes", "case_comments"):
        op.add_column(table, sa.Column("edited_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "note_words",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("words", TSVECTOR(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id", "id"],
            ["notes.organization_id", "notes.id"],
            name=op.f("fk_note_words_organization_id_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_note_words")),
    )
    with open_to_the_owner("notes", "note_words"):
        op.execute(WORDS)
    op.create_index("ix_note_words_words", "note_words", ["words"], postgresql_using="gin")
    protect("note_words")
    op.execute(SEARCH)
    op.execute("GRANT CREATE ON SCHEMA public TO postroom_system")
    op.execute("ALTER FUNCTION threads_noted_with OWNER TO postroom_system")
    op.execute("REVOKE CREATE ON SCHEMA public FROM postroom_system")
    op.execute("REVOKE ALL ON FUNCTION threads_noted_with FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION threads_noted_with TO postroom_app")


def downgrade() -> None:
    op.execute("DROP FUNCTION threads_noted_with (tsquery, uuid[], integer)")
    op.drop_table("note_words")
    for table in ("case_comments", "notes"):
        op.drop_column(table, "edited_at")
