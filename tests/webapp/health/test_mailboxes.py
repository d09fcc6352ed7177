"""The health of a mailbox: how it is, how far a first sync is, what is not promised."""

import re
from datetime import datetime, timedelta

import pytest
from bs4 import BeautifulSoup
from sqlalchemy import select, update

from mailboxes.accounts import Account, Folder
from mailboxes.crm.paging import Order
from mailboxes.health.pass_log import Done, LoggedPass, log_pass
from mailboxes.health.volume import AccountHour
from mailboxes.setup.grid import GridFilter, attention_count, mailbox_page
from mailboxes.setup.states import LIVE as LIVE_STATES
from mailboxes.setup.states import STATES, why_no_pass
from mailboxes.sync.gaps import Gaps
from mailboxes.system_mailboxes import Mailbox
from tenants.audit import AuditEntry
from tenants.configuration import layers
from tenants.configuration.catalog import ORGANIZATION
from tenants.database import db, now
from tests.factories import make_mailbox, make_user, sign_in
from tests.mailboxes.arriving import account_of, arrive, folder_of, letter, receive
from tests.mailboxes.global_mail import make_global_account, serve
from tests.webapp.health.conftest import IMAP
from tests.webapp.reading import read, send, words_of


def test_it_explains_how_the_mailbox_is(noon, inside, ours, mailbox, client, url):
    receive(ours, mailbox, letter(), letter("Two"), fetch_milliseconds=7)
    with inside(ours):
        arrive(mailbox, letter("Three"))
        account = account_of(mailbox)
        log_pass(account, Done(0.25, new_count=3, fetched_bytes=2048))
        log_pass(account, Done(1.5, error="The server does not answer. Ask its operator."))
        folder_of(mailbox).audit = Gaps(5, {"stored": 2, "waiting": 1, "missing": 2}, 0, (9, 8)).as_json()
        folder_of(mailbox).audited_at = now()
        db.session.commit()
    page = read(client, url)
    words = words_of(page)
    assert "The server does not answer. Ask its operator." in words
    assert "3 new" in words
    assert "2 missing UID 9, 8" in words
    assert "Fetch the 2 missing now" in words
    today = BeautifulSoup(page, "html.parser").select(".chart-table table")[0].select("tbody tr")[-1]
    assert [cell.get_text() for cell in today.select("td")] == ["2", "0"]


def fill(inside, world, mailbox, began_at, **account):
    """A first sync of which a quarter is left."""
    with inside(world):
        folder = folder_of(mailbox)
        folder.history_total, folder.history_left, folder.history_began_at = 1000, 250, began_at
        db.session.execute(update(Account).values(**{"state": "ok"} | account))
        db.session.commit()


@pytest.mark.parametrize("state", ["new", "ok"])
def test_a_first_sync_shows_its_progress_and_asks_again_soon(inside, ours, mailbox, client, url, state):
    assert "every 2s" not in read(client, url)
    fill(inside, ours, mailbox, now() - timedelta(minutes=3), state=state)
    page = client.get(f"{url}/live").text
    assert "every 2s" in page
    assert "750 of about 1\u202f000 fetched, about 1 min left" in page
    for other in (url.removesuffix("/health"), "/configuration/mailboxes/"):
        words = words_of(read(client, other))
        assert "First sync: 750 of about 1 000" in words
        assert "Waiting for its first pass" not in words.replace("Before its first pass", "")


def test_a_first_sync_is_estimated_without_its_pauses(inside, ours, mailbox, client, url):
    fill(inside, ours, mailbox, now() - timedelta(days=2))
    with inside(ours):
        for _ in range(3):
            log_pass(account_of(mailbox), Done(60, history_count=25))
            log_pass(account_of(mailbox), Done(60))
        db.session.commit()
    assert "about 10 min left" in read(client, url)


