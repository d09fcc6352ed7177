"""Conversations older than an organization keeps them are removed, with everything that hangs on them."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Select, delete, select, update

from mailboxes.arrivals import Arrival, hold
from mailboxes.messages import Location, Message
from mailboxes.outgoing import Outgoing
from mailboxes.raws import forget_objects, forget_raws
from mailboxes.system_mailboxes import Mailbox, hold_mailboxes
from mailboxes.threads import Thread
from tenants.audit import Actor, record
from tenants.configuration.layers import value_of
from tenants.database import db, now
from tenants.database.bulk import among

AT_ONCE = 200
SCHEDULE = Actor("retention")
STILL_OUTGOING = ("ready", "claimed", "committing")


def remove_old() -> int:
    """Remove conversations whose last message is older than ``retention.days``; how many there were.

    Leads, cases and contacts stay, and so does the mail server. Arrivals stay as tombstones without
    bytes, so that nothing removed is fetched anew. Commits after each batch.
    """
    days = int(value_of("retention.days"))
    removed = 0
    while days > 0:
        batch = db.session.scalars(_old_threads(days).limit(AT_ONCE)).all()
        gone = _remove(batch, days) if batch else 0
        removed += gone
        if gone < AT_ONCE:
            break
    return removed


def _old_threads(days: int) -> Select[UUID]:
    """Conversations whose time is over; one that is being answered right now goes another time."""
    answered = (
        select(Message.thread_id)
        .join(
            Outgoing,
            (Outgoing.organization_id == Message.organization_id) & (Outgoing.message_id == Message.id),
        )
        .where(Outgoing.state.in_(STILL_OUTGOING))
    )
    return select(Thread.id).where(Thread.last_at < now() - timedelta(days=days), Thread.id.not_in(answered))


def _remove(found: Sequence[UUID], days: int) -> int:
    hold_mailboxes(Mailbox.id.in_(select(Thread.mailbox_id).where(Thread.id.in_(found))))
    # Asked again, as nobody adds to them any more: a message may have come in just now.
    thread_ids = list(db.session.scalars(_old_threads(days).where(Thread.id.in_(found))))
    if not thread_ids:
        return 0
    messages = list(db.session.scalars(select(Message.id).where(Message.thread_id.in_(thread_ids))))
    named = db.session.scalars(select(Message.raw_id).where(Message.id.in_(messages)))
    raws = [raw for raw in named if raw is not None]
    arrivals = select(Location.arrival_id).where(Location.message_id.in_(messages))
    held = hold(Arrival.id.in_(arrivals))
    db.session.execute(update(Arrival).where(among(Arrival.id, held)).values(raw_id=None))
    db.session.execute(delete(Message).where(Message.id.in_(messages)))
    db.session.execute(
        update(Thread).where(Thread.linked_thread_id.in_(thread_ids)).values(linked_thread_id=None)
    )
    db.session.execute(delete(Thread).where(Thread.id.in_(thread_ids)))
    objects = forget_raws(raws)
    record(SCHEDULE, "retention.removed", f"{len(thread_ids)} conversations, {len(messages)} messages")
    db.session.commit()
    forget_objects(objects)
    return len(thread_ids)
