"""The grid of mailboxes: filtered, sorted, a page at a time, at both levels."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, SQLColumnExpression, case, func, or_, select
from sqlalchemy.orm import Session

from mailboxes.crm.paging import Order, Page, page
from mailboxes.setup.overview import (
    STATES,
    Overview,
    backlog,
    newest_at,
    overviews_of,
    state_of,
    with_accounts,
)
from mailboxes.system_mailboxes import Mailbox
from tenants.database import INSTALLATION, db

SIZE = 50
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
# What people look for: the words of the filter, and the states that it finds.
STATE_FILTERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "attention": ("Needs attention", ("disconnected", "refused", "failing", "interrupted", "unconnected")),
    "new": ("Waiting for its first pass", ("new",)),
    "ok": ("Works", ("ok", "system", "sends")),
    "paused": ("Paused", ("paused", "unserved")),
}
SCOPES: dict[str, tuple[str, ColumnElement[bool]]] = {
    "organization": ("Organization", Mailbox.account_owner_id != INSTALLATION),
    "system": ("System", Mailbox.account_owner_id == INSTALLATION),
    "overridden": ("Overridden", Mailbox.overrides != {}),
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
    """A page of the grid, and how many mailboxes the filter finds in all."""

    page: Page[Overview]
    count: int


SORTS: dict[str, SQLColumnExpression[Any]] = {
    "label": func.lower(Mailbox.label),
    "address": Mailbox.address,
    "state": case({key: place for place, key in enumerate(STATES)}, value=state_of()),
    "processing": Mailbox.action,
    "newest": func.coalesce(newest_at(), LONG_AGO),
    "waiting": backlog(),
}


def mailbox_page(filter: GridFilter, order: Order, cursor: str = "") -> Listed:
    """Mailboxes of the current organization."""
    return _listed(db.session(), select(Mailbox.id), filter, order, cursor)


def _listed(session: Session, query: Select[Any], filter: GridFilter, order: Order, cursor: str) -> Listed:
    found = _filtered(with_accounts(query), filter)
    count = session.scalar(select(func.count()).select_from(found.subquery())) or 0
    ids = page(
        found,
        SORTS[order.name],
        Mailbox.id,
        is_descending=order.is_descending,
        cursor=cursor,
        size=SIZE,
        session=session,
    )
    return Listed(Page(overviews_of(session, ids.rows), ids.previous, ids.next), count)


def _filtered(query: Select[Any], filter: GridFilter) -> Select[Any]:
    if filter.words:
        wanted = [
            column.icontains(filter.words, autoescape=True)
            for column in (Mailbox.label, Mailbox.address, func.array_to_string(Mailbox.aliases, " "))
        ]
        query = query.where(or_(*wanted))
    if filter.scope in SCOPES:
        query = query.where(SCOPES[filter.scope][1])
    if filter.state == SHADOW:
        query = query.where(Mailbox.is_shadow)
    elif filter.state in STATE_FILTERS:
        query = query.where(state_of().in_(STATE_FILTERS[filter.state][1]))
    if filter.action:
        query = query.where(Mailbox.action == filter.action)
    return query
