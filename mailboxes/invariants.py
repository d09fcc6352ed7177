"""What must always hold (reliability §4.4): each invariant is a query that returns no row.

They run as ``postroom_system``, over all organizations; ``postroom check`` prints a line for each.
"""

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

from tenants.database import INSTALLATION, across_organizations

SHOWN = 5
PATIENCE = "interval '15 minutes'"


@dataclass(frozen=True)
class Invariant:
    """A sentence, and the query that finds where it is broken."""

    name: str
    sentence: str
    query: str


@dataclass(frozen=True)
class Finding:
    """How an invariant stands: the first broken rows, as text; none if it holds."""

    invariant: Invariant
    broken: tuple[str, ...]


_STATED = (
    Invariant(
        "I3",
        "No message is stored twice in a mailbox.",
        """
        SELECT mailbox_id, encode(stable_hash, 'hex') FROM messages
        GROUP BY organization_id, mailbox_id, stable_hash HAVING count(*) > 1
        UNION ALL
        SELECT folder_id, uid_validity || ':' || uid FROM arrivals
        GROUP BY account_id, folder_id, uid_validity, uid HAVING count(*) > 1
        """,
    ),
    Invariant(
        "I4",
        "Each eligible conversation has one record of its kind, or the reason why not.",
        f"""
        SELECT thread_id, kind FROM thread_records
        GROUP BY organization_id, thread_id, kind HAVING count(*) > 1
        UNION ALL
        SELECT m.id, 'not converted' FROM messages m
        WHERE m.may_convert AND m.work <> 'pending'
          AND NOT EXISTS (SELECT 1 FROM thread_records r
                          WHERE r.organization_id = m.organization_id AND r.thread_id = m.thread_id)
          AND NOT EXISTS (SELECT 1 FROM events e WHERE e.organization_id = m.organization_id
                          AND e.message_id = m.id AND (e.stage = 'converted' OR e.result = 'given up'))
        UNION ALL
        SELECT id, 'waits too long' FROM messages
        WHERE work = 'pending' AND work_after < now() - {PATIENCE} AND arrived_at < now() - {PATIENCE}
        """,
    ),
    Invariant(
        "I5",
        "No record was made by automation without its opening message, and none twice from one.",
        """
        SELECT l.id, 'lead without conversion' FROM leads l WHERE l.is_automatic AND NOT EXISTS (
          SELECT 1 FROM conversions c WHERE c.organization_id = l.organization_id
          AND c.kind = 'lead' AND c.record_id = l.id)
        UNION ALL
        SELECT k.id, 'case without conversion' FROM cases k WHERE k.is_automatic AND NOT EXISTS (
          SELECT 1 FROM conversions c WHERE c.organization_id = k.organization_id
          AND c.kind = 'case' AND c.record_id = k.id)
        UNION ALL
        SELECT opening_message_id, 'two leads' FROM leads WHERE is_automatic
        GROUP BY organization_id, opening_message_id HAVING count(opening_message_id) > 1
        UNION ALL
        SELECT opening_message_id, 'two cases' FROM cases WHERE is_automatic
        GROUP BY organization_id, opening_message_id HAVING count(opening_message_id) > 1
        """,
    ),
    Invariant(
        "I6",
        "At most one automatic response for a message, a conversation and a window.",
        """
        SELECT trigger_id, 'answered twice' FROM outgoing WHERE kind = 'automatic' AND trigger_id IS NOT NULL
        GROUP BY organization_id, trigger_id HAVING count(*) > 1
        UNION ALL
        SELECT thread_id, 'conversation answered twice' FROM automatic_responses
        GROUP BY organization_id, thread_id HAVING count(*) > 1
        UNION ALL
        SELECT a.id, 'within one hour' FROM automatic_responses a JOIN automatic_responses b
          ON b.organization_id = a.organization_id AND b.mailbox_id = a.mailbox_id
          AND b.recipient = a.recipient AND b.id > a.id
          AND b.decided_at < a.decided_at + interval '1 hour'
        """,
    ),
    Invariant(
        "I7",
        "Every automatic response has its decision on the timeline of the message it answers.",
        """
        SELECT o.id, 'no decision' FROM outgoing o WHERE o.kind = 'automatic' AND NOT EXISTS (
          SELECT 1 FROM events e WHERE e.organization_id = o.organization_id
          AND e.message_id = o.trigger_id AND e.stage = 'rules')
        """,
    ),
    Invariant(
        "I8",
        "Nothing waits in the outbox longer than its next attempt says.",
        f"""
        SELECT id, state FROM outgoing WHERE state IN ('ready', 'claimed', 'committing')
          AND next_attempt_at < now() - {PATIENCE} AND created_at < now() - {PATIENCE}
          AND coalesce(claim_expires_at, next_attempt_at) < now() - {PATIENCE}
        """,
    ),
    Invariant(
        "I12",
        "What conversations count is what they hold.",
        """
        SELECT t.id, t.message_count || ' counted' FROM threads t
        LEFT JOIN LATERAL (SELECT count(*) AS n, count(*) FILTER (WHERE m.direction = 'out') AS sent
          FROM messages m WHERE m.organization_id = t.organization_id AND m.thread_id = t.id) m ON true
        WHERE t.message_count <> m.n OR t.outgoing_count <> m.sent
        """,
    ),
    Invariant(
        "I13",
        "Every message is in the search index.",
        """
        SELECT m.id, 'not indexed' FROM messages m WHERE NOT EXISTS (
          SELECT 1 FROM message_words w WHERE w.organization_id = m.organization_id AND w.id = m.id)
        """,
    ),
    Invariant(
        "I15",
        "No bytes, attachments or conversations are left without a message.",
        f"""
        SELECT r.id, 'raw' FROM raws r WHERE r.stored_at < now() - {PATIENCE}
          AND NOT EXISTS (SELECT 1 FROM arrivals a WHERE a.owner_id = r.owner_id AND a.raw_id = r.id)
          AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.organization_id = r.owner_id AND m.raw_id = r.id)
        UNION ALL
        SELECT t.id, 'conversation' FROM threads t WHERE NOT EXISTS (
          SELECT 1 FROM messages m WHERE m.organization_id = t.organization_id AND m.thread_id = t.id)
        UNION ALL
        SELECT m.id, 'attachments' FROM messages m WHERE m.attachment_count <> (
          SELECT count(*) FROM attachments a
          WHERE a.organization_id = m.organization_id AND a.message_id = m.id AND NOT a.is_inline)
        """,
    ),
    Invariant(
        "I16",
        "The timeline of every message is gap-free and ordered.",
        """
        SELECT message_id, 'gap' FROM (
          SELECT organization_id, message_id, position,
            1 + coalesce(jsonb_array_length(details -> 'before'), 0) AS steps FROM events) e
        GROUP BY organization_id, message_id
        HAVING sum(steps) <> max(position) OR min(position - steps) <> 0
        UNION ALL
        SELECT id, 'no timeline' FROM messages m WHERE NOT EXISTS (
          SELECT 1 FROM events e WHERE e.organization_id = m.organization_id AND e.message_id = m.id)
        """,
    ),
    Invariant(
        "I17",
        "No cursor stands behind a message that is not stored.",
        """
        SELECT f.id, 'cursor ' || f.last_uid FROM folders f
        WHERE f.last_uid > greatest(coalesce(f.first_uid, 0), coalesce((
          SELECT max(a.uid) FROM arrivals a
          WHERE a.folder_id = f.id AND a.uid_validity = f.uid_validity), 0))
        """,
    ),
    Invariant(
        "I19",
        "Every mailbox and every override has an entry in the audit log.",
        """
        SELECT m.id, 'mailbox' FROM mailboxes m WHERE NOT EXISTS (
          SELECT 1 FROM audit_entries a WHERE a.organization_id = m.organization_id
          AND a.act LIKE 'mailbox.%')
        UNION ALL
        SELECT o.id, o.key FROM organization_overrides o WHERE NOT EXISTS (
          SELECT 1 FROM audit_entries a WHERE a.organization_id = o.organization_id
          AND a.act LIKE 'configuration.%' AND (a.after ? o.key OR a.before ? o.key))
        """,
    ),
    Invariant(
        "I21",
        "What a global account got is in the one organization it was routed to, or in each it was copied to.",
        f"""
        SELECT l.arrival_id, 'in an organization it was not routed to' FROM locations l
        WHERE l.account_owner_id = '{INSTALLATION}' AND NOT EXISTS (
          SELECT 1 FROM routings r WHERE r.arrival_id = l.arrival_id
          AND r.organization_id = l.organization_id AND r.left_at IS NULL)
        UNION ALL
        SELECT arrival_id, 'in several organizations' FROM routings
        WHERE organization_id IS NOT NULL AND left_at IS NULL AND leaving_at IS NULL AND result <> 'copied'
        GROUP BY arrival_id HAVING count(*) > 1
        UNION ALL
        SELECT r.arrival_id, 'delivered and not there' FROM routings r JOIN mailboxes m
          ON m.organization_id = r.organization_id AND m.account_id = r.account_id
        WHERE r.delivered_at > m.created_at AND r.left_at IS NULL AND r.leaving_at IS NULL
          AND NOT EXISTS (SELECT 1 FROM locations l WHERE l.organization_id = r.organization_id
                          AND l.arrival_id = r.arrival_id)
          AND NOT EXISTS (SELECT 1 FROM audit_entries a WHERE a.organization_id = r.organization_id
                          AND a.act = 'retention.removed')
        UNION ALL
        SELECT m.id, 'the same message in several organizations' FROM messages m
        JOIN mailboxes b ON b.organization_id = m.organization_id AND b.id = m.mailbox_id
        JOIN accounts c ON c.id = b.account_id AND c.organization_id IS NULL AND c.delivery_mode = 'routed'
        JOIN mailboxes o ON o.account_id = b.account_id AND o.organization_id > b.organization_id
        JOIN messages n ON n.organization_id = o.organization_id AND n.mailbox_id = o.id
          AND n.stable_hash = m.stable_hash
        WHERE EXISTS (SELECT 1 FROM locations l JOIN routings r ON r.arrival_id = l.arrival_id
                      AND r.organization_id = l.organization_id AND r.result <> 'copied'
                      WHERE l.organization_id = m.organization_id AND l.message_id = m.id)
          AND EXISTS (SELECT 1 FROM locations l JOIN routings r ON r.arrival_id = l.arrival_id
                      AND r.organization_id = l.organization_id AND r.result <> 'copied'
                      WHERE l.organization_id = n.organization_id AND l.message_id = n.id)
        """,
    ),
    Invariant(
        "I22",
        "What waits to be assigned is outside all organizations, with its bytes and the reason.",
        """
        SELECT a.id, 'without bytes or reason' FROM arrivals a WHERE a.state = 'unrouted'
          AND (a.raw_id IS NULL OR a.failure = '')
        UNION ALL
        SELECT a.id, 'in an organization' FROM arrivals a JOIN routings r ON r.arrival_id = a.id
        WHERE a.state = 'unrouted' AND r.organization_id IS NOT NULL AND r.left_at IS NULL
        UNION ALL
        SELECT r.arrival_id, 'unrouted and delivered' FROM routings r JOIN arrivals a ON a.id = r.arrival_id
        WHERE r.organization_id IS NULL AND a.state IN ('delivered', 'too_large', 'unfetchable')
        """,
    ),
    Invariant(
        "I23",
        "What moved to another organization has left the first one, and no move takes long.",
        f"""
        SELECT r.arrival_id, 'still there' FROM routings r JOIN locations l
          ON l.organization_id = r.organization_id AND l.arrival_id = r.arrival_id
        WHERE r.left_at IS NOT NULL
        UNION ALL
        SELECT arrival_id, 'is moving too long' FROM routings WHERE leaving_at < now() - {PATIENCE}
        UNION ALL
        SELECT r.arrival_id, 'left and not arrived' FROM routings r JOIN arrivals a ON a.id = r.arrival_id
        WHERE r.left_at IS NOT NULL AND a.state = 'delivered' AND NOT EXISTS (
          SELECT 1 FROM routings o WHERE o.arrival_id = r.arrival_id AND o.left_at IS NULL
          AND o.delivered_at IS NOT NULL)
        """,
    ),
    Invariant(
        "I24",
        "A message lies in the folder that it arrived from.",
        """
        SELECT l.message_id, 'in another folder' FROM locations l
        JOIN arrivals a ON a.owner_id = l.account_owner_id AND a.id = l.arrival_id
        WHERE a.folder_id <> l.folder_id
        """,
    ),
)


