"""An organization goes, with everything that is its own.

Marked first, and disabled, which stops its people, its mail and its answers at once. Then a job deletes what
is bulky, some rows in one transaction, and at last its row: every table of organizations hangs on that one.
Whatever dies in between is gone on with when the schedule rings again.
"""

from dataclasses import dataclass
from uuid import UUID

import structlog
from sqlalchemy import Select, delete, exists, func, select, update
from sqlalchemy.orm import Session

from mailboxes.accounts import Account
from mailboxes.arrivals import Arrival, Raw
from mailboxes.counting import what_there_is
from mailboxes.global_mailboxes.table import GlobalMailbox
from mailboxes.messages import Attachment, Message
from mailboxes.raws import forget_objects_of
from mailboxes.routing.rules import RoutingRule
from mailboxes.system_mailboxes import SEES_DELETED, Mailbox
from mailboxes.webhooks.table import WebhookCall
from tenants.audit import Actor, record_for_system
from tenants.database import across_organizations, current_organization_id, db, inside, now
from tenants.errors import InvalidError
from tenants.installation.organizations import lock
from tenants.organizations import Membership, Organization
from tenants.users import User

BULKY = (WebhookCall, Message, Arrival, Raw)  # in this order: what names a raw goes before it
AT_ONCE = 500  # rows of one transaction
MOST_IN_A_TURN = 40  # transactions of one job

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Effects:
    """What goes with an organization, counted by its plural, and what becomes otherwise for the system."""

    counts: dict[str, int]
    people_left_alone: int  # who belong to no other organization
    routing_rules: int
    homes: tuple[str, ...]  # global mailboxes whose home it is


def deletion_effects() -> Effects:
    """What people read before they type the name of the current organization."""
    id = current_organization_id()
    counts = {
        "members": db.session.scalar(select(func.count()).select_from(Membership)) or 0,
        **{what: count for what, count in what_there_is().items() if what != "active people"},
        "files": db.session.scalar(select(func.count()).select_from(Attachment)) or 0,
    }
    with across_organizations("a system page counts what goes with an organization") as session:
        homes = session.scalars(
            select(GlobalMailbox)
            .join(Account, Account.id == GlobalMailbox.account_id)
            .where(Account.home_organization_id == id)
        )
        return Effects(
            counts,
            session.scalar(_members_of_nothing_else(id)) or 0,
            session.scalar(select(func.count()).where(RoutingRule.organization_id == id)) or 0,
            tuple(sorted(source.label for source in homes)),
        )


def begin_deleting(organization: Organization, typed_name: str, *, by: Actor) -> None:
    """Close an organization for good; a job deletes it from now on. The caller commits, and rings.

    `InvalidError` unless its name was typed, `NotFoundError` if somebody else was first. The session is
    inside the organization.
    """
    lock(organization)  # its name may be another one meanwhile, and nobody enables it after this
    if typed_name.strip() != organization.name:
        raise InvalidError(f"Type the name {organization.name} to delete it.", field="confirmation")
    counts = deletion_effects().counts
    organization.is_enabled = False
    organization.deleted_at, organization.deleted_by = now(), by.name
    record_for_system(by, "organization.deleted", organization.name, counts, {})


def organizations_to_delete() -> list[UUID]:
    """Those that are to go and are not gone."""
    return list(db.session.scalars(select(Organization.id).where(Organization.deleted_at.is_not(None))))


def go_on_deleting(organization_id: UUID) -> bool:
    """Delete more of an organization that is to go; whether it is gone. Commits."""
    organization = db.session.get(Organization, organization_id)
    if organization is None or organization.deleted_at is None:
        return organization is None
    if not _thinned_out(organization_id):
        return False
    forget_objects_of(organization_id)
    _forget(organization_id)
    forget_objects_of(organization_id)  # of a pass that was under way
    log.info("organization deleted", organization=str(organization_id))
    return True


def _thinned_out(organization_id: UUID) -> bool:
    """Whether nothing bulky is left."""
    with inside(organization_id) as session:
        for _ in range(MOST_IN_A_TURN):
            _hold_out_intake(session, organization_id)
            if not any(_delete_some(table) for table in BULKY):
                return True
            session.commit()
    return False


def _hold_out_intake(session: Session, organization_id: UUID) -> None:
    """Wait for what is being stored, and let nothing begin until the transaction ends.

    A pass holds the account's row before it names a raw, and a delivery the mailbox's. That may count the
    first message of an hour then, in a row that refers to the account: this one is held so that it may, or
    each would wait for the other.
    """
    for table, key_share in ((Account, True), (Mailbox, False)):
        rows = select(table.id).where(table.organization_id == organization_id).order_by(table.id)
        held = rows.with_for_update(key_share=key_share)
        session.execute(held, execution_options={SEES_DELETED: True})


def _delete_some(table: type[WebhookCall | Message | Arrival | Raw]) -> int:
    ids = db.session.scalars(select(table.id).limit(AT_ONCE)).all()
    if ids:
        gone = delete(table).where(table.id.in_(ids))
        db.session.execute(gone.execution_options(synchronize_session=False))
    return len(ids)


def _forget(organization_id: UUID) -> None:
    """The row goes, and with it what hangs on it; what only remembers its id forgets it."""
    with across_organizations("an organization is deleted with what is left of it") as session:
        _hold_out_intake(session, organization_id)
        session.execute(
            update(Account)
            .where(Account.home_organization_id == organization_id)
            .values(home_organization_id=None)
        )
        session.execute(
            update(User)
            .where(User.current_organization_id == organization_id)
            .values(current_organization_id=None)
        )
        for table in BULKY:  # whatever a pass has stored meanwhile; it may name what goes before it
            session.execute(delete(table).where(table.organization_id == organization_id))
        session.execute(
            delete(Organization).where(
                Organization.id == organization_id, Organization.deleted_at.is_not(None)
            )
        )
        session.commit()


def _members_of_nothing_else(id: UUID) -> Select[int]:
    other = Membership.__table__.alias()
    belongs_elsewhere = exists().where(other.c.user_id == Membership.user_id, other.c.organization_id != id)
    return select(func.count()).where(Membership.organization_id == id, ~belongs_elsewhere)