def test_history_that_has_to_wait_for_tomorrow_says_so(noon, inside, ours, theirs, mailbox, client, url):
    most = 2000 * 1024 * 1024
    fill(inside, ours, mailbox, now(), fetched_on=now().date(), fetched_bytes=most * 8 // 10 + 1)
    page = read(client, url)
    assert "fetched, goes on tomorrow" in page
    assert "It goes on after midnight (UTC)" in page
    assert " left" not in words_of(page).partition("The newest come first")[0]
    assert "every 2s" not in page
    assert "goes on after midnight (UTC)" in words_of(read(client, "/configuration/mailboxes/"))
    fill(inside, ours, mailbox, now(), fetched_on=now().date() - timedelta(days=1))
    assert "after midnight" not in read(client, url)


@pytest.mark.parametrize(
    ("megabytes", "fetched", "words"),
    [
        (1, 0, "about 1 min left"),  # a day permits 1 600 of history
        (8, 0, "goes on tomorrow"),
        (5, 600, "goes on tomorrow"),
        (20, 0, "goes on for about 3 days"),
    ],
)
def test_what_does_not_fit_into_a_day_is_said_from_the_beginning(
    noon, inside, ours, theirs, mailbox, client, url, megabytes, fetched, words
):
    """250 messages are left, which are estimated to be as large as those that came last."""
    for world, box, size in ((ours, mailbox, megabytes), (theirs, make_mailbox(theirs, account=IMAP), 900)):
        with inside(world):
            arrive(box, letter("One"), letter("Two"), size=size * 1024 * 1024)
            folder_of(box).uid_validity = folder_of(box).history_uid = 1
            db.session.commit()
        spent = {"fetched_on": now().date(), "fetched_bytes": fetched * 1024 * 1024}
        fill(inside, world, box, now() - timedelta(minutes=3), **spent)
    page = read(client, url)
    assert f"750 of about 1\u202f000 fetched, {words}" in page
    assert ("The rest goes on after midnight (UTC)" in page) == ("goes on" in words)


def test_the_newest_message_is_not_the_one_that_came_here_last(ours, mailbox, client, url):
    newest, old = now() - timedelta(days=1), now() - timedelta(days=300)
    receive(ours, mailbox, letter(), received_at=newest)
    receive(ours, mailbox, letter("Two"), received_at=old, is_history=True)
    shown = read(client, url).partition("Newest message")[2].partition("</dd>")[0]
    assert f'datetime="{newest:%Y-%m-%dT%H:%M}' in shown


def test_a_message_that_is_filed_elsewhere_is_no_new_one_and_none_that_is_late(inside, ours, mailbox):
    receive(ours, mailbox, letter())
    with inside(ours):
        folder_of(mailbox, "archive")
        db.session.commit()
    receive(ours, mailbox, letter(), letter("Two"), folder="archive", received_at=now() - timedelta(days=3))
    with inside(ours):
        hours = db.session.scalars(select(AccountHour)).all()
        assert sum(hour.new_count for hour in hours) == sum(hour.timed_count for hour in hours) == 2
        assert max(hour.longest_delay_milliseconds for hour in hours) >= 3 * 24 * 3600 * 1000
        three_days = sum(hour.delay_milliseconds for hour in hours) / (3 * 24 * 3600 * 1000)
        assert round(three_days) == 1  # of the one that came so late, not of the one that was filed


def test_the_connection_log_goes_back_page_by_page(inside, ours, mailbox, client, url):
    with inside(ours):
        for number in range(45):
            log_pass(account_of(mailbox), Done(1, new_count=1, error=f"Failure {number}."))
        db.session.commit()
    first = read(client, url)
    older = BeautifulSoup(first, "html.parser").select_one('.pager a[rel="next"]')["href"]
    second = read(client, older)
    shown = [re.findall(r"Failure (\d+)\.", words_of(page)) for page in (first, second)]
    assert shown == [[str(n) for n in range(44, 4, -1)], [str(n) for n in range(4, -1, -1)]]
    back = BeautifulSoup(second, "html.parser").select_one('.pager a[rel="prev"]')["href"]
    assert re.findall(r"Failure (\d+)\.", words_of(read(client, back))) == shown[0]


def test_the_connection_log_tells_the_time_below_each_day(inside, ours, mailbox, client, url):
    began = ["2024-02-29T23:59:01Z", "2024-03-01T08:07:06Z", "2024-03-01T09:08:07Z"]
    with inside(ours):
        for at in began:
            log_pass(account_of(mailbox), Done(1, new_count=1))
            db.session.flush()
            newest = db.session.scalars(select(LoggedPass).order_by(LoggedPass.id.desc())).first()
            newest.began_at = datetime.fromisoformat(at)
        db.session.commit()
    rows = BeautifulSoup(read(client, url), "html.parser").select("section[aria-labelledby=log] tbody th")
    assert [row.get_text(strip=True) for row in rows] == [
        "Friday, 1 Mar 2024",
        "09:08:07",
        "08:07:06",
        "Thursday, 29 Feb 2024",
        "23:59:01",
    ]
    assert rows[1].time["datetime"] == "2024-03-01T09:08:07Z"
    assert rows[1].time["title"] == "Friday 1 March 2024, 09:08:07 UTC"


@pytest.mark.parametrize("fetches", [False, True])
def test_folders_are_compared_when_somebody_asks(inside, ours, theirs, mailbox, client, url, fetches):
    with inside(ours):
        db.session.execute(update(Folder).values(compared_at=now(), audit={"groups": {"missing": 2}}))
        db.session.execute(update(Account).values(next_attempt_at=now() + timedelta(hours=1)))
        db.session.commit()
    page = send(client, f"{url}/audit", at=url, do="fetch" if fetches else None)
    assert "The next pass compares them" in page
    with inside(ours):
        folder = folder_of(mailbox)
        assert folder.audit_wanted_at is not None
        assert (folder.compared_at is None) == fetches
        assert account_of(mailbox).next_attempt_at <= now()
        entries = db.session.scalars(select(AuditEntry).where(AuditEntry.act == "message.missing_fetched"))
        assert [(one.subject, one.after) for one in entries] == [("Support", {"messages": 2})] * fetches
    with inside(theirs):
        assert db.session.scalars(select(Folder.audit_wanted_at)).all() == [None]


def test_only_folders_that_can_be_compared_are_waited_for(inside, ours, mailbox, client, url):
    given = {"Parent": {"is_selectable": False}, "Unsteady": {"changed_validity_count": 99}, "Broken": {}}
    with inside(ours):
        for name, values in given.items():
            folder = folder_of(mailbox, "other", name)
            for key, value in values.items():
                setattr(folder, key, value)
        db.session.commit()
    page = send(client, f"{url}/audit", at=url)
    assert "never: It holds other folders and no messages." in words_of(page)
    assert "never: Its server renumbers it again and again" in words_of(page)
    with inside(ours):
        wanted = select(Folder.name).where(Folder.audit_wanted_at.is_not(None))
        assert set(db.session.scalars(wanted)) == {"INBOX", "Broken"}
        db.session.execute(update(Folder).where(Folder.name == "Broken").values(last_error="It hangs."))
        db.session.execute(update(Folder).where(Folder.name == "INBOX").values(audited_at=now()))
        db.session.commit()
    assert "every 2s" not in read(client, url)  # what cannot be read is not asked after


def test_a_server_that_cannot_be_asked_is_not_waited_for(inside, ours, mailbox, client, url):
    with inside(ours):
        db.session.execute(update(Account).values(state="refused"))
        db.session.commit()
    assert "needs a new password first" in send(client, f"{url}/audit", at=url)
    with inside(ours):
        assert folder_of(mailbox).audit_wanted_at is None


SOON = {"next_attempt_at": now() - timedelta(minutes=1)}
# What is otherwise of the account and of the mailbox, and what every page says then.
AS_IT_IS = {
    "Fetching": ({}, {}),
    "Paused": ({}, {"is_enabled": False}),
    "A change was interrupted: open it and save it again": ({"is_enabled": False}, {}),
    "Waiting for its first pass": ({"state": "new"}, {}),
    "Its first pass is under way": ({"state": "new", "lease_expires_at": now() + timedelta(days=1)}, {}),
    "Failing, tries again by itself": ({"state": "failing", "last_error": "It hangs. Wait."}, {}),
    "Left alone for now, as its server asks": ({"quiet_until": now() + timedelta(days=1)}, {}),
    "Today's budget is spent": ({"quiet_until": now() + timedelta(days=1), "is_spent": True}, {}),
    "Login rejected, needs a new password": ({"state": "refused"}, {}),
    "Needs a change of its settings": ({"state": "misconfigured"}, {}),
    "Needs to be connected again": ({"state": "disconnected"}, {}),
    "Sends only": ({"imap_enabled": False, "smtp_enabled": True}, {}),
    "Not connected": ({"imap_enabled": False}, {}),
}
LIVE = {"Fetching", "Waiting for its first pass", "Its first pass is under way"}
DUE = {"Fetching", "Waiting for its first pass", "Failing, tries again by itself"} | {
    "Login rejected, needs a new password",
    "Needs a change of its settings",
}


@pytest.mark.parametrize("state", sorted(STATES.keys() - LIVE_STATES))
def test_what_gets_no_pass_soon_has_a_reason(state):
    assert why_no_pass(state).endswith(".")


def test_what_is_spent_is_not_promised(inside, ours, mailbox, client, url):
    with inside(ours):
        db.session.execute(update(Account).values(**AS_IT_IS["Today's budget is spent"][0]))
        db.session.commit()
    page = send(client, url.replace("/health", "/sync"), at=url)
    assert "is not fetched now. As much was fetched today as may be in a day" in page


def test_what_is_read_but_for_a_folder_has_a_next_attempt(inside, ours, mailbox, client, url):
    with inside(ours):
        db.session.execute(update(Account).values(**SOON))
        folder_of(mailbox).troubled_since = now()
        db.session.commit()
        assert attention_count() == 1
    words = words_of(read(client, url))
    assert "Fetching, but not from every folder" in words
    assert "Next attempt now" in words


@pytest.mark.parametrize("words", AS_IT_IS)
def test_every_page_says_the_same_of_a_mailbox(inside, ours, mailbox, client, url, words):
    account, own = AS_IT_IS[words]
    with inside(ours):
        db.session.execute(update(Account).values(**SOON | account))
        db.session.execute(update(Folder).values(audit_wanted_at=now()))
        if own:
            db.session.execute(update(Mailbox).values(**own))
        db.session.commit()
    pages = [read(client, page) for page in (url, url.removesuffix("/health"), "/configuration/mailboxes/")]
    assert [words in words_of(page) for page in pages] == [True] * 3
    assert ("every 2s" in pages[0]) == (words in LIVE)
    assert ("Compare now" in pages[0]) == (words in LIVE)
    assert ("Fetching" in words_of(pages[0])) == (words == "Fetching")
    with inside(ours):
        attention = GridFilter(state="attention")
        assert attention_count() == mailbox_page(attention, Order("label")).count
    assert [("Next attempt now" in words_of(page)) == (words in DUE) for page in pages[:2]] == [True] * 2


def test_fetching_that_is_switched_off_is_said_on_every_page(inside, ours, mailbox, client, url):
    pages = (url, url.removesuffix("/health"), "/configuration/mailboxes/")
    with inside(ours):
        layers.override("sync.enabled", "off", ORGANIZATION, by="Ada")
        db.session.commit()
    for page in pages:
        html = read(client, page)
        assert "Paused by configuration" in words_of(html)
        assert '/settings/email#setting-sync-enabled"' in html
        dots = BeautifulSoup(html, "html.parser").select("main .state")
        assert "Fetching" not in [dot.get_text(strip=True) for dot in dots]
    assert "switched off in the configuration" in send(client, f"{url}/audit", at=url)


def test_neighbours_and_members_see_none_of_it(app, ours, theirs, mailbox, url):
    read(sign_in(app, theirs.admin), url, expect=404)
    read(sign_in(app, ours.member), url, expect=403)


def test_the_health_of_a_global_mailbox_is_the_systems(app, ours, client):
    mailbox = serve(ours, make_global_account(imap_enabled=True))
    read(client, f"/configuration/mailboxes/{mailbox.id}/health", expect=404)


def test_system_administrators_see_the_health_of_an_organizations_mailbox(app, ours, mailbox):
    client = sign_in(app, make_user(name="Sam", is_system_admin=True))
    assert "Connection log" in read(client, f"/system/organizations/{ours.id}/mailboxes/{mailbox.id}/health")
