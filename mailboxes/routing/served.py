"""Whom a global account serves: the organizations with a mailbox that reads it, paused ones included.

An organization that is served no longer keeps its mailbox, with what came before.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select

from mailboxes.accounts import Account
from mailboxes.routing.deciding import Plan, Rule, comparable
from mailboxes.system_mailboxes import Mailbox
from tenants.database import INSTALLATION, across_organizations, is_one_of
from tenants.organizations import Organization


@dataclass(frozen=True, slots=True)
class Served:
    """An organization and its mailbox. ``is_open``: mail may go there, as both are served and enabled."""

    organization_id: UUID
    name: str
    is_open: bool
    mailbox_id: UUID
    trusted_authserv_id: str
    addresses: tuple[str, ...]


def served_by(account_id: UUID) -> list[Served]:
    """Everybody whom a global account serves, by name."""
    query = (
        select(
            Mailbox.organization_id,
            Organization.name,
            Organization.is_enabled & Mailbox.is_served,
            Mailbox.id,
            Mailbox.trusted_authserv_id,
            Mailbox.address,
            Mailbox.aliases,
        )
        .join(Organization, Organization.id == Mailbox.organization_id)
        .where(Mailbox.account_id == account_id, Mailbox.account_owner_id == INSTALLATION)
        .order_by(func.lower(Organization.name), Organization.id)
    )
    with across_organizations("a global account finds the organizations that it serves") as session:
        rows = session.execute(query).all()
    return [Served(*row[:5], (row.address, *row.aliases)) for row in rows]


def served_counts(account_ids: Sequence[UUID]) -> dict[UUID, int]:
    """To how many organizations mail of each of these global accounts may go."""
    query = (
        select(Mailbox.account_id, func.count())
        .join(Organization, Organization.id == Mailbox.organization_id)
        .where(
            is_one_of(Mailbox.account_id, account_ids),
            Mailbox.account_owner_id == INSTALLATION,
            Organization.is_enabled,
            Mailbox.is_served,
        )
        .group_by(Mailbox.account_id)
    )
    with across_organizations("a system page counts whom global accounts serve") as session:
        return {row[0]: row[1] for row in session.execute(query)}


def plan_of(account: Account, served: Sequence[Served], rules: Sequence[Rule]) -> Plan:
    """What decides where the messages of an account go."""
    addresses = {account.address, *(address for one in served for address in one.addresses)}
    return Plan(
        served=frozenset(one.organization_id for one in served if one.is_open),
        rules=tuple(rules),
        home=account.home_organization_id,
        own_addresses=frozenset(filter(None, map(comparable, addresses))),
    )
