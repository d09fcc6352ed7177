"""The read state of a routed mailbox is the server's, for whoever has the message; copies keep their own."""

import pytest
from sqlalchemy import select, update

from mailboxes.accounts import Account
from mailboxes.connections import store_password
from mailboxes.global_mailboxes.reporting import report_global_accounts
from mailboxes.inbox.read_state import is_unread_by, mark_read, mark_unread
from mailboxes.messages import Message
from mailboxes.sync.claiming import hurry_for_reads
from mailboxes.sync.foreground import sync_now
from mailboxes.system_mailboxes import Mailbox
from tenants.database import db, inside_installation, now
from tests.faults.imap_server import ScriptedImap
from tests.mailboxes.arriving import letter
from tests.mailboxes.global_mail import ADDRESS, make_global_account, make_rule, serve
from tests.world import permitted_ports

SEEN = "\\Seen"


@pytest.fixture
def server(certificates):
    with ScriptedImap(certificates.good) as server:
        yield server


def connected(app, server, mode):
    """A global account on the server that mirrors the read state."""
    permitted_ports(app, server.port)
    account_id = make_global_account(
        mode,
        imap_enabled=True,
        imap_host="127.0.0.1",
        imap_port=server.port,
        imap_encryption="none",
        imap_user=server.user,
        history="all",
        mirrors_read_state=True,
    )
    with inside_installation("a test"):
        store_password(db.session.get_one(Account, account_id), "imap", server.password)
        db.session.commit()
    return account_id


def mark(world, inside, act):
    with inside(world):
        act(world.member, select(Message))
        db.session.commit()


def flags(server):
    return [message.flags for _, message in sorted(server.folder("INBOX").messages.items())]


def is_unread(world, inside, member):
    with inside(world):
        return db.session.scalar(select(Message.id).where(is_unread_by(member))) is not None


@pytest.fixture
def routed(app, server, ours, theirs):
    """One message for each of two organizations."""
    account_id = connected(app, server, "routed")
    for world, tag in ((ours, "ours"), (theirs, "theirs")):
        serve(world, account_id)
        make_rule(account_id, "tag", tag, world)
        server.folder("INBOX").add(letter(f"To {tag}", to=ADDRESS.replace("@", f"+{tag}@")))
    report_global_accounts()
    assert sync_now(account_id).error is None
    return account_id


def test_read_in_one_organization_is_seen_there_and_marks_nothing_of_the_other(
    inside, ours, theirs, server, routed
):
    mark(ours, inside, mark_read)
    hurry_for_reads()
    with inside_installation("a test"):
        assert db.session.get_one(Account, routed).next_attempt_at <= now()
    sync_now(routed)
    assert flags(server) == [[SEEN], []]
    assert is_unread(theirs, inside, theirs.member)


def test_seen_there_is_read_by_everybody_of_the_one_and_marked_unread_here_it_is_unseen(
    inside, ours, theirs, server, routed
):
    server.folder("INBOX").flag(min(server.folder("INBOX").uids()), SEEN)
    sync_now(routed)
    assert not is_unread(ours, inside, ours.admin)
    assert is_unread(theirs, inside, theirs.member)
    mark(ours, inside, mark_unread)
    assert is_unread(ours, inside, ours.admin)
    sync_now(routed)
    assert flags(server) == [[], []]


def test_of_copies_nothing_is_written(app, inside, ours, theirs, server):
    account_id = connected(app, server, "copied")
    for world in (ours, theirs):
        serve(world, account_id)
    server.folder("INBOX").add(letter("To both"))
    report_global_accounts()
    sync_now(account_id)
    mark(ours, inside, mark_read)
    sync_now(account_id)
    assert flags(server) == [[]]
    assert is_unread(theirs, inside, theirs.member)


@pytest.fixture
def once_copied(app, server, ours, theirs):
    """A routed account that was copied before: of one message each of two organizations has a copy."""
    account_id = connected(app, server, "copied")
    for world in (ours, theirs):
        serve(world, account_id)
    server.folder("INBOX").add(letter("To both"))
    report_global_accounts()
    assert sync_now(account_id).error is None
    with inside_installation("a test"):
        db.session.get_one(Account, account_id).delivery_mode = "routed"
        db.session.commit()
    report_global_accounts()
    return account_id


def test_copies_from_before_it_was_routed_are_each_their_own(inside, ours, theirs, server, once_copied):
    mark(ours, inside, mark_read)
    sync_now(once_copied)
    assert flags(server) == [[]]
    assert is_unread(theirs, inside, theirs.member)
    server.folder("INBOX").flag(min(server.folder("INBOX").uids()), SEEN)
    sync_now(once_copied)
    assert is_unread(theirs, inside, theirs.member)


def test_what_is_served_no_more_neither_reads_for_the_server_nor_is_read_by_it(
    inside, ours, theirs, server, routed
):
    with inside(ours):
        db.session.execute(update(Mailbox).values(is_served=False))
        db.session.commit()
    mark(ours, inside, mark_read)
    sync_now(routed)
    assert flags(server) == [[], []]
    for uid in server.folder("INBOX").uids():
        server.folder("INBOX").flag(uid, SEEN)
    sync_now(routed)
    assert is_unread(ours, inside, ours.admin)
    assert not is_unread(theirs, inside, theirs.admin)
