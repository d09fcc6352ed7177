"""What lists show of a thread, counted from its messages."""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, bindparam, text, update

from mailboxes.threads import Thread
from mailboxes.threads.beginnings import MOST_PARTICIPANTS, MOST_SENDERS
from mailboxes.webhooks.telling import tell_of_conversations
from tenants.database import current_organization_id, db

# One statement for any number of threads; what a thread counts is what it holds (invariant I12).
_REFRESH = text(
    f"""
    UPDATE threads t SET
      subject = first.subject,
      teaser = latest.teaser,
      last_at = counted.last_at,
      snoozed_until = CASE WHEN t.snoozed_until > counted.last_at THEN t.snoozed_until END,
      message_count = counted.messages,
      incoming_count = counted.incoming,
      outgoing_count = counted.outgoing,
      has_attachments = counted.has_attachments,
      senders = people.senders,
      participants = people.participants,
      is_auto_replied = EXISTS (SELECT 1 FROM automatic_responses a
        WHERE a.organization_id = :organization_id AND a.thread_id = touched.id)
    FROM unnest(:ids) AS touched(id)
    CROSS JOIN LATERAL (
      SELECT count(*) AS messages,
        count(*) FILTER (WHERE m.direction = 'in' AND m.box IN ('inbox', 'other')) AS incoming,
        count(*) FILTER (WHERE m.direction = 'out') AS outgoing,
        coalesce(max(m.shown_at) FILTER (WHERE m.box <> 'drafts'), max(m.shown_at)) AS last_at,
        bool_or(m.attachment_count > 0) AS has_attachments
      FROM messages m WHERE m.organization_id = :organization_id AND m.thread_id = touched.id
    ) counted
    CROSS JOIN LATERAL (
      SELECT m.subject FROM messages m
      WHERE m.organization_id = :organization_id AND m.thread_id = touched.id
      ORDER BY m.shown_at, m.id LIMIT 1
    ) first
    CROSS JOIN LATERAL (
      SELECT m.teaser FROM messages m
      WHERE m.organization_id = :organization_id AND m.thread_id = touched.id
      ORDER BY m.box = 'drafts', m.direction = 'out' AND m.is_automatic, m.shown_at DESC, m.id DESC LIMIT 1
    ) latest
    CROSS JOIN LATERAL (
      SELECT
        ARRAY(SELECT s.name FROM (
            SELECT coalesce(nullif(m.sender_name, ''), m.sender_address) AS name, min(m.shown_at) AS since
            FROM messages m WHERE m.organization_id = :organization_id AND m.thread_id = touched.id
            GROUP BY 1) s
          WHERE s.name <> '' ORDER BY s.since, s.name LIMIT {MOST_SENDERS}) AS senders,
        ARRAY(SELECT DISTINCT lower(person ->> 'address') FROM messages m
          CROSS JOIN LATERAL jsonb_each(m.addresses) AS field(name, list)
          CROSS JOIN LATERAL jsonb_array_elements(field.list) AS person
          WHERE m.organization_id = :organization_id AND m.thread_id = touched.id
            AND person ->> 'address' <> ''
            AND lower(person ->> 'address') <> ALL (own.addresses)
            AND regexp_replace(lower(person ->> 'address'), '[+][^@]*@', '@') <> ALL (own.addresses)
          ORDER BY 1 LIMIT {MOST_PARTICIPANTS}) AS participants
      FROM (SELECT array_append(b.aliases, b.address) AS addresses
            FROM threads o JOIN mailboxes b ON b.organization_id = o.organization_id AND b.id = o.mailbox_id
            WHERE o.organization_id = :organization_id AND o.id = touched.id) own
    ) people
    WHERE t.organization_id = :organization_id AND t.id = touched.id
    """  # noqa: S608  # only our own numbers are filled in
).bindparams(bindparam("ids", type_=ARRAY(Uuid)))


def refresh_summary(thread: Thread) -> None:
    """Count a thread's messages anew after one was added, moved or changed. The caller commits."""
    db.session.flush()
    refresh_summaries([thread.id])
    db.session.refresh(thread)


def refresh_summaries(thread_ids: Iterable[UUID]) -> None:
    """Count the messages of many threads anew, in one statement; rows in memory become stale."""
    ids = list(thread_ids)
    if ids:
        db.session.execute(_REFRESH, {"organization_id": current_organization_id(), "ids": ids})


def reopen(mailbox_id: UUID, thread_ids: Iterable[UUID]) -> None:
    """Open conversations of a mailbox again that wait, are put away or done: the customer has answered."""
    ids = set(thread_ids)
    if not ids:
        return
    db.session.execute(
        update(Thread)
        .where(Thread.id.in_(ids), Thread.snoozed_until.is_not(None))
        .values(snoozed_until=None)
        .execution_options(synchronize_session=False)
    )
    opened = db.session.scalars(
        update(Thread)
        .where(Thread.id.in_(ids), Thread.status != "open")
        .values(status="open")
        .returning(Thread.id)
        .execution_options(synchronize_session=False)
    )
    told_of = dict.fromkeys(opened.all(), mailbox_id)
    tell_of_conversations("conversation.status_changed", told_of, status="open")
