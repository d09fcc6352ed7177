"""The health of the installation: figures, processes, and the accounts that are worst off."""

from datetime import UTC, timedelta

import pytest
from bs4 import BeautifulSoup
from sqlalchemy import delete, select, text, update

from mailboxes.accounts import Account, Folder
from mailboxes.health import installation
from mailboxes.health.volume import KEPT, AccountHour, InstallationHour
from mailboxes.metrics import metrics
from mailboxes.system_mailboxes import Mailbox
from tenants.configuration import layers
from tenants.configuration.catalog import ORGANIZATION, SYSTEM
from tenants.configuration.layers import value_of
from tenants.database import across_organizations, db, inside_installation, now
from tests.factories import make_mailbox, make_user, sign_in
from tests.mailboxes.arriving import folder_of, letter, receive
from tests.webapp.health.conftest import IMAP
from tests.webapp.reading import read, words_of
from webapp.installation.health import PURPOSES
from workers import queues, schedule


@pytest.fixture
def system_admin(app):
    return sign_in(app, make_user(name="Sam", is_system_admin=True))


def failing(world, label, state, hours):
    failure = {
        "state": state,
        "last_error": f"{label} fails.",
        "failing_since": now() - timedelta(hours=hours),
    }
    return make_mailbox(world, label=label, account={"imap_enabled": True, **failure})


def test_the_installation_shows_the_worst_accounts_first(inside, ours, theirs, mailbox, system_admin):
    failing(ours, "Late", "failing", 1)
    failing(theirs, "Long", "failing", 9)
    failing(ours, "Refused", "refused", 2)
    words = words_of(read(system_admin, "/system/health/"))
    places = [words.index(f"{label} fails.") for label in ("Refused", "Long", "Late")]
    assert places == sorted(places)
    assert "Accounts in trouble 3" in words
    assert mailbox.address not in words  # it works


def test_an_account_that_nothing_is_fetched_from_for_now_is_in_trouble_too(
    inside, ours, theirs, system_admin
):
    for world, label, is_spent in ((ours, "Spent", True), (theirs, "Asked", False)):
        failing(world, label, "failing", 2)
        with inside(world):
            db.session.execute(
                update(Account).values(quiet_until=now() + timedelta(hours=5), is_spent=is_spent)
            )
            db.session.commit()
    words = words_of(read(system_admin, "/system/health/"))
    assert "Accounts in trouble 2" in words
    assert "Today's budget is spent" in words
    assert "Left alone for now, as its server asks" in words
    assert {one.name: one.values for one in metrics()}["postroom_accounts_quiet"] == {
        "server": 1,
        "budget": 1,
    }
    assert {one.name: one.values for one in metrics()}["postroom_accounts"]["failing"] == 2


def test_the_installation_shows_which_processes_live(app, ours, system_admin):
    words = words_of(read(system_admin, "/system/health/"))
    assert "The schedule is not running" in words
    assert "None: start postroom worker" in words
    queues.say_alive("schedule")
    queues.say_alive("watch 1 of 2")
    words = words_of(read(system_admin, "/system/health/"))
    assert "The schedule is not running" not in words
    assert "watch 1 of 2" in words


def test_the_page_says_what_each_queue_is_for():
    assert PURPOSES.keys() == set(queues.QUEUES)


def test_figures_of_the_installation_count_what_was_delivered(noon, ours, theirs, mailbox, system_admin):
    receive(ours, mailbox, letter(), letter("Two"))
    receive(theirs, make_mailbox(theirs), letter())
    assert "3 new, 0 from the history" in words_of(read(system_admin, "/system/health/"))
    assert "3 new" in system_admin.get("/system/health/now").text


def test_folders_that_lack_something_are_listed_with_a_way_to_their_page(
    inside, ours, theirs, mailbox, system_admin
):
    other = make_mailbox(theirs, label="Desk", account=IMAP)
    with inside(theirs):
        lacking = folder_of(other)
        lacking.audit, lacking.audited_at = {"groups": {"missing": 3}}, now()
        db.session.commit()
    with inside(ours):
        gone = folder_of(mailbox)
        gone.is_synced, gone.last_error, gone.troubled_since = True, "It hangs.", now()
        db.session.commit()
    page = read(system_admin, "/system/health/")
    words = words_of(page)
    assert "Folders in trouble 1" in words
    assert words.index(other.address) < words.index(mailbox.address)
    assert "It hangs." in words
    assert f"/system/organizations/{theirs.id}/mailboxes/{other.id}/health#folders" in page
    assert f"/system/organizations/{ours.id}/mailboxes/{mailbox.id}/health#folders" in page


def test_what_is_missing_where_nothing_is_read_is_nobodys_task(
    inside, ours, theirs, mailbox, client, url, system_admin
):
    with inside(ours):
        gone, unread = folder_of(mailbox), folder_of(mailbox, "archive")
        for folder in (gone, unread):
            folder.audit, folder.audited_at = {"groups": {"missing": 3}}, now()
        gone.gone_at, unread.is_synced = now(), False
        db.session.commit()
    page = read(client, url)
    assert "3 missing" not in words_of(page)
    assert mailbox.address not in words_of(read(system_admin, "/system/health/"))
    assert {one.name: one.values for one in metrics()}["postroom_messages_missing"] == {"": 0}


