"""What tests do with the outbox: whom they write to, and how time passes."""

from datetime import timedelta

from sqlalchemy import update

from mailboxes.messages import Message
from mailboxes.outgoing import Outgoing
from mailboxes.raws import raw_content
from mailboxes.replies import Person
from tenants.database import db, inside, now

ANNA = Person("Anna", "anna@customer.test")
BOB = Person("Bob, the builder", "bob@customer.test")


def put(world, inside, **values):
    """Change every row of the outbox."""
    with inside(world):
        db.session.execute(update(Outgoing).values(**values))
        db.session.commit()


def later(world, inside):
    """Whatever waits for another attempt waits no more."""
    put(world, inside, next_attempt_at=now() - timedelta(seconds=1))


def raw_of(world, row):
    """The bytes of a message in the outbox."""
    with inside(world.id):
        return raw_content(db.session.get_one(Message, (world.id, row.message_id)).raw_id)
