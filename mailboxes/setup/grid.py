"""The grid of mailboxes, which is the health page too: filtered, sorted, a page at a time, at both levels.

What the levels differ in is said by a `Level`: here that of an organization's mailboxes, in
`mailboxes.global_mailboxes.grid` that of the system's.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, SQLColumnExpression, case, func, or_, select, union
from sqlalchemy.orm import Session

from mailboxes.accounts import IN_TROUBLE, suspects
from mailboxes.crm.paging import Order, Page, page
from mailboxes.setup.overview import backlog, newest_at, overviews_of
from mailboxes.setup.states import STATES, state_of, with_accounts
from mailboxes.system_mailboxes import Mailbox, has_waiting_overrides, says_otherwise
from tenants.database import INSTALLATION, db

SIZE = 50
MOST_COUNTED = 1_000  # in the navigation
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
NEED_ATTENTION = (*IN_TROUBLE, "partial", "spent", "quiet", "unfetched", "interrupted", "unconnected")
# What people look for: the words of the filter, and the states that it finds.
STATE_FILTERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "attention": ("Needs attention", NEED_ATTENTION),
    "new": ("Before its first pass", ("new", "first")),
    "ok": ("Works", ("ok", "system", "sends")),
    "paused": ("Paused", ("paused", "off", "system_off", "closed", "unread", "unserved")),
}
OTHERWISE, SHADOW = "label", "shadow"


@dataclass(frozen=True)
class GridFilter:
    """What the grid shows; everything where it is empty."""

    words: str = ""
    scope: str = ""
    state: str = ""
    action: str = ""

    def __bool__(self) -> bool:
        return any((self.words, self.scope, self.state, self.action))


@dataclass(frozen=True)
class Listed:
    """A page of the grid (rows are `Overview` or `GlobalOverview`), and how many the filter finds in all."""

    page: Page[Any]
    count: int


@dataclass(frozen=True)
class Level:
    """What a query of one level is searched, narrowed and sorted by; ``rows`` turns ids into rows."""

    id: SQLColumnExpression[UUID]
    searched: tuple[ColumnElement[str] | SQLColumnExpression[str], ...]
    state: ColumnElement[str]
    is_shadow: ColumnElement[bool] | SQLColumnExpression[bool]
    action: ColumnElement[str] | SQLColumnExpression[str]
    scopes: dict[str, tuple[str, ColumnElement[bool]]]
    sorts: dict[str, SQLColumnExpression[Any]]
    rows: Callable[[Session, Sequence[UUID]], list[Any]]


def listed(
    level: Level, session: Session, query: Select[Any], filter: GridFilter, order: Order, cursor: str
) -> Listed:
    """A page of ids of this level, with as many queries however long it is."""
    found = _filtered(level, query, filter)
    count = session.scalar(select(func.count()).select_from(found.subquery())) or 0
    ids = page(
        found,
        level.sorts[order.name],
        level.id,
        is_descending=order.is_descending,
        cursor=cursor,
        size=SIZE,
        session=session,
    )
    return Listed(Page(level.rows(session, ids.rows), ids.previous, ids.next), count)


def by_urgency(state: ColumnElement[str]) -> ColumnElement[int]:
    """States in the order of `STATES`: what needs somebody comes first."""
    return case({key: place for place, key in enumerate(STATES)}, value=state)


SCOPES: dict[str, tuple[str, ColumnElement[bool]]] = {
    "organization": ("Organization", Mailbox.account_owner_id != INSTALLATION),
    "system": ("System", Mailbox.account_owner_id == INSTALLATION),
    "overridden": ("Overridden", says_otherwise()),
    "waiting": ("Overrides wait for a lock", has_waiting_overrides()),
}
SORTS: dict[str, SQLColumnExpression[Any]] = {
    "label": func.lower(Mailbox.label),
    "address": Mailbox.address,
    "processing": Mailbox.action,
    "newest": func.coalesce(newest_at(), LONG_AGO),
    "waiting": backlog(),
}


def organization_level() -> Level:
    """An organization's mailboxes; how they are depends on its configuration now."""
    return Level(
        id=Mailbox.id,
        searched=(Mailbox.label, Mailbox.address, func.array_to_string(Mailbox.aliases, " ")),
        state=state_of(),
        is_shadow=Mailbox.is_shadow,
        action=Mailbox.action,
        scopes=SCOPES,
        sorts={**SORTS, "state": by_urgency(state_of())},
        rows=overviews_of,
    )


def attention_count() -> int:
    """How many mailboxes of the current organization need attention, at most `MOST_COUNTED`."""
    possibly = union(
        select(Mailbox.id).where(Mailbox.account_id.in_(suspects())),
        select(Mailbox.id).where(Mailbox.unfetched_since.is_not(None)),
    )
    ill = with_accounts(select(Mailbox.id)).where(Mailbox.id.in_(possibly))
    query = ill.where(state_of().in_(NEED_ATTENTION)).limit(MOST_COUNTED)
    return db.session.scalar(select(func.count()).select_from(query.subquery())) or 0


def mailbox_page(filter: GridFilter, order: Order, cursor: str = "") -> Listed:
    """Mailboxes of the current organization."""
    return listed(
        organization_level(), db.session(), with_accounts(select(Mailbox.id)), filter, order, cursor
    )


def _filtered(level: Level, query: Select[Any], filter: GridFilter) -> Select[Any]:
    if filter.words:
        wanted = [column.icontains(filter.words, autoescape=True) for column in level.searched]
        query = query.where(or_(*wanted))
    if filter.scope in level.scopes:
        query = query.where(level.scopes[filter.scope][1])
    if filter.state == SHADOW:
        query = query.where(level.is_shadow)
    elif filter.state in STATE_FILTERS:
        query = query.where(level.state.in_(STATE_FILTERS[filter.state][1]))
    if filter.action:
        query = query.where(level.action == filter.action)
    return query
