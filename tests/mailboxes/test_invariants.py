"""What `postroom check` finds, where nothing else refuses it."""

from sqlalchemy import update

from mailboxes.invariants import check_all
from mailboxes.messages import Location
from tenants.database import db, uuid7
from tests.factories import make_mailbox
from tests.mailboxes.arriving import letter, receive


def broken(name: str) -> tuple[str, ...]:
    (found,) = (finding.broken for finding in check_all() if finding.invariant.name == name)
    return found


def test_a_message_in_another_folder_than_it_arrived_from_is_found(ours, theirs, inside):
    (message,) = receive(ours, make_mailbox(ours), letter())
    receive(theirs, make_mailbox(theirs), letter())
    assert broken("I24") == ()
    with inside(ours):
        db.session.execute(update(Location).values(folder_id=uuid7()))
        db.session.commit()
    assert broken("I24") == (f"{message.id} in another folder",)
