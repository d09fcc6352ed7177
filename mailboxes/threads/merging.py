"""Threads that turn out to be one conversation become one."""

from typing import Any
from uuid import UUID

from sqlalchemy import Row, text

from mailboxes.threads.summaries import refresh_summaries
from mailboxes.webhooks.telling import tell
from tenants.database import current_organization_id, db

# In order. A record stays linked where its kind is free on the survivor, so do notes, tags, drafts and
# answers; whatever of a kind the survivor has already goes with the loser (one record of a kind for a
# thread).
_STEPS = (
    """
    UPDATE messages SET thread_id = :survivor WHERE organization_id = :o AND thread_id = :loser
    """,
    """
    UPDATE thread_references r SET thread_id = :survivor WHERE organization_id = :o AND thread_id = :loser
      AND NOT EXISTS (SELECT 1 FROM thread_references k WHERE k.organization_id = :o
        AND k.thread_id = :survivor AND k.reference = r.reference)
    """,
    """
    UPDATE thread_records r SET thread_id = :survivor WHERE organization_id = :o AND thread_id = :loser
      AND NOT EXISTS (SELECT 1 FROM thread_records k WHERE k.organization_id = :o
        AND k.thread_id = :survivor AND k.kind = r.kind)
    """,
    """
    UPDATE thread_tags r SET thread_id = :survivor WHERE organization_id = :o AND thread_id = :loser
      AND NOT EXISTS (SELECT 1 FROM thread_tags k WHERE k.organization_id = :o
        AND k.thread_id = :survivor AND k.tag_id = r.tag_id)
    """,
    """
    UPDATE notes SET thread_id = :survivor WHERE organization_id = :o AND thread_id = :loser
    """,
    """
    UPDATE drafts SET thread_id = :survivor WHERE organization_id = :o AND thread_id = :loser
    """,
    """
    UPDATE automatic_responses SET thread_id = :survivor WHERE organization_id = :o AND thread_id = :loser
      AND NOT EXISTS (SELECT 1 FROM automatic_responses k WHERE k.organization_id = :o
        AND k.thread_id = :survivor)
    """,
    """
    UPDATE threads SET linked_thread_id = :survivor
    WHERE organization_id = :o AND linked_thread_id = :loser AND id <> :survivor
    """,
    """
    UPDATE threads t SET split_family = s.split_family FROM threads s, threads l
    WHERE s.organization_id = :o AND s.id = :survivor AND l.organization_id = :o AND l.id = :loser
      AND t.organization_id = :o AND t.split_family = l.split_family AND s.split_family <> l.split_family
    """,
    """
    UPDATE threads s SET
      assignee_id = coalesce(s.assignee_id, l.assignee_id),
      linked_thread_id = CASE WHEN s.linked_thread_id = :loser THEN NULL
        ELSE coalesce(s.linked_thread_id, nullif(l.linked_thread_id, :survivor)) END,
      split_family = coalesce(s.split_family, l.split_family),
      snoozed_until = CASE WHEN s.status <> 'done' AND s.snoozed_until IS NULL
        OR l.status <> 'done' AND l.snoozed_until IS NULL THEN NULL
        ELSE least(s.snoozed_until, l.snoozed_until) END,
      status = CASE WHEN 'open' IN (s.status, l.status) THEN 'open'
        WHEN 'waiting' IN (s.status, l.status) THEN 'waiting' ELSE 'done' END
    FROM threads l WHERE s.organization_id = :o AND s.id = :survivor
      AND l.organization_id = :o AND l.id = :loser
    """,
    "DELETE FROM threads WHERE organization_id = :o AND id = :loser",
)
_STANDING = text(
    "SELECT mailbox_id, status, assignee_id FROM threads WHERE organization_id = :o AND id = :survivor"
)


def merge_threads(survivor: UUID, loser: UUID) -> None:
    """Move everything of one thread to another of the same mailbox. The caller commits.

    A record of a kind that the survivor has too stays in the organization, without a conversation.
    """
    named = {"o": current_organization_id(), "survivor": survivor, "loser": loser}
    before = db.session.execute(_STANDING, named).first()
    for step in _STEPS:
        db.session.execute(text(step), named)
    refresh_summaries([survivor])
    after = db.session.execute(_STANDING, named).first()
    if before is not None and after is not None:
        _tell_webhooks(survivor, before, after)


def _tell_webhooks(survivor: UUID, before: Row[Any], after: Row[Any]) -> None:
    """What the other one had may be open, or somebody's work."""
    about = {"mailbox_id": after.mailbox_id, "conversation": survivor}
    if after.status != before.status:
        tell("conversation.status_changed", status=after.status, **about)
    if after.assignee_id != before.assignee_id:
        tell("conversation.assigned", assignee=after.assignee_id, **about)
