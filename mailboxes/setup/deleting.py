"""A mailbox is deleted, with everything in it, after its effects were named.

Marked first, and stopped: from then on no page, no pass and no answer knows it, and its label and address are
free. Then a job deletes what is bulky, some rows in one transaction, and at last its row, which is on record
then. Whatever dies in between is gone on with when the schedule rings again, as for organizations
(docs/decisions/0019).
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
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
from mailboxes.system_mailboxes import SEES_DELETED, Mailbox
from mailboxes.threads import Thread, ThreadRecord
from mailboxes.threads.notes import Note
from mailboxes.webhooks.table import WebhookCall, WebhookMailbox
from tenants.audit import Actor, record
from tenants.database import across_organizations, db, now
from tenants.database.bulk import among
from tenants.errors import ForbiddenError, InvalidError

AT_ONCE = 500  # rows of one transaction
MOST_IN_A_TURN = 40  # transactions of one job
NOT_SENT = ("ready", "claimed")


@dataclass(frozen=True, slots=True)
class Going:
    """A mailbox that is being deleted, with how many messages it had, and has."""

    label: str
    by: str
    had: int
    left: int


def deletion_effects(mailbox: Mailbox) -> dict[str, int]:
    """What goes with a mailbox, counted: what people read before they type its label."""
    counted = {
        "messages": select(func.count()).where(Message.mailbox_id == mailbox.id),
        "conversations": select(func.count()).where(Thread.mailbox_id == mailbox.id),
        "attachments": select(func.count(Attachment.id)).where(
            Attachment.message_id.in_(select(Message.id).where(Message.mailbox_id == mailbox.id))
        ),
        "notes": select(func.count(Note.id)).where(Note.thread_id.in_(_threads_of(mailbox.id))),
        "drafts": select(func.count()).where(Draft.mailbox_id == mailbox.id),
        "auto-response rules": select(func.count()).where(AutoResponseRule.mailbox_id == mailbox.id),
        "messages still to be sent": select(func.count()).where(
            Outgoing.mailbox_id == mailbox.id, Outgoing.state.in_(NOT_SENT)
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


def demand_own_to_delete(mailbox: Mailbox) -> None:
    """`ForbiddenError` where the system serves the organization with it, and may delete it."""
    if mailbox.is_global and mailbox.is_served:
        raise ForbiddenError("This mailbox is the system's: its administrators delete it. You can pause it.")


def begin_deleting(mailbox: Mailbox, typed_label: str, *, by: Actor) -> None:
    """Close a mailbox of the organization for good; a job deletes it from now on. The caller commits.

    Leads, cases and contacts stay, and so does the mail server. `InvalidError` unless its label was
    typed, `ForbiddenError` if it is the system's, `NotFoundError` if somebody else was first.
    """
    demand_own_to_delete(mailbox)
    if typed_label.strip() != mailbox.label:
        raise InvalidError(f"Type the label {mailbox.label} to delete it.", field="confirmation")
    close(mailbox, by=by)


def close(mailbox: Mailbox, *, by: Actor) -> None:
    """What `begin_deleting` does, asked already, for any mailbox; a global account stays.

    Nothing is converted, answered or sent from now on, and whoever reads its account loses the lease.
    """
    lock(mailbox)
    counts = deletion_effects(mailbox)
    mailbox.is_enabled, mailbox.deleted_at = False, now()
    mailbox.deletion = {"by": by.name, "by_id": str(by.id) if by.id else "", "counts": counts}
    account = None if mailbox.is_global else account_of(mailbox)
    if account is not None:
        account.is_enabled = False
        account.lease_fence, account.lease_owner = Account.lease_fence + 1, ""
        account.lease_expires_at = func.clock_timestamp()
    is_due = Outgoing.state.in_(NOT_SENT) | (Outgoing.copy_state == "pending")
    db.session.execute(sql_delete(Outgoing).where(Outgoing.mailbox_id == mailbox.id, is_due))
    for table in (Draft, AutoResponseRule, WebhookMailbox):  # few; what these use may be deleted from now on
        db.session.execute(sql_delete(table).where(table.mailbox_id == mailbox.id))
    record(by, "mailbox.deletion_begun", mailbox.label, counts, {})
    db.session.flush()


def mailboxes_to_delete(but_of: Collection[UUID] = ()) -> list[tuple[UUID, UUID]]:
    """The organization and the id of those that are to go and are not gone.

    ``but_of``: global mailboxes whose own job deletes theirs.
    """
    is_other = Mailbox.global_mailbox_id.is_(None) | Mailbox.global_mailbox_id.not_in(but_of)
    query = select(Mailbox.organization_id, Mailbox.id).where(Mailbox.deleted_at.is_not(None), is_other)
    with across_organizations("the sweep goes on with mailboxes that are to go") as session:
        rows = session.execute(query, execution_options={SEES_DELETED: True})
        return [(row.organization_id, row.id) for row in rows]


def going() -> list[Going]:
    """Those of the current organization, the first one first."""
    query = select(Mailbox.label, Mailbox.deletion).where(Mailbox.deleted_at.is_not(None))
    rows = db.session.execute(query.order_by(Mailbox.deleted_at), execution_options={SEES_DELETED: True})
    return [
        Going(row.label, row.deletion["by"], row.deletion["counts"]["messages"], _left(row.deletion))
        for row in rows
    ]


def _left(deletion: dict[str, Any]) -> int:
    """How many messages are still in it: told with each portion, for pages are not to count a million."""
    return int(deletion.get("left", deletion["counts"]["messages"]))


def a_turn() -> Iterator[int]:
    """The transactions of one job, which several mailboxes may share."""
    return iter(range(MOST_IN_A_TURN))


def go_on_deleting(mailbox_id: UUID, turn: Iterator[int] | None = None) -> bool:
    """Delete more of a mailbox of the current organization that is to go; whether it is gone. Commits."""
    for _ in turn or a_turn():
        mailbox = _held(mailbox_id)
        if mailbox is None:
            db.session.commit()
            return True
        objects = _delete_some(mailbox)
        db.session.commit()
        if objects is None:
            return _is_forgotten(mailbox_id, mailbox.account_id)
        _forget(objects)
    return False


def _held(mailbox_id: UUID) -> Mailbox | None:
    """The mailbox, as whoever deletes it holds it; None if it is gone, or is to stay."""
    query = select(Mailbox).where(Mailbox.id == mailbox_id, Mailbox.deleted_at.is_not(None))
    return db.session.scalar(
        query.with_for_update(key_share=True),
        execution_options={SEES_DELETED: True, "populate_existing": True},
    )


def _delete_some(mailbox: Mailbox) -> list[str] | None:
    """Delete some rows of the bulkiest kind that is left; the objects to forget once that is committed.

    None if nothing is left. In this order, since each names the next one. The mailbox is held.
    """
    messages = select(Message.id, Message.raw_id).where(Message.mailbox_id == mailbox.id)
    if rows := db.session.execute(messages.limit(AT_ONCE)).all():
        db.session.execute(_delete_of(Message, [row.id for row in rows]))
        left = max(0, _left(mailbox.deletion) - len(rows))
        mailbox.deletion = {**mailbox.deletion, "left": left}
        return _without_bytes(rows)
    if ids := list(db.session.scalars(_threads_of(mailbox.id).limit(AT_ONCE))):
        unlinked = update(Thread).where(among(Thread.linked_thread_id, ids)).values(linked_thread_id=None)
        db.session.execute(unlinked.execution_options(synchronize_session=False))
        db.session.execute(_delete_of(Thread, ids))
        return []
    calls = select(WebhookCall.id).where(WebhookCall.mailbox_id == mailbox.id)
    if ids := list(db.session.scalars(calls.limit(AT_ONCE))):
        db.session.execute(_delete_of(WebhookCall, ids))
        return []
    arrivals = select(Arrival.id, Arrival.raw_id).where(Arrival.account_id == mailbox.account_id)
    if not mailbox.is_global and (rows := db.session.execute(arrivals.limit(AT_ONCE)).all()):
        db.session.execute(_delete_of(Arrival, hold(among(Arrival.id, [row.id for row in rows]))))
        return _without_bytes(rows)
    return None


def _is_forgotten(mailbox_id: UUID, account_id: UUID) -> bool:
    """What came in meanwhile goes, and the rows that all else hung on: a moment, as passes hold them."""
    db.session.execute(select(Account.id).where(Account.id == account_id).with_for_update(key_share=True))
    mailbox = _held(mailbox_id)
    objects: list[str] = []
    if mailbox is not None:
        while (found := _delete_some(mailbox)) is not None:
            objects += found
        label, deletion, is_global = mailbox.label, mailbox.deletion, mailbox.is_global
        db.session.execute(sql_delete(Outgoing).where(Outgoing.mailbox_id == mailbox_id))
        db.session.execute(
            sql_delete(Mailbox)
            .where(Mailbox.id == mailbox_id)
            .execution_options(**{SEES_DELETED: True}, synchronize_session=False)
        )
        if not is_global:
            db.session.execute(sql_delete(Account).where(Account.id == account_id))
        by = Actor(deletion["by"], UUID(deletion["by_id"]) if deletion["by_id"] else None)
        record(by, "mailbox.deleted", label, deletion["counts"], {})
    db.session.commit()
    _forget(objects)
    return True


def _forget(objects: list[str]) -> None:
    if objects:
        forget_objects(objects)
        db.session.commit()


def _threads_of(mailbox_id: UUID) -> Select[UUID]:
    return select(Thread.id).where(Thread.mailbox_id == mailbox_id)


def _delete_of(table: type[Message | Thread | Arrival | WebhookCall], ids: list[UUID]) -> Delete:
    return sql_delete(table).where(among(table.id, ids)).execution_options(synchronize_session=False)


def _without_bytes(rows: Sequence[Row[UUID, UUID | None]]) -> list[str]:
    return forget_raws([row.raw_id for row in rows if row.raw_id is not None])
