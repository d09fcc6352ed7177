"""Whom and what a global mailbox reaches, counted before something is done to it, and said in words."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, ColumnExpressionArgument, Select, func, select

from mailboxes.arrivals import Arrival
from mailboxes.global_mailboxes.saving import account_of
from mailboxes.global_mailboxes.table import GlobalMailbox
from mailboxes.messages import Message
from mailboxes.system_mailboxes import Mailbox
from tenants.database import across_organizations, db
from tenants.organizations import Organization

Condition = ColumnExpressionArgument[bool]
IS_SAME_MAILBOX = (Mailbox.organization_id == Message.organization_id) & (Mailbox.id == Message.mailbox_id)


@dataclass(frozen=True, slots=True)
class Consequence:
    """What an act does, and to whom; ``key`` names it. ``keeps`` say what it leaves as it is."""

    key: str
    effects: tuple[str, ...]
    keeps: tuple[str, ...] = ()


def mailbox_count(source: GlobalMailbox, *which: Condition) -> int:
    """How many organizations' mailboxes follow it, of those which."""
    query = select(func.count()).select_from(Mailbox)
    return everywhere(query.where(Mailbox.global_mailbox_id == source.id, *which))


def message_count(source: GlobalMailbox, *which: Condition) -> int:
    """How many messages they hold."""
    query = select(func.count()).select_from(Message).join(Mailbox, IS_SAME_MAILBOX)
    return everywhere(query.where(Mailbox.global_mailbox_id == source.id, *which))


def came_before(source: GlobalMailbox) -> str:
    """What no act touches."""
    return f"{messages(message_count(source))} that came before: where they are"


def waiting_unrouted(source: GlobalMailbox) -> str:
    """What waits for a person to say whose it is."""
    waiting = select(func.count()).where(Arrival.account_id == source.account_id, Arrival.state == "unrouted")
    return f"{messages(here(waiting))} in the Unrouted queue: there until assigned"


def here(query: Select[Any]) -> int:
    """A number of the installation's own."""
    return db.session.scalar(query) or 0


def everywhere(query: Select[Any]) -> int:
    """A number over all organizations, for a system administrator to read."""
    with across_organizations("a system page counts whom an act on a global mailbox concerns") as session:
        return session.scalar(query) or 0


def home_of(source: GlobalMailbox) -> str:
    """What its home organization is called; "" where it has none."""
    return name_of(account_of(source).home_organization_id)


def name_of(organization_id: UUID | None) -> str:
    """What an organization is called; "" for none."""
    return db.session.scalar(select(Organization.name).where(Organization.id == organization_id)) or ""


def organizations(number: int) -> str:
    """So many of them, in words."""
    return counted(number, "organization", "organizations")


def messages(number: int) -> str:
    """So many of them, in words."""
    return counted(number, "message", "messages")


def counted(number: int, one: str, many: str) -> str:
    """A number with its noun."""
    return f"{number:,} {one if number == 1 else many}"


def is_said(field: str) -> ColumnElement[bool]:
    """Whether an organization says a field otherwise, be it that it applies or waits."""
    said: ColumnElement[bool] = Mailbox.overrides.has_key(field)
    return said
