"""Global accounts for tests: an account of the installation, and the mailboxes that read it."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select

from mailboxes.accounts import Account, Folder
from mailboxes.arrivals import Arrival
from mailboxes.intake import Delivered, deliver
from mailboxes.invariants import check_all
from mailboxes.messages import Location, Message
from mailboxes.routing.records import Routing
from mailboxes.routing.rules import RoutingRule, RuleValues, add_rule
from mailboxes.system_mailboxes import Mailbox, MailboxGrant
from tenants.audit import Actor
from tenants.database import INSTALLATION, db, inside, inside_installation, now
from tests.factories import World
from tests.mailboxes.arriving import arrive

ADDRESS = "orders@postroom.test"
SOMEBODY = Actor("Sam System")


def make_global_account(mode: str = "routed", home: World | None = None, **given: Any) -> UUID:
    """An account of the installation with an inbox, a Sent folder and an archive."""
    with inside_installation("a test") as session:
        account = Account(
            **{
                "address": ADDRESS,
                "delivery_mode": mode,
                "home_organization_id": home.id if home else None,
                **given,
            }
        )
        session.add(account)
        session.flush()
        for name, use in (("INBOX", "inbox"), ("Sent", "sent"), ("Archive", "archive")):
            session.add(
                Folder(
                    account_id=account.id,
                    name_raw=name.encode(),
                    name=name,
                    special_use=use,
                    is_synced=True,
                )
            )
        session.commit()
        return account.id


def make_routed_account(*worlds: World) -> UUID:
    """A routed account that serves these organizations, with no home and no rules."""
    account_id = make_global_account()
    for world in worlds:
        serve(world, account_id)
    return account_id


def serve(world: World, account_id: UUID, **given: Any) -> Mailbox:
    """The mailbox by which an organization is served; equal label and address in each."""
    with inside(world.id):
        mailbox = Mailbox(
            account_id=account_id,
            account_owner_id=INSTALLATION,
            **{
                "label": "Orders",
                "address": ADDRESS,
                "automation_from": now() - timedelta(days=1),
                **given,
            },
        )
        db.session.add(mailbox)
        db.session.flush()
        for reader in (world.admin, world.member):
            db.session.add(MailboxGrant(mailbox_id=mailbox.id, membership_id=reader.id, level="reply"))
        db.session.commit()
    return mailbox


def make_rule(account_id: UUID, field: str, value: str, world: World) -> RoutingRule:
    """A rule at the end of the account's list."""
    with inside_installation("a test") as session:
        account = session.get_one(Account, account_id)
        rule = add_rule(account, RuleValues(field, value, world.id), by=SOMEBODY)
        session.commit()
        return rule


def arrive_globally(account_id: UUID, *raws: bytes, **given: Any) -> list[UUID]:
    """Store arrivals of a global account; their ids."""
    with inside_installation("a test"):
        return arrive(Mailbox(account_id=account_id, organization_id=None), *raws, **given)


def deliver_globally(account_id: UUID) -> list[Delivered]:
    """Deliver what waits."""
    with inside_installation("a test"):
        return deliver(account_id)


def receive_globally(account_id: UUID, *raws: bytes, **given: Any) -> list[UUID]:
    """Let messages arrive and be delivered; the arrivals."""
    ids = arrive_globally(account_id, *raws, **given)
    deliver_globally(account_id)
    return ids


def subjects_in(world: World) -> list[str]:
    """What an organization has, in the order of delivery."""
    with inside(world.id):
        return list(db.session.scalars(select(Message.subject).order_by(Message.id)))


def message_in(world: World, arrival_id: UUID) -> Message | None:
    """What an arrival has become in an organization."""
    with inside(world.id):
        return db.session.scalar(
            select(Message)
            .join(Location, Location.message_id == Message.id)
            .where(Location.arrival_id == arrival_id)
        )


def ways_of_arrival(arrival_id: UUID) -> list[Routing]:
    """Everything that was decided about an arrival."""
    with inside_installation("a test") as session:
        query = select(Routing).where(Routing.arrival_id == arrival_id).order_by(Routing.id)
        return list(session.scalars(query))


def state_of(arrival_id: UUID) -> Arrival:
    """The arrival itself."""
    with inside_installation("a test") as session:
        return session.get_one(Arrival, arrival_id)


def demand_sound() -> None:
    """What must always hold does; only I19 does not, as mailboxes of tests are on no record."""
    assert [found for found in check_all() if found.broken and found.invariant.name != "I19"] == []
