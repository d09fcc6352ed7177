"""A mailbox is deleted, with everything in it, after its effects were named."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Delete, Row, Select, func, select, update
from sqlalchemy import delete as sql_delete

from mailboxes.accounts import Account
from mailboxes.arrivals import Arrival, hold
from mailboxes.drafts import Draft
from mailboxes.messages import Attachment, Message
from mailboxes.outgoing import Outgoing
from mailboxes.raws import forget_objects, forget_raws
from mailboxes.rules import AutoResponseRule
from mailboxes.setup.saving import account_of, lock
from mailboxes.system_mailboxes import Mailbox
from mailboxes.threads import Thread, ThreadRecord
from tenants.audit import Actor, record
from tenants.database import db
from tenants.database.bulk import among
from tenants.errors import ForbiddenError, InvalidError

AT_ONCE = 500  # rows of one transaction


def deletion_effects(mailbox: Mailbox) -> dict[str, int]:
    """What goes with a mailbox, counted: what people read before they type its label."""
    counted = {
        "messages": select(func.count()).where(Message.mailbox_id == mailbox.id),
        "conversations": select(func.count()).where(Thread.mailbox_id == mailbox.id),
        "attachments": select(func.count(Attachment.id)).where(
            Attachment.message_id.in_(select(Message.id).where(Message.mailbox_id == mailbox.id))
        ),
        "drafts": select(func.count()).where(Draft.mailbox_id == mailbox.id),
        "auto-response rules": select(func.count()).where(AutoResponseRule.mailbox_id == mailbox.id),
        "messages still to be sent": select(func.count()).where(
            Outgoing.mailbox_id == mailbox.id, Outgoing.state.in_(("ready", "claimed"))
        ),
    }
    return {what: db.session.scalar(query) or 0 for what, query in counted.items()}


def records_that_stay(mailbox: Mailbox) -> dict[str, int]:
    """Leads and cases that came from a mailbox: they stay, and lose their conversations there."""
    linked = (
        select(func.count(ThreadRecord.lead_id.distinct()), func.count(ThreadRecord.case_id.distinct()))
        .join(
            Thread,
            (Thread.organization_id == ThreadRecord.organization_id) & (Thread.id == ThreadRecord.thread_id),
        )
        .where(Thread.mailbox_id == mailbox.id)
    )
    leads, cases = db.session.execute(linked).one()
    return {"leads": leads, "cases": cases}


def delete(mailbox: Mailbox, typed_label: str, *, by: Actor) -> list[str]:
    """Delete a mailbox of the organization, with its account and what is in it.

    Leads, cases and contacts stay, and so does the mail server. `InvalidError` unless its label was
    typed, `ForbiddenError` if it is the system's. Returns the objects to forget once that is committed.
    """
    if mailbox.is_global and mailbox.is_served:
        raise ForbiddenError("This mailbox is the system's: its administrators delete it. You can pause it.")
    return remove(mailbox, typed_label, by=by)


def remove(mailbox: Mailbox, typed_label: str, *, by: Actor) -> list[str]:
    """What `delete` does, for any mailbox; a global account stays."""
    if typed_label.strip() != mailbox.label:
        raise InvalidError(f"Type the label {mailbox.label} to delete it.", field="confirmation")
    return erase(mailbox, by=by)


def erase(mailbox: Mailbox, *, by: Actor) -> list[str]:
    """Delete it with what is in it, asked already; the objects to forget once that is committed.

    It is stopped first. What is bulky goes some rows at a time, each time committed, so that nobody waits for
    the whole of it. Whoever dies meanwhile leaves a mailbox that is paused, and can be deleted again.
    """
    account = None if mailbox.is_global else account_of(mailbox)
    account_id = account.id if account is not None else None
    label, effects = mailbox.label, deletion_effects(mailbox)
    _stop(mailbox, account_id)
    db.session.commit()
    while _is_some_deleted(mailbox.id, account_id):
        pass
    objects = _delete_the_rest(mailbox, account_id)
    record(by, "mailbox.deleted", label, effects, {})
    return objects


def _stop(mailbox: Mailbox, account_id: UUID | None) -> None:
    """Nothing is converted, answered or sent from now on, and whoever reads its account loses the lease."""
    lock(mailbox)
    mailbox.is_enabled = False
    db.session.execute(
        update(Account)
        .where(Account.id == account_id)
        .values(
            lease_fence=Account.lease_fence + 1,
            lease_expires_at=func.clock_timestamp(),
            lease_owner="",
        )
        .execution_options(synchronize_session=False)
    )
    db.session.execute(sql_delete(Outgoing).where(Outgoing.mailbox_id == mailbox.id))


def _is_some_deleted(mailbox_id: UUID, account_id: UUID | None) -> bool:
    """Delete some rows of the bulkiest kind that is left, and commit; whether there were any."""
    db.session.execute(select(Mailbox.id).where(Mailbox.id == mailbox_id).with_for_update(key_share=True))
    objects = _delete_some(mailbox_id, account_id)
    db.session.commit()
    if objects:
        forget_objects(objects)
        db.session.commit()
    return objects is not None


def _delete_some(mailbox_id: UUID, account_id: UUID | None) -> list[str] | None:
    """The objects of what is deleted, to forget once that is committed; None if nothing is left.

    In this order, since each names the next one. The mailbox is held.
    """
    messages = select(Message.id, Message.raw_id).where(Message.mailbox_id == mailbox_id)
    if rows := db.session.execute(messages.limit(AT_ONCE)).all():
        db.session.execute(_delete_of(Message, [row.id for row in rows]))
        return _without_bytes(rows)
    if ids := list(db.session.scalars(_threads_of(mailbox_id).limit(AT_ONCE))):
        unlinked = update(Thread).where(among(Thread.linked_thread_id, ids)).values(linked_thread_id=None)
        db.session.execute(unlinked.execution_options(synchronize_session=False))
        db.session.execute(_delete_of(Thread, ids))
        return []
    arrivals = select(Arrival.id, Arrival.raw_id).where(Arrival.account_id == account_id)
    if rows := db.session.execute(arrivals.limit(AT_ONCE)).all():
        db.session.execute(_delete_of(Arrival, hold(among(Arrival.id, [row.id for row in rows]))))
        return _without_bytes(rows)
    return None


def _delete_the_rest(mailbox: Mailbox, account_id: UUID | None) -> list[str]:
    """What came in meanwhile, and the rows that all else hung on: a moment, as passes hold them."""
    lock(mailbox)
    objects: list[str] = []
    while (found := _delete_some(mailbox.id, account_id)) is not None:
        objects += found
    db.session.execute(sql_delete(Outgoing).where(Outgoing.mailbox_id == mailbox.id))
    db.session.execute(sql_delete(Mailbox).where(Mailbox.id == mailbox.id))
    db.session.execute(sql_delete(Account).where(Account.id == account_id))
    return objects


def _threads_of(mailbox_id: UUID) -> Select[UUID]:
    return select(Thread.id).where(Thread.mailbox_id == mailbox_id)


def _delete_of(table: type[Message | Thread | Arrival], ids: list[UUID]) -> Delete:
    return sql_delete(table).where(among(table.id, ids)).execution_options(synchronize_session=False)


def _without_bytes(rows: Sequence[Row[UUID, UUID | None]]) -> list[str]:
    return forget_raws([row.raw_id for row in rows if row.raw_id is not None])