def test_folders_that_lack_messages_are_found_by_their_index(ours, mailbox):
    query = select(Folder.id).where(installation.LACKS)
    with across_organizations("a test") as session:
        session.execute(text("SET LOCAL enable_seqscan = off"))
        plan = session.execute(text(f"EXPLAIN {query.compile(db.engine)}")).scalars()
        assert "ix_folders_missing" in " ".join(plan)


@pytest.mark.parametrize(
    ("account", "own", "folder"),
    [
        ({"is_enabled": False}, {}, {}),
        ({}, {"is_enabled": False}, {}),
        ({}, {}, {"changed_validity_count": 5}),
    ],
)
def test_only_folders_that_are_compared_have_an_age(inside, ours, account, own, folder):
    def age():
        return {one.name: one.values for one in metrics()}["postroom_gap_audit_age_seconds"][""]

    make_mailbox(ours, account=IMAP)
    with inside(ours):
        db.session.execute(update(Folder).values(new_since=now() - timedelta(days=3)))
        db.session.commit()
        assert age() >= 3 * 24 * 3600
        for table, values in ((Account, account), (Mailbox, own), (Folder, folder)):
            if values:
                db.session.execute(update(table).values(**values))
        db.session.commit()
    assert age() == 0


SAID = ("", "on", "off")


@pytest.mark.parametrize("of_organization", SAID)
@pytest.mark.parametrize("of_system", SAID)
@pytest.mark.parametrize("is_locked", [False, True])
def test_where_fetching_is_switched_off_nothing_gets_old(
    inside, ours, theirs, of_system, is_locked, of_organization
):
    at = now() - timedelta(days=3)
    make_mailbox(ours, account=IMAP | {"next_attempt_at": at, "lease_expires_at": at})
    with inside(ours):
        db.session.execute(update(Folder).values(new_since=at))
        if of_organization:
            layers.override("sync.enabled", of_organization, ORGANIZATION, by="Ada")
        db.session.commit()
    with inside(theirs):  # whose word counts for nobody else
        layers.override("sync.enabled", "off", ORGANIZATION, by="Eve")
        db.session.commit()
    with inside_installation("a test"):
        if of_system:
            layers.override("sync.enabled", of_system, SYSTEM, by="Sam")
        if is_locked:
            layers.lock("sync.enabled", "", by="Sam")
        db.session.commit()
    with inside(ours):
        is_on = value_of("sync.enabled")
    known = {one.name: one.values[""] for one in metrics() if not one.label}
    old = [known[f"postroom_{name}_seconds"] > 3600 for name in ("gap_audit_age", "account_overdue")]
    assert old == [is_on, is_on]


def test_the_installation_shows_its_newest_message_and_its_past_days(
    noon, ours, theirs, mailbox, system_admin
):
    assert "Latest arrival none yet" in words_of(read(system_admin, "/system/health/"))
    receive(ours, mailbox, letter())
    receive(theirs, make_mailbox(theirs), letter(), letter("Two"))
    page = read(system_admin, "/system/health/")
    assert "Latest arrival none yet" not in words_of(page)
    rows = BeautifulSoup(page, "html.parser").select("[aria-labelledby=past] tr")
    assert any(" 3 " in f" {row.get_text(' ', strip=True)} " for row in rows)


def test_an_hour_that_is_over_is_summed_once(noon, app, ours, theirs, inside):
    hour = now().replace(minute=0, second=0, microsecond=0)
    hours = [hour - timedelta(hours=back) for back in (50, 26, 25, 1, 0)]
    for world in (ours, theirs):
        account = make_mailbox(world, account=IMAP).account_id
        with inside(world):
            sums = {"new_count": 1, "history_count": 2, "timed_count": 1, "delay_milliseconds": 4000}
            db.session.add_all(AccountHour(account_id=account, hour=at, **sums) for at in hours)
            db.session.commit()
    with app.app_context():
        before = installation.past_days(UTC)
        schedule.sum_hours()
        schedule.sum_hours()
        assert installation.past_days(UTC) == before
    with across_organizations("a test") as session:
        assert (
            session.scalars(select(InstallationHour.hour).order_by(InstallationHour.hour)).all() == hours[:3]
        )
        session.execute(delete(AccountHour).where(AccountHour.hour <= hours[2]))
        session.commit()
    with app.app_context():
        assert installation.past_days(UTC) == before  # the hours that are over are not asked for again
    assert sum(new for _, new, _ in before[0]) == 10
    assert before[1][-1][1] == 4.0
    with across_organizations("a test") as session:
        session.execute(update(InstallationHour).values(hour=InstallationHour.hour - KEPT))
        session.commit()
        schedule.forget_old_health()
        assert session.scalars(select(InstallationHour.hour)).all() == []


def test_nobody_else_sees_the_installation(client):
    read(client, "/system/health/", expect=403)
