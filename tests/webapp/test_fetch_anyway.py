"""A message that is too large: shown with the reason, and fetched when somebody asks for it."""

from datetime import timedelta

import pytest
from bs4 import BeautifulSoup
from sqlalchemy import select, update

from mailboxes.accounts import Account, Folder
from mailboxes.arrivals import Arrival
from mailboxes.intake.arrived import TOO_LARGE
from mailboxes.messages import Location
from mailboxes.system_mailboxes import Mailbox
from tenants.audit import AuditEntry
from tenants.database import db, now
from tests.factories import make_mailbox, sign_in
from tests.mailboxes.arriving import folder_of, letter, receive
from tests.webapp.reading import read, send, words_of

LIST = "/configuration/quarantine/"


@pytest.fixture
def url(ours, inside):
    mailbox = make_mailbox(ours)
    with inside(ours):
        arrival = Arrival(
            organization_id=ours.id,
            account_id=mailbox.account_id,
            folder_id=folder_of(mailbox).id,
            uid_validity=1,
            uid=7,
            size=60_000_000,
            state="too_large",
            failure="It is larger than messages that are fetched; it stays on the server.",
        )
        db.session.add(arrival)
        db.session.commit()
        return f"/configuration/mailboxes/{mailbox.id}/arrivals/{arrival.id}"


def wanted(inside, ours):
    with inside(ours):
        return db.session.scalar(select(Arrival.is_wanted))


def test_an_administrator_fetches_it_anyway(app, ours, inside, url):
    client = sign_in(app, ours.admin)
    assert "Fetch anyway" in read(client, url)
    send(client, f"{url}/fetch", at=url)
    assert wanted(inside, ours)
    assert "Fetch anyway" not in read(client, url)
    with inside(ours):
        entry = db.session.scalars(select(AuditEntry).where(AuditEntry.act == "message.fetched_anyway")).one()
        assert entry.after == {"messages": 1, "arrival": url.rpartition("/")[2]}


def test_neither_a_member_nor_a_neighbour_does(app, ours, theirs, inside, url):
    for who, status in ((ours.member, 403), (theirs.admin, 404)):
        client = sign_in(app, who)
        send(client, f"{url}/fetch", at="/mail/", expect=status)
    assert not wanted(inside, ours)


def test_through_another_mailbox_it_is_not_found(app, ours, inside, url):
    other = make_mailbox(ours)
    with inside(ours):
        first = db.session.scalar(select(Mailbox.id).where(Mailbox.id != other.id))
    elsewhere = url.replace(str(first), str(other.id))
    send(sign_in(app, ours.admin), f"{elsewhere}/fetch", at="/configuration/mailboxes/", expect=404)
    assert not wanted(inside, ours)


@pytest.mark.parametrize(
    "values", [{"state": "refused"}, {"state": "failing"}, {"quiet_until": now() + timedelta(days=1)}]
)
def test_it_is_not_promised_while_no_pass_comes(app, ours, inside, url, values):
    with inside(ours):
        db.session.execute(update(Account).values(imap_enabled=True, state="ok"))
        db.session.execute(update(Account).values(**values))
        db.session.commit()
    client = sign_in(app, ours.admin)
    page = send(client, f"{url}/fetch", at=url)
    assert "is asked for, and is not fetched now" in page
    assert "is being fetched" not in page
    assert "not fetched now" in words_of(read(client, url))
    assert "not fetched now" in words_of(read(client, "/configuration/quarantine/"))


def test_many_are_promised_only_where_a_pass_comes(app, ours, inside, url):
    with inside(ours):
        db.session.execute(update(Mailbox).values(is_enabled=False))
        db.session.execute(update(Account).values(imap_enabled=True, state="ok"))
        db.session.commit()
    page = send(sign_in(app, ours.admin), LIST, everything="1", do="fetch", state="too_large")
    assert "1 asked for, and not fetched now. It is paused: resume it first." in page
    assert "being fetched" not in page


@pytest.mark.parametrize(
    ("values", "folder", "words"),
    [
        ({"size": 300_000_000}, {}, "larger than anything that is fetched (200 MB)"),
        ({"vanished_at": now()}, {}, "Gone on the server"),
        ({"is_wanted": True}, {"gone_at": now()}, "Its folder is gone"),
        ({"is_wanted": True}, {"is_synced": False}, "Its folder is not fetched any more"),
    ],
)
def test_what_cannot_be_had_says_so_and_is_not_offered(app, ours, inside, url, values, folder, words):
    with inside(ours):
        db.session.execute(update(Arrival).values(**values))
        if folder:
            db.session.execute(update(Folder).values(**folder))
        db.session.commit()
    client = sign_in(app, ours.admin)
    for page in (url, LIST):
        shown = words_of(read(client, page))
        assert words in shown
        assert "with the next pass" not in shown
    assert "Fetch anyway" not in read(client, url)
    send(client, f"{url}/fetch", at=url, expect=404)


@pytest.fixture
def stub(ours):
    mailbox = make_mailbox(ours, account={"imap_enabled": True, "state": "ok"})
    given = {"size": 60_000_000, "failure": TOO_LARGE, "sha256": b""}
    return receive(ours, mailbox, letter("Large"), **given)[0]


def test_its_conversation_says_why_and_lets_whoever_may_fetch_it(app, ours, theirs, inside, stub):
    url = f"/mail/conversations/{stub.thread_id}"
    page = read(sign_in(app, ours.member), url)
    assert "larger than messages that are fetched" in words_of(page)
    assert "Whoever manages this mailbox can fetch it anyway" in words_of(page)
    assert "/fetch" not in page
    client = sign_in(app, ours.admin)
    [form] = BeautifulSoup(read(client, url), "html.parser").select('form[action$="/fetch"]')
    answer = send(client, form["action"], at=url, thread=form.select_one("button")["value"])
    assert "The message is being fetched" in answer
    assert "It has been asked for" in words_of(answer)
    assert wanted(inside, ours)


def test_what_was_fetched_and_is_a_message_that_was_here_already_is_not_said_to_be_on_its_way(
    app, ours, theirs, inside, stub
):
    with inside(ours):
        mailbox = db.session.scalars(select(Mailbox).where(Mailbox.id == stub.mailbox_id)).one()
    (other,) = receive(ours, mailbox, letter("Whole"))
    with inside(ours):
        db.session.execute(update(Location).where(Location.message_id == stub.id).values(message_id=other.id))
        db.session.commit()
    page = words_of(read(sign_in(app, ours.member), f"/mail/conversations/{stub.thread_id}"))
    assert "it was a message that was here already" in page
    assert "is being fetched" not in page
