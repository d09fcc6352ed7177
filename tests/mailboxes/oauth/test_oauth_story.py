"""A connected mailbox from its first pass to *Reconnect*: a real Dovecot that asks the provider, and SMTP."""

import email

import pytest
from sqlalchemy import func, select, update

from mailboxes import oauth
from mailboxes.accounts import Account
from mailboxes.connection_check import check_connection
from mailboxes.connections import egress_policy, imap_settings, smtp_settings
from mailboxes.imap import ImapConnection
from mailboxes.messages import Message
from mailboxes.notices import send_due_notices
from mailboxes.outgoing import resume_sending_for
from mailboxes.sync.foreground import sync_now
from mailboxes.troubles import tell_of_troubles
from tenants.database import INSTALLATION, db, inside_installation, now
from tests.dovecot import start_dovecot
from tests.factories import make_mailbox, make_organization, make_user
from tests.mailboxes.arriving import letter
from tests.mailboxes.oauth.connected import account_of, connected_mailbox, connection_of, permitted, register
from tests.mailboxes.sending import act, answering_rule, ask, outbox, send
from tests.mailboxes.system_smtp import set_up_system_smtp, tell
from tests.oauth_provider import dovecot_settings
from workers.watched import Post, Watched
from workers.watched import ask as look

pytestmark = pytest.mark.dovecot


@pytest.fixture(scope="module")
def server(certificates, running_provider):
    with start_dovecot(certificates.good, oauth2=dovecot_settings(running_provider)) as dovecot:
        yield dovecot


@pytest.fixture
def provider(app, oauth_provider, certificates, server, smtp_sink):
    register(app, oauth_provider, certificates, server, smtp_sink)
    smtp_sink.knows_token = oauth_provider.knows
    set_up_system_smtp(smtp_sink)
    return oauth_provider


@pytest.fixture
def who(server):
    return f"{server.new_user()}@acme.test"


@pytest.fixture
def mailbox(inside, ours, theirs, provider, who):
    return connected_mailbox(inside, ours, provider, who)


def account(inside, world, mailbox):
    with inside(world):
        return account_of(mailbox)


def count(inside, world):
    with inside(world):
        return db.session.scalar(select(func.count()).select_from(Message))


def test_the_whole_story(inside, ours, theirs, provider, server, smtp_sink, who, mailbox):
    # connected: the check signs in at both servers, and folders are there
    with inside(ours):
        found = account_of(mailbox)
        report = check_connection(imap_settings(found), smtp_settings(found), egress_policy())
    assert report.is_ok, report.steps
    assert {folder.name for folder in report.folders} >= {"INBOX", "Sent"}

    # read
    sync_now(mailbox.account_id)  # where the history ends is fixed
    server.append(who, "INBOX", letter(to=who, message_id="m1@customer.test"))
    assert sync_now(mailbox.account_id).new_count == 1
    assert (account(inside, ours, mailbox).state, count(inside, ours)) == ("ok", 1)

    # the provider ends a token early: one refresh, and nobody notices (F32)
    provider.expire()
    server.append(who, "INBOX", letter(to=who, message_id="m2@customer.test"))
    assert sync_now(mailbox.account_id).new_count == 1
    assert (account(inside, ours, mailbox).state, provider.refresh_count) == ("ok", 1)

    # revoked: no refusal of a password, no hammering, and the administrators hear of it once
    provider.revoke(who)
    for _ in range(2):
        assert sync_now(mailbox.account_id).error is not None
    assert account(inside, ours, mailbox).state == "disconnected"
    assert provider.refresh_count == 2
    tell()
    tell()
    (notice,) = smtp_sink.messages
    assert notice.recipients == (ours.admin.user.address,)
    told = email.message_from_bytes(notice.content)
    assert told["Subject"] == f"{mailbox.label} needs to be connected again"
    assert f"http://localhost:8025/configuration/mailboxes/{mailbox.id}" in told.get_payload()
    assert "canary-" not in told.get_payload()

    # connected again: it goes on where it stopped
    server.append(who, "INBOX", letter(to=who, message_id="m3@customer.test"))
    with inside(ours):
        oauth.adopt(permitted(provider, who).id, account_of(mailbox))
        db.session.commit()
    assert sync_now(mailbox.account_id).new_count == 1
    assert (account(inside, ours, mailbox).state, count(inside, ours)) == ("ok", 3)
    tell()
    last = email.message_from_bytes(smtp_sink.messages[-1].content)
    assert last["Subject"] == f"{mailbox.label} works again"
    assert tell_of_troubles() == []


