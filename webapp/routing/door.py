"""What the pages of routing share: the installation's scope, one account, and organizations by name."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from mailboxes.accounts import Account
from mailboxes.global_mailboxes.table import GlobalMailbox
from mailboxes.routing.served import Served, served_by, served_counts
from tenants.database import inside_installation, is_one_of
from tenants.errors import NotFoundError
from tenants.organizations import Organization


@contextmanager
def installation() -> Iterator[Session]:
    """The installation's own scope; ``g`` and the session of the request are outside of it."""
    with inside_installation("a system page is about routing") as session:
        yield session


@dataclass(frozen=True)
class Place:
    """A global account as its pages show it. ``home`` is the name of an organization, or ""."""

    account: Account
    label: str
    home: str
    served: list[Served]

    @property
    def open_names(self) -> list[str]:
        """Organizations that may be chosen, by the text that chooses them."""
        return sorted(self.ids, key=str.casefold)

    @cached_property
    def ids(self) -> dict[str, UUID]:
        """Ids by that text: the name, and the beginning of the id where two have the same name."""
        names = Counter(one.name for one in self.served if one.is_open)
        return {_text(one, names): one.organization_id for one in self.served if one.is_open}

    @cached_property
    def names(self) -> dict[UUID, str]:
        """What organizations that this account serves, or has served, are called."""
        names = Counter(one.name for one in self.served)
        return {one.organization_id: _text(one, names) for one in self.served}

    def is_open(self, organization_id: UUID) -> bool:
        """Whether mail may go there."""
        return organization_id in self.ids.values()

    def organization_of(self, text: str) -> UUID | None:
        """The organization that somebody typed or chose; None if there is none like that."""
        wanted = text.strip().casefold()
        return next((id for name, id in self.ids.items() if name.casefold() == wanted), None)


def place_of(session: Session, account_id: UUID) -> Place:
    """A global account; `NotFoundError` if it is none. The session is bound to the installation."""
    account = session.scalar(select(Account).where(Account.id == account_id))
    if account is None:
        raise NotFoundError("This global mailbox does not exist.")
    source = session.scalar(select(GlobalMailbox).where(GlobalMailbox.account_id == account_id))
    home_id = account.home_organization_id
    home = session.get(Organization, home_id) if home_id else None
    label = source.label if source is not None else account.address
    return Place(account, label, home.name if home else "", served_by(account_id))


@dataclass(frozen=True)
class ListedPlace:
    """A global account as a list shows it, with how many organizations its mail may go to."""

    account: Account
    label: str
    home: str
    served_count: int


def listed_places(session: Session, accounts: Sequence[Account]) -> list[ListedPlace]:
    """These global accounts. The session is bound to the installation."""
    ids = [account.id for account in accounts]
    sources = session.scalars(select(GlobalMailbox).where(is_one_of(GlobalMailbox.account_id, ids)))
    labels = {source.account_id: source.label for source in sources}
    homes = organization_names(session, {account.home_organization_id for account in accounts})
    counts = served_counts(ids)
    return [
        ListedPlace(
            account,
            labels.get(account.id, account.address),
            homes.get(account.home_organization_id, "") if account.home_organization_id else "",
            counts.get(account.id, 0),
        )
        for account in accounts
    ]


def organization_names(session: Session, ids: set[UUID | None]) -> dict[UUID, str]:
    """Names of any organizations, for what went to those that are served no more."""
    wanted = [id for id in ids if id is not None]
    rows: Any = session.execute(select(Organization.id, Organization.name).where(Organization.id.in_(wanted)))
    return {row[0]: row[1] for row in rows}


def _text(one: Served, names: Counter[str]) -> str:
    return one.name if names[one.name] == 1 else f"{one.name} ({str(one.organization_id)[-6:]})"
