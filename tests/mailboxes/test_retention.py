"""Old conversations go where an organization says so, and nowhere else."""

from datetime import timedelta

from sqlalchemy import func, select, update

from mailboxes import retention
from mailboxes.arrivals import Raw
from mailboxes.invariants import check_all
from mailboxes.messages import Message
from mailboxes.outgoing import Outgoing
from mailboxes.retention import remove_old
from mailboxes.threads import Thread
from tenants.configuration.layers import override
from tenants.database import db, now
from tenants.database import inside as db_inside
from tests.factories import make_mailbox, make_message


def count(table):
    return db.session.scalar(select(func.count()).select_from(table))


def test_conversations_older_than_the_organization_keeps_them_are_removed(app, inside, ours, theirs):
    for organization in (ours, theirs):
        mailbox = make_mailbox(organization)
        old, _ = make_message(organization, mailbox), make_message(organization, mailbox, subject="New")
        with inside(organization):
            db.session.execute(
                update(Thread).where(Thread.id == old.thread_id).values(last_at=now() - timedelta(days=40))
            )
            db.session.commit()
    with inside(ours):
        assert remove_old() == 0
        override("retention.days", "30", "organization", by="Ada")
        assert remove_old() == 1
        assert (count(Thread), count(Message), count(Raw)) == (1, 1, 1)
    with inside(theirs):
        assert (count(Thread), count(Message), count(Raw)) == (2, 2, 2)
    assert not [finding for finding in check_all() if finding.broken and finding.invariant.name == "I15"]


def test_a_conversation_that_is_being_answered_holds_up_no_other(inside, ours, theirs, monkeypatch):
    monkeypatch.setattr(retention, "AT_ONCE", 1)
    mailbox = make_mailbox(ours)
    answered, *others = (make_message(ours, mailbox, text=str(number)) for number in range(3))
    with inside(ours):
        db.session.execute(update(Thread).values(last_at=now() - timedelta(days=40)))
        db.session.add(
            Outgoing(
                mailbox_id=mailbox.id,
                message_id=answered.id,
                kind="reply",
                header_id="x@help.test",
                give_up_at=now() + timedelta(days=1),
            )
        )
        override("retention.days", "30", "organization", by="Ada")
        db.session.commit()
        assert remove_old() == len(others)
        assert db.session.scalars(select(Thread.id)).all() == [answered.thread_id]


def test_a_conversation_that_somebody_writes_to_at_this_moment_stays(inside, ours, theirs, monkeypatch):
    mailbox = make_mailbox(ours)
    written, _ = make_message(ours, mailbox), make_message(ours, mailbox)
    hold = retention.hold_mailboxes

    def held_after_a_message_came(which):
        monkeypatch.undo()
        with db_inside(ours.id):
            thread = db.session.get_one(Thread, (ours.id, written.thread_id))
            make_message(ours, mailbox, thread=thread)
            db.session.execute(update(Thread).where(Thread.id == thread.id).values(last_at=now()))
            db.session.commit()
        hold(which)

    with inside(ours):
        db.session.execute(update(Thread).values(last_at=now() - timedelta(days=40)))
        override("retention.days", "30", "organization", by="Ada")
        db.session.commit()
        monkeypatch.setattr(retention, "hold_mailboxes", held_after_a_message_came)
        assert remove_old() == 1
        assert db.session.scalars(select(Message.thread_id)).all() == [written.thread_id] * 2
