"""What served organizations learn of a global account: since when it cannot be read, and if it mirrors reads.

Nothing of the connection, of its error, or of anybody else: a moment and a mark in the mailbox of each. The
schedule carries them there, because an organization never sees the account itself. One that is served no
more learns nothing more, and what it knew is over.
"""

from datetime import timedelta

from sqlalchemy import text

from mailboxes.accounts import WAITING_FOR_PEOPLE
from tenants.database import INSTALLATION, across_organizations

PATIENCE = timedelta(minutes=5)  # what passes sooner is told to nobody

_REPORT = text(
    """
    UPDATE mailboxes m SET unfetched_since = CASE WHEN m.is_served THEN a.since END,
      is_mirrored = m.is_served AND a.is_mirrored
    FROM (SELECT id, mirrors_read_state AND delivery_mode = 'routed' AS is_mirrored,
        CASE WHEN is_enabled AND imap_enabled AND (state = ANY(:waiting)
          OR state = 'failing' AND failing_since < now() - CAST(:patience AS interval))
        THEN failing_since END AS since
      FROM accounts WHERE organization_id IS NULL) a
    WHERE m.account_owner_id = :installation AND m.account_id = a.id
      AND (m.unfetched_since IS DISTINCT FROM CASE WHEN m.is_served THEN a.since END
        OR m.is_mirrored <> (m.is_served AND a.is_mirrored))
    """
)


def report_global_accounts() -> None:
    """Let the mailboxes of the organizations served know how their global accounts are; commits."""
    given = {"waiting": list(WAITING_FOR_PEOPLE), "patience": PATIENCE, "installation": INSTALLATION}
    with across_organizations("how a global account is, is told to whom it serves") as session:
        session.execute(_REPORT, given)
        session.commit()
