"""Many organizations, mailboxes and people, multiplied inside the database from one of each.

Half of the mailboxes and people are in one organization, the others are spread over the rest. Rows are
copied with every column that they have, so that a new column needs nothing here.
"""

from typing import Any
from uuid import UUID

import psycopg

from tests.everything import Ids

ORGANIZATIONS, MAILBOXES, PEOPLE = 2_000, 20_000, 50_000
MESSAGES_EACH = 5
ENTRIES = 1_000_000  # of the audit log of the largest organization; as many of the system's
RECORDS = 20_000  # leads, cases and contacts each, there too


def fill(connection: psycopg.Connection[Any], ours: UUID, member: UUID, ids: Ids) -> None:
    """Multiply an organization, one of its members, and what these ids name: a message with its mailbox,
    account and thread, a lead, a case, a contact."""
    given = {"ours": ours, "member": member, "message": ids["message_id"]}
    given |= {name: ids[f"{name}_id"] for name in ("lead", "case", "contact")}
    for statement in _NUMBERED:
        connection.execute(statement, given)
    for table, source, changes in _MULTIPLIED:
        _multiply(connection, table, source, changes, given)
    connection.execute("VACUUM ANALYZE")


def _multiply(
    connection: psycopg.Connection[Any],
    table: str,
    source: str,
    changes: dict[str, str],
    given: dict[str, UUID | str],
) -> None:
    """Insert into a table its rows ``r`` of a source, with some columns changed."""
    rows = connection.execute(
        "SELECT column_name FROM information_schema.columns"
        " WHERE table_schema = 'public' AND table_name = %s AND is_generated = 'NEVER'",
        (table,),
    )
    names = [name for (name,) in rows]
    values = [changes.get(name, f'r."{name}"') for name in names]
    columns = ", ".join(f'"{name}"' for name in names)
    connection.execute(
        f"INSERT INTO {table} ({columns}) SELECT {', '.join(values)} FROM {table} r {source}", given
    )


def _spread(name: str, count: int, ids: tuple[str, ...]) -> str:
    """A table of numbered things, half of them in our organization."""
    made = ", ".join(f"gen_random_uuid() AS {id}" for id in ids)
    return (
        f"CREATE TABLE {name} AS SELECT p.n, {made},"
        f" CASE WHEN p.n <= {count // 2} THEN %(ours)s ELSE o.id END AS organization_id"
        f" FROM generate_series(1, {count}) AS p(n)"
        f" JOIN filled_organizations o ON o.n = 1 + p.n %% {ORGANIZATIONS - 1}"
    )


_NUMBERED = (
    "CREATE TABLE filled_organizations AS SELECT n, gen_random_uuid() AS id"
    f" FROM generate_series(1, {ORGANIZATIONS - 1}) n",
    _spread("filled_people", PEOPLE, ("user_id", "membership_id")),
    _spread("filled_mailboxes", MAILBOXES, ("mailbox_id", "account_id", "thread_id")),
)
_OURS = "r.organization_id = %(ours)s"
_OF_MESSAGE = "SELECT {} FROM messages WHERE id = %(message)s"
_MAILBOX = _OF_MESSAGE.format("mailbox_id")
_ACCOUNT = f"SELECT account_id FROM mailboxes WHERE id = ({_MAILBOX})"
_BOXES = "JOIN filled_mailboxes f ON true WHERE r.id = ({})"
_IN = {"organization_id": "f.organization_id"}
_ANEW = {**_IN, "id": "uuidv7()"}
_IN_EACH = (
    f"JOIN filled_organizations f ON true WHERE {_OURS}",
    {"organization_id": "f.id", "id": "uuidv7()"},
)


def _records(kind: str, name: str) -> tuple[str, dict[str, str]]:
    """Many of one record, each of a name of its own."""
    return (
        f"CROSS JOIN generate_series(1, {RECORDS}) m WHERE r.id = %({kind})s",
        {"id": "uuidv7()", name: f"'{kind.capitalize()} ' || m"},
    )


