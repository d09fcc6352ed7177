"""A global mailbox goes, with what every organization that it serves holds of it.

Marked first, which stops it at once; then a job closes and deletes its mailbox in one organization after
another, as any mailbox is deleted; at last the account, which is on record then. Whatever dies in between
is gone on with when the schedule rings again.
"""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, func, select
from sqlalchemy import delete as sql_delete

from mailboxes.accounts import Account
from mailboxes.arrivals import Arrival
from mailboxes.global_mailboxes.saving import account_of, changed, lock
from mailboxes.global_mailboxes.table import GlobalMailbox
from mailboxes.messages import Message
from mailboxes.raws import forget_objects, forget_raws
from mailboxes.setup import deleting
from mailboxes.system_mailboxes import SEES_DELETED, Mailbox
from mailboxes.threads import Thread, ThreadRecord
from tenants.audit import Actor, record_for_system
from tenants.database import across_organizations, db, inside, inside_installation, now
from tenants.errors import InvalidError, NotFoundError

AT_ONCE = 25  # organizations that one job closes, or deletes from


@dataclass(frozen=True, slots=True)
class Effects:
    """What goes with a global mailbox, counted."""

    organizations: int
    messages: int
    waiting: int
    leads: int  # these stay, as do the cases
    cases: int


def deletion_effects(source: GlobalMailbox) -> Effects:
    """What people read before they type its label."""
    of_it = Mailbox.global_mailbox_id == source.id
    with across_organizations("a system page counts what goes with a global mailbox") as session:
        organizations = session.scalar(select(func.count()).select_from(Mailbox).where(of_it))
        messages = session.scalar(
            select(func.count())
            .select_from(Message)
            .join(
                Mailbox,
                (Mailbox.organization_id == Message.organization_id) & (Mailbox.id == Message.mailbox_id),
            )
            .where(of_it)
        )
        leads, cases = session.execute(
            select(func.count(ThreadRecord.lead_id.distinct()), func.count(ThreadRecord.case_id.distinct()))
            .join(
                Thread,
                (Thread.organization_id == ThreadRecord.organization_id)
                & (Thread.id == ThreadRecord.thread_id),
            )
            .join(
                Mailbox,
                (Mailbox.organization_id == Thread.organization_id) & (Mailbox.id == Thread.mailbox_id),
            )
            .where(of_it)
        ).one()
    waiting = select(func.count()).where(
        Arrival.account_id == source.account_id, Arrival.state.in_(("stored", "unrouted", "quarantined"))
    )
    return Effects(organizations or 0, messages or 0, db.session.scalar(waiting) or 0, leads, cases)


def begin_deleting(source: GlobalMailbox, typed_label: str, *, by: Actor) -> None:
    """Stop it for everybody, and let it go from now on. `InvalidError` unless its label was typed."""
    lock(source)
    if typed_label.strip() != source.label:
        raise InvalidError(f"Type the label {source.label} to delete it.", field="confirmation")
    source.deleted_at, source.deleted_by = now(), by.name
    account_of(source).is_enabled = False
    changed(source)
    record_for_system(by, "mailbox.deletion_begun", source.label)


def global_mailboxes_to_delete() -> list[UUID]:
    """Those that are to go and are not gone."""
    with inside_installation("the sweep goes on with global mailboxes that are to go") as session:
        return list(session.scalars(select(GlobalMailbox.id).where(GlobalMailbox.deleted_at.is_not(None))))


def go_on_deleting(global_mailbox_id: UUID) -> bool:
    """Close it everywhere, delete a turn of it in some organizations, and at last itself; whether it is gone.

    Commits. A turn is as long as that of any mailbox, however many organizations share it.
    """
    with inside_installation("a global mailbox is being deleted") as session:
        source = session.get(GlobalMailbox, global_mailbox_id)
        if source is None or source.deleted_at is None:
            return source is None
        by = Actor(source.deleted_by)
    for mailbox_id, organization_id in _left(global_mailbox_id, Mailbox.deleted_at.is_(None)):
        _close(organization_id, mailbox_id, by)
    if _left(global_mailbox_id, Mailbox.deleted_at.is_(None)):
        return False
    turn = deleting.a_turn()
    for mailbox_id, organization_id in _left(global_mailbox_id):
        with inside(organization_id):
            if not deleting.go_on_deleting(mailbox_id, turn):
                return False
    if _left(global_mailbox_id):
        return False
    _forget(global_mailbox_id)
    return True


def _left(id: UUID, *conditions: ColumnElement[bool]) -> list[tuple[UUID, UUID]]:
    mailboxes = select(Mailbox.id, Mailbox.organization_id).where(
        Mailbox.global_mailbox_id == id, *conditions
    )
    query = mailboxes.order_by(Mailbox.id).limit(AT_ONCE)
    with across_organizations("a global mailbox is deleted in the organizations that it serves") as session:
        rows = session.execute(query, execution_options={SEES_DELETED: True})
        return [(row.id, row.organization_id) for row in rows]


def _close(organization_id: UUID, mailbox_id: UUID, by: Actor) -> None:
    with inside(organization_id) as session:
        mailbox = session.get(Mailbox, (organization_id, mailbox_id))
        if mailbox is not None:
            try:
                deleting.close(mailbox, by=by)
            except NotFoundError:  # somebody else was faster
                session.rollback()
            session.commit()


def _forget(id: UUID) -> None:
    """No mailbox reads it any more: it goes with its account, and what that had fetched and not delivered."""
    with inside_installation("a global account is deleted with its mailbox") as session:
        source = session.get_one(GlobalMailbox, id)
        record_for_system(Actor(source.deleted_by), "mailbox.deleted", source.label)
        raws = [
            raw_id
            for raw_id in session.scalars(
                select(Arrival.raw_id).where(Arrival.account_id == source.account_id)
            )
            if raw_id is not None
        ]
        session.delete(source)
        session.flush()
        session.execute(sql_delete(Account).where(Account.id == source.account_id))
        objects = forget_raws(raws)
        session.commit()
        forget_objects(objects)
        session.commit()
