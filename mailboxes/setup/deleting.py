"""A mailbox is deleted, with everything in it, after its effects were named."""

from uuid import UUID

from sqlalchemy import delete as sql_delete
from sqlalchemy import func, select, update

from mailboxes.accounts import Account
from mailboxes.arrivals import Arrival
from mailboxes.drafts import Draft
from mailboxes.messages import Attachment, Location, Message
from mailboxes.outgoing import Outgoing
from mailboxes.raws import forget_raws
from mailboxes.rules import AutoResponseRule
from mailboxes.setup.saving import account_of
from mailboxes.system_mailboxes import Mailbox
from mailboxes.threads import Thread, ThreadRecord
from tenants.audit import Actor, record
from tenants.database import db
from tenants.errors import ForbiddenError, InvalidError


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
    """Delete it with what is in it, asked already; the objects to forget once that is committed."""
    effects = deletion_effects(mailbox)
    account = account_of(mailbox)
    raws = _raws_of(mailbox, account)
    db.session.execute(sql_delete(Outgoing).where(Outgoing.mailbox_id == mailbox.id))
    messages = select(Message.id).where(Message.mailbox_id == mailbox.id)
    db.session.execute(sql_delete(Location).where(Location.message_id.in_(messages)))
    db.session.execute(
        update(Thread)
        .where(Thread.linked_thread_id.in_(select(Thread.id).where(Thread.mailbox_id == mailbox.id)))
        .values(linked_thread_id=None)
    )
    db.session.execute(sql_delete(Message).where(Message.mailbox_id == mailbox.id))
    db.session.execute(sql_delete(Thread).where(Thread.mailbox_id == mailbox.id))
    db.session.execute(sql_delete(Mailbox).where(Mailbox.id == mailbox.id))
    if account is not None and not mailbox.is_global:
        db.session.execute(sql_delete(Account).where(Account.id == account.id))
    record(by, "mailbox.deleted", mailbox.label, effects, {})
    return forget_raws(raws)


def _raws_of(mailbox: Mailbox, account: Account | None) -> list[UUID]:
    of_messages = select(Message.raw_id).where(Message.mailbox_id == mailbox.id)
    of_account = select(Arrival.raw_id).where(Arrival.account_id == (account.id if account else None))
    found = {*db.session.scalars(of_messages), *db.session.scalars(of_account)}
    return [raw_id for raw_id in found if raw_id is not None]
