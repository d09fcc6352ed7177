"""What hangs on stored messages is offered beside the page unless the page draws it, and counted so.

``is_inline`` was what the sender said: PDFs that a phone called inline stayed hidden, and were counted.
"""

from alembic import op

from migrations.policies import open_to_the_owner

revision = "0037_offered_attachments"
down_revision = "0036_storage_of_texts"

_PICTURES = "'image/png', 'image/jpeg', 'image/jpg', 'image/pjpeg', 'image/gif', 'image/webp', 'image/bmp'"
_OFFER = f"""
UPDATE attachments SET is_inline = false
WHERE is_inline AND (content_id = '' OR content_type NOT IN ({_PICTURES}))
"""
_COUNT = """
UPDATE messages m SET attachment_count = a.offered
FROM (SELECT organization_id, message_id, count(*) FILTER (WHERE NOT is_inline) AS offered
      FROM attachments GROUP BY organization_id, message_id) a
WHERE a.organization_id = m.organization_id AND a.message_id = m.id AND m.attachment_count <> a.offered
"""
_MARK = """
UPDATE threads t SET has_attachments = m.has_some
FROM (SELECT organization_id, thread_id, bool_or(attachment_count > 0) AS has_some
      FROM messages GROUP BY organization_id, thread_id) m
WHERE m.organization_id = t.organization_id AND m.thread_id = t.id AND t.has_attachments <> m.has_some
"""


def upgrade() -> None:
    with open_to_the_owner("attachments", "messages", "threads"):
        op.execute(_OFFER)
        op.execute(_COUNT)
        op.execute(_MARK)


def downgrade() -> None:
    """What the sender called inline stands in the originals only; what is offered stays offered."""
