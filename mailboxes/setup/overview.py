"""How mailboxes are: the state in words, age, backlog, rules and people, by a constant number of queries."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from mailboxes.access import MOST_COUNTED, people_counts
from mailboxes.accounts import Account
from mailboxes.arrivals import Arrival
from mailboxes.conversion import actions
from mailboxes.messages import Message
from mailboxes.rules import AutoResponseRule, applies_in_its_mailbox
from mailboxes.setup.first_sync import FirstSync, first_syncs
from mailboxes.setup.states import STATES, state_of, with_accounts
from mailboxes.system_mailboxes import Mailbox
from tenants.database import db, is_one_of
from tenants.organizations import Organization


@dataclass(frozen=True)
class Overview:
    """One row of the grid. ``key``: of `STATES`; ``state`` is its tone (ok, warn, bad, busy, paused, off),
    ``words`` says it.

    ``account`` is None where it is global and this session may not see it. ``home``: the name of the
    organization that a global mailbox delivers to, on the system's pages.
    """

    mailbox: Mailbox
    account: Account | None
    key: str
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
    first_sync: FirstSync | None = None

    @property
    def people(self) -> str:
        """How many may see it, in words: they are counted up to a point."""
        return f"{MOST_COUNTED}+" if self.people_count > MOST_COUNTED else str(self.people_count)

    @property
    def error(self) -> str:
        """What went wrong last, with what to do about it; "" where nothing did."""
        return self.account.last_error if self.account is not None else ""


def newest_at() -> ColumnElement[datetime]:
    """When the newest message of a mailbox came (null without any), in a query of mailboxes."""
    newest = select(func.max(Message.shown_at)).where(
        Message.organization_id == Mailbox.organization_id, Message.mailbox_id == Mailbox.id
    )
    return newest.scalar_subquery()


def backlog() -> ColumnElement[int]:
    """How many arrivals wait to be delivered, in a query of mailboxes with their accounts."""
    return _arrival_count("stored")


def overview_of(mailbox: Mailbox) -> Overview:
    """One mailbox's row."""
    return overviews_of(db.session(), [mailbox.id])[0]


def overviews_of(session: Session, ids: Sequence[UUID]) -> list[Overview]:
    """These mailboxes in this order, as far as the session may see them and their accounts."""
    query = select(Mailbox, Account, state_of(), newest_at(), backlog(), _arrival_count("quarantined"))
    rows = {
        row[0].id: row
        for row in session.execute(
            with_accounts(query.add_columns(Organization.name).select_from(Mailbox))
            .join(Organization, Organization.id == Mailbox.organization_id)
            .where(is_one_of(Mailbox.id, ids))
        )
    }
    rules, people = _rule_counts(session, ids), people_counts(session, ids)
    first = first_syncs(session, [row[0].account_id for row in rows.values()])
    return [
        replace(
            _overview(rows[id], rules.get(id, (0, 0)), people.get(id, 0)),
            first_sync=first.get(rows[id][0].account_id),
        )
        for id in ids
        if id in rows
    ]


def _overview(row: Any, rules: tuple[int, int], people: int) -> Overview:
    mailbox, account, state, newest, waiting, held, home = row
    action = actions().get(mailbox.action)
    tone, words = STATES[state]
    return Overview(
        mailbox=mailbox,
        account=account,
        key=state,
        state=tone,
        words=words,
        action=action.label if action else "Do nothing",
        rule_count=rules[0],
        active_rule_count=rules[1],
        people_count=people,
        newest_at=newest,
        backlog=waiting,
        quarantine_count=held,
        home=home,
    )


def _arrival_count(state: str) -> ColumnElement[int]:
    counted = select(func.count()).where(
        Arrival.account_id == Account.id, Arrival.state == state, Arrival.dismissed_at.is_(None)
    )
    return counted.scalar_subquery()


def _rule_counts(session: Session, ids: Sequence[UUID]) -> dict[UUID, tuple[int, int]]:
    """All rules that apply and the active ones of them, by mailbox."""
    active = func.count().filter(AutoResponseRule.is_active)
    query = (
        select(AutoResponseRule.mailbox_id, func.count(), active)
        .join(Mailbox, Mailbox.id == AutoResponseRule.mailbox_id)
        .where(is_one_of(AutoResponseRule.mailbox_id, ids), applies_in_its_mailbox())
        .group_by(AutoResponseRule.mailbox_id)
    )
    return {row[0]: (row[1], row[2]) for row in session.execute(query)}
