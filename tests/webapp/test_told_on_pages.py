"""Trouble is told where people are: navigation, grid and My Emails; of global ones only that it is so."""

from datetime import timedelta

import pytest
from bs4 import BeautifulSoup
from sqlalchemy import select, text, update

from mailboxes.accounts import Account
from mailboxes.errors import CertificateExpiredError
from mailboxes.global_mailboxes.reporting import report_global_accounts
from mailboxes.health.worst import troubled_count
from mailboxes.setup.grid import MOST_COUNTED, attention_count
from mailboxes.sync.failures import note_failure, note_success
from mailboxes.system_mailboxes import Mailbox
from mailboxes.troubles import tell_of_troubles
from tenants.configuration import layers
from tenants.configuration.catalog import ORGANIZATION, SYSTEM
from tenants.database import db, inside_installation, now
from tests.factories import make_mailbox, make_user, sign_in
from tests.mailboxes.arriving import account_of
from tests.mailboxes.global_mail import make_global_account, serve
from tests.queries import listening
from tests.webapp.reading import read, words_of

ERROR = "The server imap.secret.example did not answer."
BROKEN = {"imap_enabled": True, "state": "refused", "last_error": ERROR, "failing_since": now()}
SYSTEMS_STATE = "The system cannot read it at the moment"


@pytest.fixture
def admin(app, ours):
    return sign_in(app, ours.admin)


@pytest.fixture
def member(app, ours):
    return sign_in(app, ours.member)


def counted(page, label):
    """The number beside a place in the navigation; "" without any."""
    found = BeautifulSoup(page, "html.parser").find("a", string=None, attrs={"href": label})
    return " ".join(found.get_text(" ", strip=True).split())


def since_of(world, inside):
    with inside(world):
        return db.session.scalar(select(Mailbox.unfetched_since))


def test_mailboxes_that_need_attention_are_counted_in_the_navigation(ours, theirs, admin):
    for world in (ours, theirs):
        make_mailbox(world, label="Broken", account=BROKEN)
    make_mailbox(ours, label="Well", account={"imap_enabled": True, "state": "ok"})
    page = read(admin, "/configuration/quarantine/")
    assert counted(page, "/configuration/mailboxes/") == "System mailboxes 1 need attention"


def test_they_are_counted_up_to_a_point(ours, inside, monkeypatch):
    monkeypatch.setattr("mailboxes.setup.grid.MOST_COUNTED", 2)
    for label in ("One", "Two", "Three"):
        make_mailbox(ours, label=label, account=BROKEN)
    with inside(ours):
        assert attention_count() == 2 < MOST_COUNTED


@pytest.mark.parametrize("count", [attention_count, troubled_count])
def test_only_those_that_may_be_ill_are_looked_at(app, inside, ours, count):
    make_mailbox(ours, account=BROKEN)
    seen = []
    with listening(app, "before_cursor_execute", lambda *given: seen.append(given)), inside(ours):
        assert count() == 1
    connection, _, statement, parameters, *_ = next(given for given in seen if "may_be_ill" in given[2])
    with connection.engine.begin() as asked:
        asked.execute(text("SELECT set_config('app.organization_id', :id, true)"), {"id": str(ours.id)})
        asked.execute(text("SET LOCAL enable_seqscan = off"))
        plan = "\n".join(asked.exec_driver_sql(f"EXPLAIN {statement}", parameters).scalars())
    assert "ix_accounts_may_be_ill" in plan
    assert "Seq Scan" not in plan


def test_system_administrators_see_how_many_are_in_trouble(app, ours, theirs):
    for world in (ours, theirs):
        make_mailbox(world, account=BROKEN)
    client = sign_in(app, make_user(name="Sam", is_system_admin=True))
    assert counted(read(client, "/system/users/"), "/system/health/") == "Health 2 in trouble"


def test_organizations_served_learn_that_the_system_cannot_read_and_nothing_else(
    ours, theirs, inside, admin, member
):
    account_id = make_global_account(**BROKEN, imap_host="imap.secret.example")
    for world in (ours, theirs):
        serve(world, account_id, is_served=True, is_enabled=True)
    report_global_accounts()
    grid, mail = read(admin, "/configuration/mailboxes/"), read(member, "/mail/")
    assert counted(grid, "/configuration/mailboxes/") == "System mailboxes 1 need attention"
    assert SYSTEMS_STATE in words_of(grid)
    assert "The system cannot read this mailbox at the moment." in words_of(mail)
    for page in (grid, mail):
        assert "secret" not in page
        assert theirs.name not in page
    with inside_installation("a test"):
        db.session.execute(update(Account).values(state="ok", failing_since=None))
        db.session.commit()
    report_global_accounts()
    assert (since_of(ours, inside), since_of(theirs, inside)) == (None, None)
    assert SYSTEMS_STATE not in words_of(read(admin, "/configuration/mailboxes/"))