_MULTIPLIED: tuple[tuple[str, str, dict[str, str]], ...] = (
    (
        "organizations",
        "JOIN filled_organizations f ON true WHERE r.id = %(ours)s",
        {"id": "f.id", "name": "'Organization ' || f.n", "slug": "'organization-' || f.n"},
    ),
    ("roles", *_IN_EACH),
    ("organization_overrides", *_IN_EACH),
    ("organization_override_changes", *_IN_EACH),
    ("lead_sources", *_IN_EACH),
    (
        "audit_entries",
        f"CROSS JOIN generate_series(1, {ENTRIES}) m WHERE {_OURS} AND r.act = 'benchmark.begun'",
        {"id": "uuidv7()", "at": "r.at - m * interval '1 minute'"},
    ),
    (
        "system_audit_entries",
        f"CROSS JOIN generate_series(1, {ENTRIES}) m WHERE r.id = (SELECT min(id::text)::uuid"
        " FROM system_audit_entries)",
        {"id": "uuidv7()", "at": "r.at - m * interval '1 minute'"},
    ),
    (
        "users",
        "JOIN filled_people f ON true WHERE r.id = (SELECT user_id FROM memberships WHERE id = %(member)s)",
        {
            "id": "f.user_id",
            "name": "'Person ' || md5(f.n::text)",
            "address": "'person' || f.n || '@people.test'",
        },
    ),
    (
        "memberships",
        "JOIN filled_people f ON true WHERE r.id = %(member)s",
        {**_IN, "id": "f.membership_id", "user_id": "f.user_id"},
    ),
    (
        "membership_roles",
        "JOIN filled_people f ON true JOIN roles held ON held.organization_id = f.organization_id"
        " AND held.system_key = 'member' WHERE r.membership_id = %(member)s",
        {**_ANEW, "membership_id": "f.membership_id", "role_id": "held.id"},
    ),
    (
        "accounts",
        _BOXES.format(_ACCOUNT),
        {
            **_IN,
            "id": "f.account_id",
            "state": "CASE f.n %% 50 WHEN 7 THEN 'failing' ELSE 'ok' END",
            "imap_enabled": "true",
        },
    ),
    (
        "mailboxes",
        _BOXES.format(_MAILBOX),
        {
            **_IN,
            "id": "f.mailbox_id",
            "account_id": "f.account_id",
            "account_owner_id": "f.organization_id",
            "action_settings": "CASE f.organization_id WHEN r.organization_id THEN r.action_settings"
            " ELSE '{}' END",
            "label": "'Box ' || f.n",
            "address": "'box' || f.n || '@boxes.test'",
        },
    ),
    (
        "mailbox_grants",
        "JOIN filled_mailboxes f ON true JOIN roles held ON held.organization_id = f.organization_id"
        f" AND held.system_key = 'member' WHERE r.mailbox_id = ({_MAILBOX}) AND r.membership_id = %(member)s",
        {**_ANEW, "mailbox_id": "f.mailbox_id", "membership_id": "NULL", "role_id": "held.id"},
    ),
    (
        "threads",
        _BOXES.format(_OF_MESSAGE.format("thread_id")),
        {**_IN, "id": "f.thread_id", "mailbox_id": "f.mailbox_id"},
    ),
    (
        "messages",
        f"JOIN filled_mailboxes f ON true CROSS JOIN generate_series(1, {MESSAGES_EACH}) m"
        " WHERE r.id = %(message)s",
        {
            **_ANEW,
            "mailbox_id": "f.mailbox_id",
            "thread_id": "f.thread_id",
            "raw_id": "NULL",
            "stable_hash": "sha256((f.n * 100 + m)::text::bytea)",
            "shown_at": "r.shown_at - f.n * interval '1 minute'",
        },
    ),
    ("leads", *_records("lead", "name")),
    ("cases", *_records("case", "subject")),
    ("contacts", *_records("contact", "name")),
)
