"""Figures about the whole installation, for whoever operates it: how much waits where, and for how long.

Each is a sum over all organizations and names none of them. Everything is counted through an index of what
is open, so that asking costs the same however much is stored.
"""

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

from mailboxes.sync.claiming import is_switched_on, is_wanted
from mailboxes.sync.plan import MOST_RENUMBERINGS
from tenants.database import across_organizations


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure. ``values``: by the value of ``label``, or under "" where it has no label."""

    name: str
    help: str
    values: dict[str, float]
    label: str = ""


@dataclass(frozen=True, slots=True)
class _Question:
    """``sql`` gives rows of a label's value and a number; ``known`` are values that are told even if 0."""

    name: str
    help: str
    sql: str
    label: str = ""
    known: tuple[str, ...] = ("",)


def metrics() -> list[Metric]:
    """All of them, from the tables."""
    with across_organizations("metrics count over the whole installation") as session:
        return [_answered(session, question) for question in _QUESTIONS]


def _answered(session: Session, question: _Question) -> Metric:
    values = dict.fromkeys(question.known, 0.0)
    values |= {row[0]: float(row[1] or 0) for row in session.execute(text(question.sql))}
    return Metric(question.name, question.help, values, question.label)


def _age(column: str) -> str:
    return f"greatest(0, extract(epoch FROM clock_timestamp() - min({column})))"