def test_an_organization_that_is_served_no_more_learns_nothing_more(ours, inside, member):
    serve(ours, make_global_account(**BROKEN), is_served=False)
    report_global_accounts()
    assert since_of(ours, inside) is None
    assert "cannot read" not in words_of(read(member, "/mail/"))


@pytest.mark.parametrize(("minutes", "is_told"), [(1, False), (10, True)])
def test_what_passes_by_itself_is_told_only_if_it_lasts(ours, theirs, inside, minutes, is_told):
    failing = {**BROKEN, "state": "failing", "failing_since": now() - timedelta(minutes=minutes)}
    serve(ours, make_global_account(**failing))
    own = make_mailbox(theirs, account=failing)
    report_global_accounts()
    assert (since_of(ours, inside) is not None) == is_told
    with inside(theirs):
        assert db.session.get_one(Mailbox, (theirs.id, own.id)).unfetched_since is None


def test_my_emails_tells_who_may_mend_it_and_to_whom_it_is_granted(app, ours, inside, admin):
    mailbox = make_mailbox(ours, label="Support", account=BROKEN)
    health = f"/configuration/mailboxes/{mailbox.id}/health"
    mended, granted = read(admin, "/mail/"), read(sign_in(app, ours.member), "/mail/")
    assert "Support: new messages do not arrive" in words_of(mended)
    assert health in mended
    assert "Support: new messages do not arrive" in words_of(granted)
    assert health not in granted


def test_that_it_works_again_is_shown_where_the_trouble_was(ours, inside, member, admin):
    mailbox = make_mailbox(ours, label="Support", account={"imap_enabled": True, "state": "ok"})
    with inside(ours):
        note_failure(account_of(mailbox), CertificateExpiredError())
        db.session.commit()
    tell_of_troubles()
    with inside(ours):
        note_success(account_of(mailbox), has_more=False)
        db.session.commit()
    assert "Support works again" in words_of(read(member, "/mail/"))
    assert "Works again since" in words_of(read(admin, f"/configuration/mailboxes/{mailbox.id}/health"))
    with inside(ours):
        db.session.execute(update(Account).values(recovered_at=now() - timedelta(hours=1)))
        db.session.commit()
    assert "Support works again" not in words_of(read(member, "/mail/"))


def test_a_moment_of_trouble_that_nobody_was_told_of_has_no_end_to_be_told(ours, inside, member):
    mailbox = make_mailbox(ours, label="Support", account={"imap_enabled": True, "state": "ok"})
    with inside(ours):
        note_failure(account_of(mailbox), CertificateExpiredError())
        note_success(account_of(mailbox), has_more=False)
        db.session.commit()
    assert "works again" not in words_of(read(member, "/mail/"))


def test_what_an_organization_knew_is_over_when_it_is_served_no_more(ours, theirs, inside, admin):
    account_id = make_global_account(**BROKEN)
    for world in (ours, theirs):
        serve(world, account_id)
    report_global_accounts()
    with inside(ours):
        db.session.execute(update(Mailbox).values(is_served=False))
        db.session.commit()
    assert "since" not in words_of(read(admin, "/configuration/mailboxes/")).partition("No longer served")[2]
    report_global_accounts()
    assert since_of(ours, inside) is None
    assert since_of(theirs, inside) is not None


def test_what_is_switched_off_is_not_said_to_be_tried_again(ours, theirs, inside, member):
    for world in (ours, theirs):
        make_mailbox(world, label="Support", account={**BROKEN, "state": "failing"})
    with inside(ours):
        layers.override("sync.enabled", "off", ORGANIZATION, by="Ada")
        db.session.commit()
    page = words_of(read(member, "/mail/"))
    assert "Support: new messages do not arrive Fetching is switched off in the configuration" in page
    assert ERROR not in page


def test_what_the_system_has_switched_off_is_not_said_to_be_in_trouble(ours, theirs, inside, admin):
    serve(ours, make_global_account(**BROKEN))
    report_global_accounts()
    with inside_installation("a test"):
        layers.override("sync.enabled", "off", SYSTEM, by="Sam")
        db.session.commit()
    assert "Paused by the system's configuration" in words_of(read(admin, "/configuration/mailboxes/"))
    assert "have switched fetching off" in words_of(read(admin, "/mail/"))


def test_of_very_many_only_some_are_looked_for(ours, theirs, inside, admin, monkeypatch):
    for module in ("mailboxes.setup.delays", "webapp.mail.list_views"):
        monkeypatch.setattr(f"{module}.MOST_FOUND", 5)
    boxes = [make_mailbox(ours, label=f"Box {number}", account=BROKEN) for number in range(7)]
    assert "do not arrive in at least 2 more of your mailboxes" in words_of(read(admin, "/mail/"))
    page = words_of(read(admin, f"/mail/?mailbox={boxes[6].id}"))
    assert "Box 6: new messages do not arrive" in page
    assert "Box 0: new" not in page
