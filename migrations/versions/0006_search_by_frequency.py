"""A search for words is planned for the words it is about: rare ones by their index, common ones by age."""

from alembic import op

revision = "0006_search_by_frequency"
down_revision = "0005_invitations"

# With the words as constants the planner knows how common they are. The index of words finds rare
# ones at once; of common ones the newest turn up soon when the rows are walked from the newest on.
SEARCH = """
CREATE FUNCTION messages_with_words(query tsquery, within uuid[], most integer)
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
    'SELECT w.id FROM message_words w WHERE w.organization_id = %L::uuid'
    ' AND w.mailbox_id = ANY (%L::uuid[]) AND w.words @@ %L::tsquery'
    ' ORDER BY w.id DESC LIMIT %s', organization, within, query, most);
END
$$
"""
FORMER_SEARCH = """
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


def upgrade() -> None:
    op.create_index("ix_message_words_mailbox_id", "message_words", ["organization_id", "mailbox_id", "id"])
    _replace_search(SEARCH)


def downgrade() -> None:
    _replace_search(FORMER_SEARCH)
    op.drop_index("ix_message_words_mailbox_id", "message_words")


def _replace_search(definition: str) -> None:
    op.execute("DROP FUNCTION messages_with_words (tsquery, uuid[], integer)")
    op.execute(definition)
    op.execute("GRANT CREATE ON SCHEMA public TO postroom_system")
    op.execute("ALTER FUNCTION messages_with_words OWNER TO postroom_system")
    op.execute("REVOKE CREATE ON SCHEMA public FROM postroom_system")
    op.execute("REVOKE ALL ON FUNCTION messages_with_words FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION messages_with_words TO postroom_app")