def check_all() -> list[Finding]:
    """Every invariant of the database, in order."""
    with across_organizations("invariants hold for the whole installation") as session:
        invariants = [*_STATED, _same_organization_along_keys(session)]
        invariants.sort(key=lambda invariant: int(invariant.name[1:]))
        return [Finding(invariant, _broken(session, invariant)) for invariant in invariants]


def _broken(session: Session, invariant: Invariant) -> tuple[str, ...]:
    query = text(f"SELECT * FROM ({invariant.query}) AS broken LIMIT {SHOWN}")  # ours alone
    return tuple(" ".join(str(value) for value in row) for row in session.execute(query))


def _same_organization_along_keys(session: Session) -> Invariant:
    """I11, made from the catalogue: no foreign key leads to another organization's row."""
    keys = session.execute(text(_FOREIGN_KEYS)).all()
    joined = " UNION ALL ".join(
        f"SELECT '{key.source}' AS source, '{key.target}' AS target FROM {key.source} a"
        f" JOIN {key.target} b ON a.{key.column} = b.id WHERE a.organization_id <> b.organization_id"
        for key in keys
    )
    return Invariant("I11", "No link leads into another organization.", joined)


_FOREIGN_KEYS = """
SELECT c.conrelid::regclass::text AS source, c.confrelid::regclass::text AS target, a.attname AS column
FROM pg_constraint c
CROSS JOIN LATERAL unnest(c.conkey, c.confkey) AS k(ours, theirs)
JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.ours
JOIN pg_attribute b ON b.attrelid = c.confrelid AND b.attnum = k.theirs AND b.attname = 'id'
WHERE c.contype = 'f' AND cardinality(c.conkey) > 1
ORDER BY 1, 2, 3
"""
