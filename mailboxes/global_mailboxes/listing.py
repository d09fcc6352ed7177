"""What system administrators see of global mailboxes: how each is, whom it serves, who follows and who not.

They see configuration, never messages. Lists come a page at a time, with a constant number of queries.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, SQLColumnExpression, case, func, select, text
from sqlalchemy.orm import Session

from mailboxes.accounts import Account
from mailboxes.arrivals import Arrival
from mailboxes.conversion import actions
from mailboxes.crm.paging import Page, page
from mailboxes.global_mailboxes.fields import FIELDS
from mailboxes.global_mailboxes.table import GlobalMailbox, ServedOrganization
from mailboxes.setup.first_sync import FirstSync, first_syncs
from mailboxes.setup.states import STATES, connection_state
from mailboxes.system_mailboxes import Mailbox, has_waiting_overrides, says_otherwise
from tenants.database import across_organizations, db, is_one_of
from tenants.organizations import Organization

# Which organizations the picker shows.
SHOWN = {
    "all": "All organizations",
    "served": "Served",
    "others": "Not served",
    "overriding": "Overriding",
    "waiting": "Waiting for a lock to go",
}

_OVERRIDING = {"overriding": says_otherwise(), "waiting": has_waiting_overrides()}
_OVERRIDE_COUNTS = text(
    """
    SELECT o.field, count(*) FROM mailboxes m CROSS JOIN LATERAL jsonb_object_keys(m.overrides) AS o(field)
    WHERE m.global_mailbox_id = :id AND m.is_served GROUP BY o.field
    """
)


@dataclass(frozen=True, slots=True)
class Followers:
    """How many organizations' mailboxes follow a global one, and how.

    ``overriding``: where an own word applies; ``waiting``: where one waits for a lock to go. ``behind``:
    those that the newest change has not reached yet.
    """

    served: int = 0
    overriding: int = 0
    waiting: int = 0
    paused: int = 0
    behind: int = 0


@dataclass(frozen=True, slots=True)
class GlobalOverview:
    """One row of the grid, with the words of `Overview`; ``home`` names an organization, or ""."""

    mailbox: GlobalMailbox
    account: Account
    key: str
    state: str
    words: str
    home: str
    followers: Followers
    backlog: int
    quarantine_count: int
    first_sync: FirstSync | None

    @property
    def newest_at(self) -> datetime | None:
        """When it was last fetched: what came then is no system administrator's to see."""
        return self.account.synced_at

    @property
    def error(self) -> str:
        """What went wrong last, with what to do about it; "" where nothing did."""
        return self.account.last_error

    @property
    def action(self) -> str:
        """What happens with new messages where nobody says otherwise."""
        action = actions().get(self.mailbox.said("processing")["action"])
        return action.label if action else "Do nothing"

    @property
    def rule_counts(self) -> tuple[int, int]:
        """How many rules are active, of how many."""
        rules = self.mailbox.said("rules")
        return sum(rule["is_active"] for rule in rules), len(rules)


@dataclass(frozen=True, slots=True)
class ServedRow:
    """An organization as the picker shows it, with the fields that it overrides."""

    organization: Organization
    is_served: bool
    mailbox: Mailbox | None
    is_home: bool

    @property
    def overridden(self) -> list[str]:
        """The fields of which its own word applies, by their labels."""
        return _labels(self.mailbox.overridden_fields) if self.mailbox is not None else []

    @property
    def waiting(self) -> list[str]:
        """Those of which it waits for a lock to go."""
        return _labels(self.mailbox.waiting_fields) if self.mailbox is not None else []


def state_of() -> ColumnElement[str]:
    """A key of `STATES`, in a query of global mailboxes with their accounts over all organizations."""
    reader = (
        select(Mailbox.id)
        .join(Organization, Organization.id == Mailbox.organization_id)
        .where(Mailbox.account_id == Account.id, Mailbox.is_enabled, Organization.is_enabled)
        .correlate(Account)
    )
    return case(
        (GlobalMailbox.values["enabled"]["value"].astext == "false", "paused"),
        (Account.home_organization_id.is_not(None) & ~reader.exists(), "unread"),
        else_=connection_state(),
    )


def global_states_of(account_ids: Sequence[UUID]) -> dict[UUID, str]:
    """How the global mailboxes of these accounts are, by account; keys of `STATES`."""
    query = select(GlobalMailbox.account_id).add_columns(state_of())
    query = query.join(Account, Account.id == GlobalMailbox.account_id)
    with across_organizations("a system page says whether anybody reads a global mailbox") as session:
        rows = session.execute(query.where(is_one_of(GlobalMailbox.account_id, account_ids)))
        return {row[0]: row[1] for row in rows}


def global_overview_of(source: GlobalMailbox) -> GlobalOverview:
    """One mailbox's row; the session is bound to the installation."""
    with across_organizations("a system page counts who follows a global mailbox") as session:
        return global_overviews(session, [source.id])[0]


