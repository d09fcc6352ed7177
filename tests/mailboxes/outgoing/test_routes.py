"""By which server a message leaves, and as whose."""

import pytest
from sqlalchemy import update

from mailboxes.accounts import Account
from mailboxes.outgoing import Reply, queue_reply, route_of, sending_problem
from tenants.configuration import overrides
from tenants.database import db, now
from tests.factories import make_mailbox
from tests.mailboxes.outgoing.queued import ANNA
from tests.mailboxes.sending import outbox, send


def through_the_system(world, sink, inside, address="post@system.test"):
    settings = {
        "smtp.host": "localhost",
        "smtp.port": sink.tls_port,
        "smtp.encryption": "tls",
        "notice.sender_address": address,
    }
    with inside(world):
        for key, value in settings.items():
            db.session.add(overrides.OrganizationOverride(key=key, value=value, set_by="Ada"))
        db.session.commit()


def test_an_unproven_address_sends_as_the_system_and_is_answered_at_its_own(ours, mailbox, smtp_sink, inside):
    through_the_system(ours, smtp_sink, inside)
    unproven = make_mailbox(ours, label="Sales")
    with inside(ours):
        queue_reply(unproven, ours.member, Reply([ANNA], "x", "x"))
        db.session.commit()
    send(ours)
    (sunk,) = smtp_sink.messages
    assert sunk.sender == "post@system.test"
    assert b"From: Sales via Postroom <post@system.test>\r\n" in sunk.content
    assert f"Reply-To: Sales <{unproven.address}>\r\n".encode() in sunk.content


def test_an_organization_names_no_sender_that_the_system_sends_for(ours, mailbox, inside):
    for key, value in {"smtp.host": "relay.test", "notice.sender_address": "post@system.test"}.items():
        db.session.add(overrides.SystemOverride(key=key, value=value, set_by="Sam"))
    db.session.commit()
    with inside(ours):
        forged = overrides.OrganizationOverride(
            key="notice.sender_address", value="boss@bank.test", set_by=""
        )
        db.session.add(forged)
        db.session.commit()
        route = route_of(make_mailbox(ours))
    assert route.sender.mailer.address == "post@system.test"


def test_a_proven_address_sends_as_itself_through_the_system(ours, mailbox, smtp_sink, inside):
    through_the_system(ours, smtp_sink, inside)
    address = "sales@proven.test"
    signs_in = {"imap_user": address, "imap_host": "imap.proven.test", "synced_at": now()}
    proven = make_mailbox(ours, address=address, account=signs_in)
    with inside(ours):
        queue_reply(proven, ours.member, Reply([ANNA], "x", "x"))
        db.session.commit()
    send(ours)
    assert smtp_sink.messages[0].sender == address
    assert b"Reply-To" not in smtp_sink.messages[0].content


@pytest.mark.parametrize(
    ("host", "is_proven"),
    [("bank.test", True), ("mail.bank.test", True), ("imap.gmail.com", True), ("evilbank.test", False)],
)
def test_a_server_of_ones_own_proves_no_address_elsewhere(ours, smtp_sink, inside, host, is_proven):
    through_the_system(ours, smtp_sink, inside)
    signs_in = {"imap_user": "boss@bank.test", "imap_host": host, "synced_at": now()}
    claimed = make_mailbox(ours, address="boss@bank.test", account=signs_in)
    with inside(ours):
        assert (route_of(claimed).sender.mailer.address == "boss@bank.test") == is_proven


def test_what_was_written_for_a_server_of_ones_own_does_not_go_through_the_systems(
    ours, mailbox, write, smtp_sink, inside
):
    write()
    through_the_system(ours, smtp_sink, inside)
    with inside(ours):
        db.session.execute(update(Account).values(smtp_enabled=False))
        db.session.commit()
    send(ours)
    assert smtp_sink.messages == []
    (row,) = outbox(ours)
    assert row.state == "failed"
    assert "another SMTP server" in row.last_error


def test_without_a_sender_address_the_system_sends_for_nobody(ours, mailbox, smtp_sink, inside):
    through_the_system(ours, smtp_sink, inside, address="")
    with inside(ours):
        assert "no sender address" in sending_problem(make_mailbox(ours))