_RECENT = "hour >= date_trunc('hour', now() - interval '1 hour')"
_OPEN = ("ready", "claimed", "committing")
_IS_OPEN = "state IN ('ready', 'claimed', 'committing')"
_QUESTIONS = (
    _Question(
        "postroom_accounts",
        "Accounts that are fetched from, by their state.",
        f"SELECT state, count(*) FROM accounts a WHERE is_enabled AND imap_enabled AND {is_wanted('a')}"
        " GROUP BY state",
        "state",
        ("new", "ok", "failing", "refused", "misconfigured", "disconnected"),
    ),
    _Question(
        "postroom_folders_troubled",
        "Folders that are to be read and are not: gone, not to be opened, hanging, renumbered each time.",
        "SELECT '', count(*) FROM folders WHERE is_synced AND left_at IS NULL AND troubled_since IS NOT NULL",
    ),
    _Question(
        "postroom_account_overdue_seconds",
        "For how long the account has been due that waits longest for its pass.",
        f"SELECT '', {_age('greatest(next_attempt_at, quiet_until)')} FROM accounts a WHERE is_enabled"
        " AND imap_enabled AND state <> 'disconnected' AND greatest(next_attempt_at, quiet_until) <= now()"
        f" AND lease_expires_at < now() AND {is_wanted('a')} AND {is_switched_on('a')}",
    ),
    _Question(
        "postroom_accounts_quiet",
        "Accounts that are left alone for now: their server asks for it, or the day's budget is spent.",
        "SELECT CASE WHEN is_spent THEN 'budget' ELSE 'server' END, count(*) FROM accounts a"
        f" WHERE is_enabled AND imap_enabled AND quiet_until > now() AND {is_wanted('a')} GROUP BY 1",
        "because",
        ("server", "budget"),
    ),
    _Question(
        "postroom_arrivals_waiting",
        "Fetched messages that wait for delivery: new mail and history.",
        "SELECT CASE WHEN is_history THEN 'history' ELSE 'new' END, count(*) FROM arrivals"
        " WHERE state = 'stored' GROUP BY 1",
        "lane",
        ("new", "history"),
    ),
    _Question(
        "postroom_arrival_waiting_seconds",
        "For how long the new message has waited that waits longest for delivery.",
        f"SELECT '', {_age('arrived_at')} FROM arrivals WHERE state = 'stored' AND NOT is_history",
    ),
    _Question(
        "postroom_arrivals_held",
        "Messages that are no whole messages here: quarantined, too large, not handed out.",
        "SELECT state, count(*) FROM arrivals WHERE state IN ('quarantined', 'too_large', 'unfetchable')"
        " AND dismissed_at IS NULL GROUP BY state",
        "state",
        ("quarantined", "too_large", "unfetchable"),
    ),
    _Question(
        "postroom_passes_recent",
        "Passes over accounts that ended in the last hour: well, or with a failure.",
        "SELECT CASE WHEN error = '' THEN 'ok' ELSE 'failed' END, sum(count) FROM passes"
        " WHERE ended_at > now() - interval '1 hour' GROUP BY 1",
        "result",
        ("ok", "failed"),
    ),
    _Question(
        "postroom_delivered_recent",
        "Messages delivered in the last full hour and since: new mail and history.",
        "SELECT lane, number FROM (SELECT sum(new_count) AS new, sum(history_count) AS history"
        f" FROM account_hours WHERE {_RECENT}) s,"
        " LATERAL (VALUES ('new', s.new), ('history', s.history)) v(lane, number)",
        "lane",
        ("new", "history"),
    ),
    _Question(
        "postroom_delivery_delay_seconds",
        "From the server's receipt of new mail to its delivery, in the same time: the mean and the longest.",
        "SELECT kind, number / 1000.0 FROM (SELECT sum(delay_milliseconds) / nullif(sum(timed_count), 0)"
        f" AS mean, max(longest_delay_milliseconds) AS longest FROM account_hours WHERE {_RECENT}) s,"
        " LATERAL (VALUES ('mean', s.mean), ('longest', s.longest)) v(kind, number)",
        "kind",
        ("mean", "longest"),
    ),
    _Question(
        "postroom_stage_seconds",
        "What a delivered message took in the mean, in the same time, by stage.",
        "SELECT stage, number / 1000.0 / messages FROM (SELECT sum(fetch_milliseconds) AS fetch,"
        " sum(parse_milliseconds) AS parse, sum(thread_milliseconds) AS thread,"
        " sum(store_milliseconds) AS store, nullif(sum(new_count + history_count), 0) AS messages"
        f" FROM account_hours WHERE {_RECENT}) s, LATERAL (VALUES ('fetch', s.fetch), ('parse', s.parse),"
        " ('thread', s.thread), ('store', s.store)) v(stage, number)",
        "stage",
        ("fetch", "parse", "thread", "store"),
    ),
    _Question(
        "postroom_history_left",
        "Messages of the chosen history that are still to be fetched.",
        "SELECT '', sum(history_left) FROM folders WHERE history_left > 0",
    ),
    _Question(
        "postroom_gap_audit_age_seconds",
        "The age of the oldest gap audit of a folder that is read; without one, since it was chosen.",
        f"SELECT '', {_age('coalesce(f.audited_at, f.new_since)')} FROM folders f"
        " JOIN accounts a ON a.owner_id = f.owner_id AND a.id = f.account_id"
        " WHERE f.is_synced AND f.is_selectable AND f.left_at IS NULL AND f.gone_at IS NULL"
        f" AND f.changed_validity_count < {MOST_RENUMBERINGS}"  # others are never compared
        f" AND a.is_enabled AND a.imap_enabled AND {is_wanted('a')} AND {is_switched_on('a')}",
    ),
    _Question(
        "postroom_messages_missing",
        "Messages that the newest gap audits found on servers, and nowhere here.",
        "SELECT '', sum((audit #>> '{groups,missing}')::int) FROM folders"
        " WHERE audit #>> '{groups,missing}' <> '0' AND is_synced AND gone_at IS NULL AND left_at IS NULL",
    ),
    _Question(
        "postroom_arrivals_unrouted",
        "Messages of global mailboxes that no organization has got.",
        "SELECT '', count(*) FROM arrivals WHERE state = 'unrouted'",
    ),
    _Question(
        "postroom_messages_pending",
        "Delivered messages that wait to be converted or answered.",
        "SELECT '', count(*) FROM messages WHERE work = 'pending'",
    ),
    _Question(
        "postroom_message_pending_seconds",
        "For how long the message has waited that waits longest to be converted or answered.",
        f"SELECT '', {_age('arrived_at')} FROM messages WHERE work = 'pending'",
    ),
    _Question(
        "postroom_outgoing_open",
        "Messages in the outbox that are not sent yet, by their state.",
        f"SELECT state, count(*) FROM outgoing WHERE {_IS_OPEN} GROUP BY state",
        "state",
        _OPEN,
    ),
    _Question(
        "postroom_outgoing_overdue_seconds",
        "For how long the message has been due that waits longest to be sent.",
        f"SELECT '', {_age('next_attempt_at')} FROM outgoing WHERE {_IS_OPEN} AND next_attempt_at <= now()",
    ),
    _Question(
        "postroom_webhooks",
        "Webhooks by how they are.",
        "SELECT CASE WHEN paused_because <> '' THEN 'paused' WHEN failure_count > 0 THEN 'failing'"
        " ELSE 'ok' END, count(*) FROM webhooks GROUP BY 1",
        "state",
        ("ok", "failing", "paused"),
    ),
    _Question(
        "postroom_webhook_calls_waiting",
        "Events that webhooks are still to be told.",
        "SELECT '', count(*) FROM webhook_calls WHERE state = 'waiting'",
    ),
    _Question(
        "postroom_webhook_call_overdue_seconds",
        "For how long the event has been due that waits longest, of webhooks that work.",
        f"SELECT '', {_age('c.next_attempt_at')} FROM webhooks w CROSS JOIN LATERAL (SELECT next_attempt_at"
        " FROM webhook_calls WHERE organization_id = w.organization_id AND webhook_id = w.id"
        " AND state = 'waiting' ORDER BY next_attempt_at LIMIT 1) c"
        " WHERE w.paused_because = '' AND w.failure_count = 0",
    ),
    _Question(
        "postroom_notices_open",
        "Notices of the system itself that are not sent yet, by their state.",
        f"SELECT state, count(*) FROM notices WHERE {_IS_OPEN} GROUP BY state",
        "state",
        _OPEN,
    ),
)