def test_a_provider_that_is_down_is_no_refusal(inside, ours, provider, server, who, mailbox):
    sync_now(mailbox.account_id)
    provider.expire()
    provider.fail(503)
    assert sync_now(mailbox.account_id).error is not None
    found = account(inside, ours, mailbox)
    assert found.state == "failing"
    assert "does not answer" in found.last_error
    assert tell_of_troubles() == []
    provider.heal()
    with inside(ours):
        connection_of(mailbox).next_attempt_at = now()
        db.session.commit()
    assert sync_now(mailbox.account_id).error is None
    assert account(inside, ours, mailbox).state == "ok"


def test_a_fresh_token_that_is_refused_is_told_as_a_refusal(inside, ours, provider, server, mailbox):
    with inside(ours):
        db.session.execute(update(Account).values(imap_user="somebody.else@acme.test"))
        db.session.commit()
    assert sync_now(mailbox.account_id).error is not None
    found = account(inside, ours, mailbox)
    assert found.state == "refused"
    assert "did not let the connected account in" in found.last_error
    assert provider.refresh_count == 1


def test_the_watch_gets_a_new_token_when_its_connection_ends(inside, ours, provider, server, who, mailbox):
    with inside(ours):
        settings, policy = imap_settings(account_of(mailbox)), egress_policy()
    post = Post(mailbox.account_id, ours.id, (b"INBOX",), "1")
    watched = Watched(post, settings, policy, ImapConnection(settings, policy), 60.0)
    look(watched)
    watched.imap.close()
    provider.expire()
    watched.imap = ImapConnection(settings, policy)
    assert look(watched)
    assert provider.refresh_count == 1
    watched.imap.close()


def test_answers_wait_while_nobody_is_let_in_and_go_out_after(
    inside, ours, provider, server, smtp_sink, who, mailbox
):
    answering_rule(ours, mailbox)
    ask(ours, mailbox)
    act(ours)
    provider.revoke(who)
    assert send(ours) == []
    (waiting,) = outbox(ours)
    assert waiting.state == "ready"
    assert "has to be connected again" in waiting.last_error
    assert account(inside, ours, mailbox).state == "disconnected"
    with inside(ours):
        oauth.adopt(permitted(provider, who).id, account_of(mailbox))
        db.session.commit()
    resume_sending_for(mailbox.account_id)
    assert [row.state for row in send(ours)] == ["sent"]
    assert [message.recipients for message in smtp_sink.messages] == [("anna@customer.test",)]


def test_of_a_global_account_the_system_administrators_hear(inside, ours, provider, smtp_sink):
    root = make_user(name="Root", is_system_admin=True)
    with inside_installation("a test"):
        found = Account(
            address="info@all.test",
            kind="google",
            imap_enabled=True,
            imap_user="info@all.test",
            home_organization_id=None,
            state="disconnected",
            failing_since=now(),
        )
        db.session.add(found)
        db.session.commit()
    assert tell_of_troubles() == [INSTALLATION]
    send_due_notices(INSTALLATION)
    assert [message.recipients for message in smtp_sink.messages] == [(root.address,)]


def test_nobody_is_told_of_a_paused_mailbox_or_of_what_they_did_themselves(inside, ours, provider, mailbox):
    with inside(ours):
        oauth.disconnect(account_of(mailbox), "Ada")
        db.session.commit()
    assert tell_of_troubles() == []
    refused = {"imap_enabled": True, "state": "refused", "failing_since": now()}
    make_mailbox(make_organization("Other"), is_enabled=False, account=refused)
    assert tell_of_troubles() == []
