"""Administrators hear once of an account that fails, and once that it is well, by the system's own mail."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from mailboxes.accounts import Account
from mailboxes.errors import HostUnreachableError
from mailboxes.notices import send_due_notices
from mailboxes.sync import leases
from mailboxes.sync.failures import note_failure, note_success
from mailboxes.troubles import FAILURES, PATIENCE, tell_of_troubles
from tenants.database import INSTALLATION, db, inside_installation, now
from tests.factories import make_mailbox, make_user
from tests.mailboxes.arriving import account_of
from tests.mailboxes.global_mail import ADDRESS, make_global_account
from tests.mailboxes.system_smtp import letters, send_notices_to


@pytest.fixture
def mailbox(ours):
    return make_mailbox(ours, label="Support", account={"imap_enabled": True, "state": "ok"})


@pytest.fixture
def sink(app, smtp_sink, certificates):
    send_notices_to(app, smtp_sink, certificates)
    return smtp_sink


def tell():
    for owner in tell_of_troubles():
        send_due_notices(owner)


def fail(mailbox, inside, world, *, times=FAILURES, for_=PATIENCE + timedelta(minutes=1)):
    with inside(world):
        for _ in range(times):
            note_failure(account_of(mailbox), HostUnreachableError())
            db.session.commit()
        db.session.execute(update(Account).values(failing_since=now() - for_))
        db.session.commit()


def recover(mailbox, inside, world):
    with inside(world):
        note_success(account_of(mailbox), has_more=False)
        db.session.commit()


def test_the_whole_story_is_told_once_each_time(inside, ours, theirs, mailbox, sink):
    make_mailbox(theirs, account={"imap_enabled": True, "state": "ok"})
    fail(mailbox, inside, ours)
    tell()
    tell()
    [(recipient, subject, text)] = letters(sink)
    assert (recipient, subject) == (ours.admin.user.address, "Support cannot be read")
    assert f"/configuration/mailboxes/{mailbox.id}" in text
    with inside(ours):
        assert account_of(mailbox).last_error in " ".join(text.split())
        note_failure(account_of(mailbox), HostUnreachableError())  # it goes on to fail
        db.session.commit()
    tell()
    assert len(letters(sink)) == 1
    recover(mailbox, inside, ours)
    tell()
    tell()
    assert [subject for _, subject, _ in letters(sink)][1:] == ["Support works again"]
    fail(mailbox, inside, ours)
    tell()
    assert len(letters(sink)) == 3


def test_of_an_account_that_each_worker_dies_of_administrators_hear_once(inside, ours, mailbox, sink):
    for _ in range(FAILURES):
        with inside(ours):
            fence = leases.take(mailbox.account_id, "a worker")
            assert fence is not None
        leases.free("a worker")
    with inside(ours):
        db.session.execute(update(Account).values(failing_since=now() - PATIENCE - timedelta(minutes=1)))
        db.session.commit()
    tell()
    tell()
    [(_, subject, text)] = letters(sink)
    assert subject == "Support cannot be read"
    assert "The worker died while it read this account, again." in " ".join(text.split())


@pytest.mark.parametrize(
    ("times", "for_"), [(FAILURES, PATIENCE / 2), (FAILURES - 1, PATIENCE * 2)], ids=["young", "few"]
)
def test_a_server_that_is_away_for_a_moment_is_told_to_nobody(inside, ours, mailbox, sink, times, for_):
    fail(mailbox, inside, ours, times=times, for_=for_)
    assert tell_of_troubles() == []
    recover(mailbox, inside, ours)
    assert tell_of_troubles() == []


def test_of_a_global_account_the_system_administrators_hear(app, ours, sink):
    admin = make_user(name="Sam", is_system_admin=True)
    make_global_account(
        imap_enabled=True,
        state="failing",
        failure_count=9,
        last_error="It is away.",
        failing_since=now() - timedelta(hours=2),
    )
    assert tell_of_troubles() == [INSTALLATION]
    send_due_notices(INSTALLATION)
    [(recipient, subject, text)] = letters(sink)
    assert (recipient, subject) == (admin.address, f"{ADDRESS} cannot be read")
    assert ours.name not in text
    with inside_installation("a test"):
        assert db.session.query(Account).one().told_since is not None
