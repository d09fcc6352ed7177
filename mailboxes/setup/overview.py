"""The grid of mailboxes: each with its state in words, its age, its backlog and who may see it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, union

from mailboxes.accounts import Account
from mailboxes.arrivals import Arrival
from mailboxes.conversion import actions
from mailboxes.messages import Message
from mailboxes.rules import AutoResponseRule
from mailboxes.system_mailboxes import Mailbox, MailboxGrant, mailboxes
from tenants.database import db
from tenants.organizations import Membership, MembershipRole, active_members


@dataclass(frozen=True)
class Overview:
    """One row of the grid. ``state`` is a tone (ok, warn, bad, busy, paused, off), ``words`` says it.

    ``account`` is None where it is global and this session may not see it. ``home``: the name of the
    organization that a global mailbox delivers to, on the system's pages.
    """

    mailbox: Mailbox
    account: Account | None
    state: str
    words: str
    action: str
    rule_count: int
    active_rule_count: int
    people_count: int
    newest_at: datetime | None
    backlog: int
    quarantine_count: int
    home: str = ""


@dataclass(frozen=True)
class ArrivalCounts:
    """What waits and what is held, by account."""

    waiting: dict[UUID, int]
    held: dict[UUID, int]


def overviews() -> list[Overview]:
    """Every mailbox of the current organization, by label; a constant number of queries."""
    found = list(db.session.scalars(mailboxes()))
    accounts = {account.id: account for account in db.session.scalars(select(Account))}
    counts, arrivals = _Counts(), arrival_counts()
    return [_overview(mailbox, accounts.get(mailbox.account_id), counts, arrivals) for mailbox in found]


def overview_of(mailbox: Mailbox) -> Overview:
    """One mailbox's row."""
    account = db.session.scalar(select(Account).where(Account.id == mailbox.account_id))
    return _overview(mailbox, account, _Counts(), arrival_counts())


def overviews_with(
    found: list[Mailbox], accounts: dict[UUID, Account], arrivals: ArrivalCounts, home: str
) -> list[Overview]:
    """Mailboxes of the current organization whose accounts and arrivals another session has read."""
    counts = _Counts()
    return [_overview(one, accounts.get(one.account_id), counts, arrivals, home) for one in found]


def arrival_counts() -> ArrivalCounts:
    """For all accounts of the owner that the session is bound to."""
    return ArrivalCounts(
        waiting=_by(Arrival.account_id, Arrival, Arrival.state == "stored"),
        held=_by(Arrival.account_id, Arrival, Arrival.state == "quarantined"),
    )


class _Counts:
    """Numbers of all mailboxes of the organization, each by one query."""

    def __init__(self) -> None:
        self.rules = _by(AutoResponseRule.mailbox_id, AutoResponseRule)
        self.active_rules = _by(AutoResponseRule.mailbox_id, AutoResponseRule, AutoResponseRule.is_active)
        self.people = _people_counts()
        newest = select(Message.mailbox_id, func.max(Message.shown_at)).group_by(Message.mailbox_id)
        self.newest: dict[UUID, datetime] = {row[0]: row[1] for row in db.session.execute(newest)}


def _people_counts() -> dict[UUID, int]:
    """How many active people may see each mailbox: roles ∪ users."""
    personally = select(MailboxGrant.mailbox_id, MailboxGrant.membership_id).where(
        MailboxGrant.membership_id.is_not(None)
    )
    by_role = select(MailboxGrant.mailbox_id, MembershipRole.membership_id).join(
        MembershipRole,
        (MembershipRole.organization_id == MailboxGrant.organization_id)
        & (MembershipRole.role_id == MailboxGrant.role_id),
    )
    granted = union(personally, by_role).subquery()
    active = active_members().order_by(None).with_only_columns(Membership.id)
    query = (
        select(granted.c.mailbox_id, func.count(granted.c.membership_id.distinct()))
        .where(granted.c.membership_id.in_(active))
        .group_by(granted.c.mailbox_id)
    )
    return {row[0]: row[1] for row in db.session.execute(query)}


def _by(column: Any, table: Any, *conditions: Any) -> dict[UUID, int]:
    query = select(column, func.count()).select_from(table).where(*conditions).group_by(column)
    return {row[0]: row[1] for row in db.session.execute(query)}


def _overview(
    mailbox: Mailbox, account: Account | None, counts: _Counts, arrivals: ArrivalCounts, home: str = ""
) -> Overview:
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
        people_count=counts.people.get(mailbox.id, 0),
        newest_at=counts.newest.get(mailbox.id),
        backlog=arrivals.waiting.get(mailbox.account_id, 0),
        quarantine_count=arrivals.held.get(mailbox.account_id, 0),
        home=home,
    )


def _state(mailbox: Mailbox, account: Account | None) -> tuple[str, str]:
    if not mailbox.is_enabled:
        return "paused", "Paused"
    if account is None:
        return "ok", "Fetched by the system"
    if not account.is_enabled:
        return "warn", "A change was interrupted: open it and save it again"
    if not account.imap_enabled:
        return "off", "Sends only" if account.smtp_enabled else "Not connected"
    words = {
        "new": ("busy", "Waiting for its first pass"),
        "ok": ("ok", "Fetching"),
        "failing": ("warn", "Failing, tries again by itself"),
        "refused": ("bad", "Login rejected, needs a new password"),
    }
    return words[account.state]
