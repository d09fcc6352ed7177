"""A mailbox that can send, and a person who writes."""

import pytest

from mailboxes.messages import Message
from mailboxes.outgoing import Reply, queue_reply
from tenants.database import db
from tests.mailboxes.outgoing.queued import ANNA
from tests.mailboxes.sending import let_out, sending_mailbox


@pytest.fixture
def mailbox(app, ours, smtp_sink, certificates):
    let_out(app, smtp_sink, certificates)
    return sending_mailbox(ours, smtp_sink, label="Support")


@pytest.fixture
def write(ours, mailbox, inside):
    """Queue a person's message, and commit; the row and its message."""

    def write(answers=None, send_after=None, **given):
        with inside(ours):
            reply = Reply(**{"to": [ANNA], "subject": "Hi", "text": "Hello", **given})
            row = queue_reply(mailbox, ours.member, reply, answers=answers, send_after=send_after)
            db.session.commit()
            return row, db.session.get_one(Message, (ours.id, row.message_id))

    return write
