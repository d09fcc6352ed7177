"""Administrators hear once of an account that fails, and once that it is well, by the system's own mail."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from mailboxes.accounts import Account
from mailboxes.errors import (
    AuthenticationFailedError,
    CertificateExpiredError,
    ConnectionLostError,
    EgressRefusedError,
    HostUnreachableError,
    LoginDisabledError,
    NameNotFoundError,
    ThrottledError,
    WrongProtocolError,
)
from mailboxes.notices import send_due_notices
from mailboxes.sync import deaths, leases
from mailboxes.sync.budget import BudgetSpentError
from mailboxes.sync.failures import note_failure, note_success
from mailboxes.troubles import tell_of_troubles, telling
from mailboxes.troubles.accounts import FAILURES, FEW
from mailboxes.troubles.telling import GATHERED, PATIENCE
from tenants.database import INSTALLATION, db, inside_installation, now
from tests.factories import make_mailbox, make_user
from tests.mailboxes.arriving import account_of
from tests.mailboxes.global_mail import ADDRESS, make_global_account
from tests.mailboxes.system_smtp import letters, tell


@pytest.fixture
def mailbox(ours):
    return make_mailbox(ours, label="Support", account={"imap_enabled": True, "state": "ok"})


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


def test_the_whole_story_is_told_once_each_time(inside, ours, theirs, mailbox, system_sink):
    make_mailbox(theirs, account={"imap_enabled": True, "state": "ok"})
    fail(mailbox, inside, ours)
    tell()
    tell()
    [(recipient, subject, text)] = letters(system_sink)
    assert (recipient, subject) == (ours.admin.user.address, "Support cannot be read")
    assert f"/configuration/mailboxes/{mailbox.id}" in text
    with inside(ours):
        assert account_of(mailbox).last_error in " ".join(text.split())
        note_failure(account_of(mailbox), HostUnreachableError())  # it goes on to fail
        db.session.commit()
    tell()
    assert len(letters(system_sink)) == 1
    recover(mailbox, inside, ours)
    tell()
    tell()
    assert [subject for _, subject, _ in letters(system_sink)][1:] == ["Support works again"]
    fail(mailbox, inside, ours)
    tell()
    assert len(letters(system_sink)) == 3


def test_of_an_account_that_each_worker_dies_of_administrators_hear_once(inside, ours, mailbox, system_sink):
    for _ in range(FAILURES):
        with inside(ours):
            fence = leases.take(mailbox.account_id, "a worker")
            assert fence is not None
        deaths.free("a worker")
    with inside(ours):
        db.session.execute(update(Account).values(failing_since=now() - PATIENCE - timedelta(minutes=1)))
        db.session.commit()
    tell()
    tell()
    [(_, subject, text)] = letters(system_sink)
    assert subject == "Support cannot be read"
    assert "The worker died while it read this account, again." in " ".join(text.split())


@pytest.mark.parametrize(
    ("times", "for_"), [(FAILURES, PATIENCE / 2), (FAILURES - 1, PATIENCE * 2)], ids=["young", "few"]
)
def test_a_server_that_is_away_for_a_moment_is_told_to_nobody(
    inside, ours, mailbox, system_sink, times, for_
):
    fail(mailbox, inside, ours, times=times, for_=for_)
    assert tell_of_troubles() == []
    recover(mailbox, inside, ours)
    assert tell_of_troubles() == []


def test_of_a_global_account_the_system_administrators_hear(app, ours, system_sink):
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
    [(recipient, subject, text)] = letters(system_sink)
    assert (recipient, subject) == (admin.address, f"{ADDRESS} cannot be read")
    assert ours.name not in text
    with inside_installation("a test"):
        assert db.session.query(Account).one().told_since is not None


def mark(world, inside, /, **values):
    with inside(world):
        db.session.execute(update(Account).values(**values))
        db.session.commit()


def test_what_comes_to_wait_for_people_is_told_again(inside, ours, mailbox, system_sink):
    fail(mailbox, inside, ours)
    tell()
    with inside(ours):
        note_failure(account_of(mailbox), AuthenticationFailedError())
        db.session.commit()
    tell()
    tell()
    with inside(ours):
        note_failure(account_of(mailbox), HostUnreachableError())  # and back: that is no news
        db.session.commit()
    tell()
    subjects = [subject for _, subject, _ in letters(system_sink)]
    assert subjects == ["Support cannot be read", "Support cannot sign in to its mail server"]


@pytest.mark.parametrize(
    "error", [CertificateExpiredError, EgressRefusedError, WrongProtocolError, LoginDisabledError]
)
def test_what_needs_other_settings_is_told_at_once_and_looked_at_calmly(
    inside, ours, mailbox, system_sink, error
):
    with inside(ours):
        note_failure(account_of(mailbox), error())
        db.session.commit()
    tell()
    [(_, subject, text)] = letters(system_sink)
    assert subject == "Support needs a change of its settings"
    assert error.message in " ".join(text.split())
    with inside(ours):
        account = account_of(mailbox)
        assert account.state == "misconfigured"
        assert account.next_attempt_at > now() + timedelta(minutes=5)


def test_a_host_name_that_is_unknown_for_now_waits_for_nobody(inside, ours, mailbox):
    with inside(ours):
        note_failure(account_of(mailbox), NameNotFoundError())
        db.session.commit()
        assert account_of(mailbox).state == "failing"
    assert tell_of_troubles() == []


def test_quiet_that_lasts_is_told_with_its_end(inside, ours, mailbox, system_sink):
    with inside(ours):
        note_failure(account_of(mailbox), BudgetSpentError(retry_after=7_200))
        db.session.commit()
        until = account_of(mailbox).quiet_until
    tell()
    tell()
    [(_, subject, text)] = letters(system_sink)
    assert subject == f"Support is left alone until {until:%Y-%m-%d %H:%M}"
    assert f"until {until:%Y-%m-%d %H:%M} (UTC)" in text
    assert BudgetSpentError.message in " ".join(text.split())
    recover(mailbox, inside, ours)
    tell()
    assert letters(system_sink)[1][1] == "Support works again"


def test_quiet_for_some_minutes_is_told_to_nobody(inside, ours, mailbox):
    with inside(ours):
        note_failure(account_of(mailbox), ThrottledError(retry_after=600))
        db.session.commit()
    assert tell_of_troubles() == []


def test_of_many_at_once_there_is_one_letter_for_each_organization(inside, ours, theirs, system_sink):
    failing = {
        "state": "failing",
        "failure_count": 9,
        "last_error": "It is away.",
        "imap_host": "mail.example",
    }
    failing |= {"imap_enabled": True, "failing_since": now() - timedelta(hours=2)}
    for number in range(8):
        make_mailbox(ours, label=f"Desk {number}", account=failing)
    make_mailbox(theirs, label="Support", account=failing)
    tell()
    tell()
    told = {recipient: (subject, text) for recipient, subject, text in letters(system_sink)}
    assert len(letters(system_sink)) == 2
    assert told[theirs.admin.user.address][0] == "Support cannot be read"
    subject, text = told[ours.admin.user.address]
    assert subject == "8 mailboxes cannot be read"
    assert "all of them at mail.example" in text
    assert "Desk 4" in text
    assert "Desk 5" not in text
    assert "and 3 more" in text
    assert "/configuration/mailboxes/?state=attention" in text
    assert theirs.name not in text


def test_what_follows_a_letter_about_many_is_gathered(inside, ours, system_sink):
    failing = {"imap_enabled": True, "state": "refused", "failing_since": now()}
    for number in range(FEW + 1):
        make_mailbox(ours, label=f"Desk {number}", account=failing)
    tell()
    for number in range(FEW + 1):
        make_mailbox(ours, label=f"Counter {number}", account=failing)
    tell()
    assert len(letters(system_sink)) == 1
    mark(ours, inside, told_at=now() - GATHERED - timedelta(seconds=1))
    tell()
    assert len(letters(system_sink)) == 2


def test_one_turn_tells_some_owners_and_the_next_turn_the_others(inside, ours, theirs, monkeypatch):
    monkeypatch.setattr("mailboxes.troubles.telling.OWNERS_AT_ONCE", 1)
    failing = {"imap_enabled": True, "state": "refused"}
    make_mailbox(ours, account={**failing, "failing_since": now()})
    make_mailbox(theirs, account={**failing, "failing_since": now() - timedelta(hours=1)})
    assert tell_of_troubles() == [theirs.id]
    assert tell_of_troubles() == [ours.id]
    assert tell_of_troubles() == []


def test_an_owner_that_cannot_be_told_keeps_nothing_from_the_others(inside, ours, theirs, monkeypatch):
    failing = {"imap_enabled": True, "state": "refused", "failing_since": now()}
    for world in (ours, theirs):
        make_mailbox(world, account=failing)
    usual = telling._recipients

    def recipients(owner):
        if owner == ours.id:
            raise RuntimeError
        return usual(owner)

    monkeypatch.setattr(telling, "_recipients", recipients)
    assert tell_of_troubles() == [theirs.id]


def test_what_is_tried_again_by_itself_is_nobodys_to_try_again(inside, ours, mailbox):
    with inside(ours):
        note_failure(account_of(mailbox), ConnectionLostError())
        db.session.commit()
        db.session.expire_all()
        said = account_of(mailbox).last_error
    assert said == "The server closed the connection unexpectedly. It is tried again by itself."
    assert ConnectionLostError().explained.endswith("Try again in a few minutes.")