def global_overviews(session: Session, ids: Sequence[UUID]) -> list[GlobalOverview]:
    """These mailboxes in this order, in a session that sees all organizations."""
    query = (
        select(GlobalMailbox, Account, state_of(), Organization.name, _count("stored"), _count("quarantined"))
        .join(Account, Account.id == GlobalMailbox.account_id)
        .outerjoin(Organization, Organization.id == Account.home_organization_id)
        .where(is_one_of(GlobalMailbox.id, ids))
    )
    rows = {row[0].id: row for row in session.execute(query)}
    followers = _followers(session, ids)
    first = first_syncs(session, [row[1].id for row in rows.values()])
    return [
        _overview(rows[id], followers.get(id, Followers()), first.get(rows[id][1].id))
        for id in ids
        if id in rows
    ]


def said_otherwise_counts(source: GlobalMailbox) -> dict[str, int]:
    """How many of the organizations served say each field otherwise; those not named: none.

    It waits where the system has locked the field.
    """
    with across_organizations("a system page counts who overrides what a global mailbox says") as session:
        return {row[0]: row[1] for row in session.execute(_OVERRIDE_COUNTS, {"id": source.id})}


def organization_page(
    source: GlobalMailbox, words: str = "", shown: str = "all", cursor: str = ""
) -> Page[ServedRow]:
    """Organizations by name, with how each stands to a global mailbox.

    What a system administrator looks for narrows a list of which they may see every row.
    """
    home = db.session.scalar(select(Account.home_organization_id).where(Account.id == source.account_id))
    with across_organizations("a system page lists whom a global mailbox serves") as session:
        key: SQLColumnExpression[Any] = func.lower(Organization.name)
        query = _organizations(source, words, shown)
        listed = page(query, key, Organization.id, is_descending=False, cursor=cursor, session=session)
        ids = [organization.id for organization in listed.rows]
        served = set(session.scalars(_served(source).where(Organization.id.in_(ids))))
        mailboxes = {
            mailbox.organization_id: mailbox
            for mailbox in session.scalars(
                select(Mailbox).where(
                    Mailbox.global_mailbox_id == source.id, Mailbox.organization_id.in_(ids)
                )
            )
        }
    rows = [ServedRow(one, one.id in served, mailboxes.get(one.id), one.id == home) for one in listed.rows]
    return Page(rows, listed.previous, listed.next)


def _overview(row: Any, followers: Followers, first: FirstSync | None) -> GlobalOverview:
    source, account, state, home, waiting, quarantined = row
    tone, words = STATES[state]
    return GlobalOverview(
        source, account, state, tone, words, home or "", followers, waiting, quarantined, first
    )


def _count(state: str) -> ColumnElement[int]:
    counted = select(func.count()).where(
        Arrival.account_id == Account.id, Arrival.state == state, Arrival.dismissed_at.is_(None)
    )
    return counted.correlate(Account).scalar_subquery()


def _followers(session: Session, ids: Sequence[UUID]) -> dict[UUID, Followers]:
    def counted(*conditions: ColumnElement[bool]) -> ColumnElement[int]:
        return func.count().filter(Mailbox.is_served, *conditions)

    query = (
        select(
            Mailbox.global_mailbox_id,
            counted(),
            counted(says_otherwise()),
            counted(has_waiting_overrides()),
            counted(Mailbox.is_enabled.is_(False)),
            counted(Mailbox.system_version != GlobalMailbox.version),
        )
        .join(GlobalMailbox, GlobalMailbox.id == Mailbox.global_mailbox_id)
        .where(is_one_of(Mailbox.global_mailbox_id, ids))
        .group_by(Mailbox.global_mailbox_id)
    )
    return {row[0]: Followers(*row[1:]) for row in session.execute(query) if row[0] is not None}


def _organizations(source: GlobalMailbox, words: str, shown: str) -> Select[Organization]:
    query = select(Organization)
    if words:
        found = (
            column.icontains(words, autoescape=True) for column in (Organization.name, Organization.slug)
        )
        query = query.where(next(found) | next(found))
    if shown == "served":
        return query.where(Organization.id.in_(_served(source)))
    if shown == "others":
        return query.where(Organization.id.not_in(_served(source)))
    if shown in _OVERRIDING:
        overriding = select(Mailbox.organization_id).where(
            Mailbox.global_mailbox_id == source.id, Mailbox.is_served, _OVERRIDING[shown]
        )
        return query.where(Organization.id.in_(overriding))
    return query


def _labels(fields: set[str]) -> list[str]:
    return [label for field, label in FIELDS.items() if field in fields]


def _served(source: GlobalMailbox) -> Select[UUID]:
    if source.serves_all:
        return select(Organization.id)
    chosen = select(ServedOrganization.organization_id)
    return select(Organization.id).where(
        Organization.id.in_(chosen.where(ServedOrganization.global_mailbox_id == source.id))
    )
