"""How a mailbox is, in a word, for every page; and whether a pass comes soon, and if not, why.

The rules are those of the claim (`mailboxes.sync.claiming`): what gets no pass is not said to be fetching.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, case, literal, select

from mailboxes.accounts import (
    WAITING_FOR_PEOPLE,
    Account,
    has_folder_in_trouble,
)
from mailboxes.system_mailboxes import Mailbox
from tenants.configuration.catalog import SYSTEM
from tenants.configuration.layers import effective, value_of
from tenants.database import db, is_one_of, now
from tenants.organizations import Organization

# What a state is called, with its tone; the order is that of the grid: what needs somebody comes first.
STATES: dict[str, tuple[str, str]] = {
    "disconnected": ("bad", "Needs to be connected again"),
    "refused": ("bad", "Login rejected, needs a new password"),
    "misconfigured": ("bad", "Needs a change of its settings"),
    "failing": ("warn", "Failing, tries again by itself"),
    "partial": ("warn", "Fetching, but not from every folder"),
    "spent": ("warn", "Today's budget is spent, goes on after midnight (UTC)"),
    "quiet": ("warn", "Left alone for now, as its server asks"),
    "unfetched": ("warn", "The system cannot read it at the moment"),
    "interrupted": ("warn", "A change was interrupted: open it and save it again"),
    "unconnected": ("off", "Not connected"),
    "new": ("busy", "Waiting for its first pass"),
    "first": ("busy", "Its first pass is under way"),
    "ok": ("ok", "Fetching"),
    "system": ("ok", "Fetched by the system"),
    "sends": ("off", "Sends only"),
    "paused": ("paused", "Paused"),
    "off": ("paused", "Paused by configuration"),
    "system_off": ("paused", "Paused by the system's configuration"),
    "closed": ("paused", "Paused: the organization is disabled"),
    "unread": ("paused", "Paused: no organization that it serves has it enabled"),
    "unserved": ("off", "No longer served by the system; what it holds stays"),
}
LIVE = frozenset({"new", "first", "ok", "partial", "system"})  # a pass comes soon, by itself
_WHY_NOT = {
    "disconnected": "It has to be connected again first.",
    "refused": "Its login was rejected: it needs a new password first.",
    "misconfigured": "It needs a change of its settings first.",
    "failing": "Its server cannot be read now; that is tried again by itself.",
    "spent": "As much was fetched today as may be in a day: it goes on after midnight (UTC).",
    "quiet": "Its server is left alone for now; then it goes on by itself.",
    "interrupted": "A change of it was interrupted: open it and save it again.",
    "unconnected": "It is not connected: say first where its mail is fetched.",
    "sends": "It only sends: nothing is fetched without IMAP.",
    "paused": "It is paused: resume it first.",
    "off": "Fetching is switched off in the configuration, under Synchronization.",
    "system_off": "The system's administrators have switched fetching off.",
    "closed": "The organization is disabled.",
    "unread": "No organization that it serves has it enabled.",
    "unfetched": "The system cannot read it at the moment; its administrators look after it.",
    "unserved": "The system no longer serves it.",
}
TRIED_ANYWAY = frozenset({"failing", "refused", "misconfigured"})  # by Sync now, whatever the back-off says


def state_of() -> ColumnElement[str]:
    """A key of `STATES`, in a query of mailboxes with their accounts (`with_accounts`).

    The session is bound to their organization.
    """
    is_open = (
        select(Organization.is_enabled).where(Organization.id == Mailbox.organization_id).correlate(Mailbox)
    )
    is_read = literal(bool(effective("sync.enabled", SYSTEM).value))
    return case(
        (Mailbox.is_served.is_(False), "unserved"),
        (Mailbox.is_enabled.is_(False), "paused"),
        (is_open.scalar_subquery().is_(False), "closed"),
        (Account.id.is_(None) & ~is_read, "system_off"),
        (Account.id.is_(None) & Mailbox.unfetched_since.is_not(None), "unfetched"),
        (Account.id.is_(None), "system"),
        (Account.is_enabled.is_(False), "interrupted"),
        else_=connection_state(),
    )


def connection_state() -> ColumnElement[str]:
    """How an enabled account of the owner that the session is bound to is; a key of `STATES`."""
    waits = case((Account.smtp_enabled, "sends"), else_="unconnected")
    at = now()
    reads = case(
        (Account.state.in_(WAITING_FOR_PEOPLE), Account.state),
        (literal(not value_of("sync.enabled")), "off"),
        (Account.is_spent & (Account.quiet_until > at), "spent"),
        (Account.quiet_until > at, "quiet"),
        ((Account.state == "new") & (Account.lease_expires_at > at), "first"),
        ((Account.state == "ok") & has_folder_in_trouble(), "partial"),
        else_=Account.state,
    )
    return case((Account.imap_enabled, reads), else_=waits)


def with_accounts(query: Select[Any]) -> Select[Any]:
    """Mailboxes with their accounts, where the session may see these."""
    return query.outerjoin(
        Account, (Account.owner_id == Mailbox.account_owner_id) & (Account.id == Mailbox.account_id)
    )


def states_of(account_ids: Sequence[UUID]) -> dict[UUID, str]:
    """The states of the mailboxes of this organization that read these accounts, by account."""
    query = with_accounts(select(Mailbox.account_id).add_columns(state_of()))
    rows = db.session.execute(query.where(is_one_of(Mailbox.account_id, account_ids)))
    return {row[0]: row[1] for row in rows}


def why_no_pass(state: str, quiet_until: datetime | None = None, *, is_forced: bool = False) -> str:
    """Why no pass over a mailbox in this state comes soon, in a sentence or two; "" if one does.

    ``is_forced``: somebody wants it whatever the back-off says (`setup.sync_soon`).
    """
    if state == "quiet" and quiet_until is not None:
        return (
            f"Its server is left alone until {quiet_until:%Y-%m-%d %H:%M} (UTC); then it goes on by itself."
        )
    return "" if is_forced and state in TRIED_ANYWAY else _WHY_NOT.get(state, "")
