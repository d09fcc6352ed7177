"""The accounts of the whole installation that are worst off, for its administrators; never a message."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, case, func, select, text

from mailboxes.accounts import IN_TROUBLE, Account, shown_state
from mailboxes.global_mailboxes.table import GlobalMailbox
from mailboxes.setup.states import STATES
from mailboxes.sync.claiming import is_wanted
from mailboxes.system_mailboxes import Mailbox
from tenants.database import across_organizations
from tenants.organizations import Organization

MOST_SHOWN = 50
MOST_COUNTED = 1_000  # in the navigation


@dataclass(frozen=True, slots=True)
class Worst:
    """One account. ``organization`` names its owner ("": the installation); ``mailbox_id``: its page."""

    address: str
    organization_id: UUID | None
    organization: str
    mailbox_id: UUID | None
    tone: str
    words: str
    error: str
    failing_since: datetime | None
    synced_at: datetime | None
    next_attempt_at: datetime


def troubled_count() -> int:
    """How many accounts of the installation are in trouble, at most `MOST_COUNTED`."""
    query = select(Account.id).where(_fails()).limit(MOST_COUNTED)
    with across_organizations("the navigation of system pages counts accounts in trouble") as session:
        return session.scalar(select(func.count()).select_from(query.subquery())) or 0


def worst_accounts() -> tuple[list[Worst], int]:
    """Those that fail, the worst and the longest first, at most `MOST_SHOWN`; and how many there are."""
    fails = _fails()
    place = case({state: place for place, state in enumerate(IN_TROUBLE)}, value=Account.state)
    query = (
        select(Account, shown_state(), Organization.name, Mailbox.id, GlobalMailbox.id)
        .outerjoin(Organization, Organization.id == Account.organization_id)
        .outerjoin(
            Mailbox,
            and_(Mailbox.organization_id == Account.organization_id, Mailbox.account_id == Account.id),
        )
        .outerjoin(GlobalMailbox, GlobalMailbox.account_id == Account.id)
        .where(fails)
        .order_by(place, Account.failing_since, Account.id)
        .limit(MOST_SHOWN)
    )
    with across_organizations("a system page shows the accounts that are worst off") as session:
        count = session.scalar(select(func.count()).select_from(Account).where(fails)) or 0
        return [_shown(*row) for row in session.execute(query)], count


def _fails() -> ColumnElement[bool]:
    fails = and_(Account.is_enabled, Account.imap_enabled, Account.state.in_(IN_TROUBLE))
    return and_(Account.may_be_ill, fails, text(is_wanted("accounts")))  # the first finds them by an index


def _shown(
    account: Account, state: str, organization: str | None, own: UUID | None, systems: UUID | None
) -> Worst:
    tone, words = STATES[state]
    return Worst(
        address=account.address,
        organization_id=account.organization_id,
        organization=organization or "",
        mailbox_id=own or systems,
        tone=tone,
        words=words,
        error=account.last_error,
        failing_since=account.failing_since,
        synced_at=account.synced_at,
        next_attempt_at=account.next_attempt_at,
    )
