"""The grid of mailboxes: each with its state in words, its age, its backlog and who may see it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from mailboxes.accounts import Account
from mailboxes.arrivals import Arrival
from mailboxes.conversion import actions
from mailboxes.messages import Message
from mailboxes.rules import AutoResponseRule
from mailboxes.system_mailboxes import Mailbox, MailboxGrant, mailboxes
from tenants.database import db


@dataclass(frozen=True)
class Overview:
    """One row of the grid. ``state`` is a tone (ok, warn, bad, busy, paused, off), ``words`` says it."""

    mailbox: Mailbox
    account: Account | None
    state: str
    words: str
    action: str
    rule_count: int
    active_rule_count: int
    grant_count: int
    newest_at: datetime | None
    backlog: int
    quarantine_count: int


def overviews() -> list[Overview]:
    """Every mailbox of the current organization, by label; a constant number of queries."""
    found = list(db.session.scalars(mailboxes()))
    accounts = {account.id: account for account in db.session.scalars(select(Account))}
    counts = _Counts()
    return [_overview(mailbox, accounts.get(mailbox.account_id), counts) for mailbox in found]


def overview_of(mailbox: Mailbox) -> Overview:
    """One mailbox's row."""
    account = db.session.scalar(select(Account).where(Account.id == mailbox.account_id))
    return _overview(mailbox, account, _Counts())


class _Counts:
    """Numbers of all mailboxes of the organization, each by one query."""

    def __init__(self) -> None:
        self.rules = _by(AutoResponseRule.mailbox_id, AutoResponseRule)
        self.active_rules = _by(AutoResponseRule.mailbox_id, AutoResponseRule, AutoResponseRule.is_active)
        self.grants = _by(MailboxGrant.mailbox_id, MailboxGrant)
        self.backlog = _by(Arrival.account_id, Arrival, Arrival.state == "stored")
        self.quarantined = _by(Arrival.account_id, Arrival, Arrival.state == "quarantined")
        newest = select(Message.mailbox_id, func.max(Message.shown_at)).group_by(Message.mailbox_id)
        self.newest: dict[UUID, datetime] = {row[0]: row[1] for row in db.session.execute(newest)}


def _by(column: Any, table: Any, *conditions: Any) -> dict[UUID, int]:
    query = select(column, func.count()).select_from(table).where(*conditions).group_by(column)
    return {row[0]: row[1] for row in db.session.execute(query)}


def _overview(mailbox: Mailbox, account: Account | None, counts: _Counts) -> Overview:
    state, words = _state(mailbox, account)
    action = actions().get(mailbox.action)
    return Overview(
        mailbox=mailbox,
        account=account,
        state=state,
        words=words,
        action=action.label if action else "Do nothing",
        rule_count=counts.rules.get(mailbox.id, 0),
        active_rule_count=counts.active_rules.get(mailbox.id, 0),
        grant_count=counts.grants.get(mailbox.id, 0),
        newest_at=counts.newest.get(mailbox.id),
        backlog=counts.backlog.get(mailbox.account_id, 0),
        quarantine_count=counts.quarantined.get(mailbox.account_id, 0),
    )


def _state(mailbox: Mailbox, account: Account | None) -> tuple[str, str]:
    if not mailbox.is_enabled:
        return "paused", "Paused"
    if account is None:
        return "ok", "Kept by the system"
    if not account.imap_enabled:
        return "off", "Sends only" if account.smtp_enabled else "Not connected"
    words = {
        "new": ("busy", "Waiting for its first pass"),
        "ok": ("ok", "Fetching"),
        "failing": ("warn", "Failing, tries again by itself"),
        "refused": ("bad", "Login rejected, needs a new password"),
    }
    return words[account.state]
