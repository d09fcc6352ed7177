"""Opening messages, acted upon as a worker does."""

from sqlalchemy import select

from mailboxes.conversion import convert
from mailboxes.messages import Message
from mailboxes.timeline import events_of
from tenants.database import db, inside
from tests.factories import make_message


def opening(organization, mailbox, **given):
    facts = {"is_opening": True, "may_convert": True, "work": "pending"}
    return make_message(organization, mailbox, **{**facts, **given})


def act(organization, message):
    """Convert as a worker does, in a transaction of its own; the timeline of the message so far."""
    with inside(organization.id):
        message = stored(message)
        convert(message)
        db.session.commit()
        return [event for event in events_of(message) if event.stage != "fetched"]


def all_of(organization, table):
    with inside(organization.id):
        return db.session.scalars(select(table)).all()


def stored(message):
    return db.session.scalars(select(Message).where(Message.id == message.id)).one()
