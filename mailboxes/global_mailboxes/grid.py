"""The grid of global mailboxes, for system administrators: the same as an organization's, one level up.

It looks across organizations only to count who follows; of their messages it knows nothing.
"""

from sqlalchemy import Boolean, ColumnElement, cast, func, select

from mailboxes.accounts import Account, suspects
from mailboxes.arrivals import Arrival
from mailboxes.crm.paging import Order
from mailboxes.global_mailboxes.listing import global_overviews, state_of
from mailboxes.global_mailboxes.table import GlobalMailbox
from mailboxes.setup.grid import (
    LONG_AGO,
    MOST_COUNTED,
    NEED_ATTENTION,
    GridFilter,
    Level,
    Listed,
    by_urgency,
    listed,
)
from mailboxes.system_mailboxes import Mailbox, has_waiting_overrides, says_otherwise
from tenants.database import across_organizations, db


def _said(field: str) -> ColumnElement[str]:
    value: ColumnElement[str] = GlobalMailbox.values[field]["value"].astext
    return value


def _followers(*which: ColumnElement[bool]) -> ColumnElement[int]:
    counted = select(func.count()).select_from(Mailbox)
    following = counted.where(Mailbox.global_mailbox_id == GlobalMailbox.id, Mailbox.is_served, *which)
    return following.correlate(GlobalMailbox).scalar_subquery()


def _waiting() -> ColumnElement[int]:
    counted = select(func.count()).where(
        Arrival.account_id == GlobalMailbox.account_id, Arrival.state == "stored"
    )
    return counted.correlate(GlobalMailbox).scalar_subquery()


def system_level() -> Level:
    """Global mailboxes; how they are depends on the system's configuration now."""
    return Level(
        id=GlobalMailbox.id,
        searched=(_said("label"), GlobalMailbox.address, func.array_to_string(GlobalMailbox.aliases, " ")),
        state=state_of(),
        is_shadow=func.coalesce(cast(_said("shadow"), Boolean), False),
        action=GlobalMailbox.values["processing"]["value"]["action"].astext,
        scopes={
            "all": ("All organizations", GlobalMailbox.serves_all.is_(True)),
            "chosen": ("Chosen organizations", GlobalMailbox.serves_all.is_(False)),
            "routed": ("Routed", Account.delivery_mode == "routed"),
            "copied": ("Copied", Account.delivery_mode == "copied"),
            "overridden": ("Overridden somewhere", _followers(says_otherwise()) > 0),
            "waiting": ("Overrides wait for a lock", _followers(has_waiting_overrides()) > 0),
        },
        sorts={
            "label": func.lower(_said("label")),
            "address": GlobalMailbox.address,
            "state": by_urgency(state_of()),
            "processing": GlobalMailbox.values["processing"]["value"]["action"].astext,
            "follow": _followers(),
            "override": _followers(says_otherwise()),
            "newest": func.coalesce(Account.synced_at, LONG_AGO),
            "waiting": _waiting(),
        },
        rows=global_overviews,
    )


def global_attention_count() -> int:
    """How many global mailboxes need attention, at most `MOST_COUNTED`; the session is the installation's."""
    query = (
        select(GlobalMailbox.id)
        .join(Account, Account.id == GlobalMailbox.account_id)
        .where(Account.id.in_(suspects()), GlobalMailbox.deleted_at.is_(None))
        .where(state_of().in_(NEED_ATTENTION))
        .limit(MOST_COUNTED)
    )
    return db.session.scalar(select(func.count()).select_from(query.subquery())) or 0


def global_mailbox_page(filter: GridFilter, order: Order, cursor: str = "") -> Listed:
    """A page of them, whoever is served."""
    query = (
        select(GlobalMailbox.id)
        .join(Account, Account.id == GlobalMailbox.account_id)
        .where(GlobalMailbox.deleted_at.is_(None))
    )
    with across_organizations("a system page lists global mailboxes with who follows them") as session:
        return listed(system_level(), session, query, filter, order, cursor)
