"""The quarantine: what is held back of all mailboxes, why, and processed again, one or many."""

import pytest
from sqlalchemy import select

import mailboxes.intake.batches as reading
from mailboxes import setup, timeline
from mailboxes.acting import act_on_pending
from mailboxes.arrivals import Arrival
from mailboxes.crm.cases import Case
from mailboxes.given_up import leave_to_people
from mailboxes.global_mailboxes import deleting
from mailboxes.global_mailboxes.table import GlobalMailbox
from mailboxes.intake import deliver
from mailboxes.intake.held import held_counts
from mailboxes.messages import Message
from mailboxes.system_mailboxes import Mailbox, MailboxGrant
from tenants.audit import Actor, AuditEntry
from tenants.database import db, inside_installation
from tenants.database import inside as db_inside
from tests.factories import make_mailbox, make_user, sign_in
from tests.mailboxes.arriving import arrive, letter, receive
from tests.mailboxes.global_mail import arrive_globally, make_global_account
from tests.mailboxes.global_mailboxes.saying import make_global
from tests.webapp.reading import read, send, words_of

LIST = "/configuration/quarantine/"
GIVEN_UP = f"{LIST}not-converted"


@pytest.fixture
def poison(monkeypatch):
    """Reading breaks on these messages until it is told to be well again."""
    read_message = reading.read_message

    def fails(raw, *given, **more):
        if b"poison" in raw:
            raise RecursionError("too deep")
        return read_message(raw, *given, **more)

    monkeypatch.setattr(reading, "read_message", fails)


def quarantine(inside, world, mailbox, *subjects):
    """Let messages arrive that cannot be read."""
    with inside(world):
        ids = arrive(mailbox, *(letter(one, body="poison") for one in subjects))
        deliver(mailbox.account_id)
    return ids


def states(inside, world):
    with inside(world):
        return sorted(db.session.scalars(select(Arrival.state)))


def test_it_lists_what_all_mailboxes_hold_back_and_why(inside, ours, theirs, client, poison):
    first, second = make_mailbox(ours, label="Support"), make_mailbox(ours, label="Sales")
    (arrival,) = quarantine(inside, ours, first, "One")
    quarantine(inside, ours, second, "Two", "Three")
    quarantine(inside, theirs, make_mailbox(theirs, label="Strange"), "Four")
    page = read(client, LIST)
    words = words_of(page)
    assert words.count("Reading it failed (RecursionError).") == 3
    assert words.count("Message of ") == 3
    assert "Support" in words
    assert "Sales" in words
    assert "Strange" not in words
    assert "Process all 3 again" in words
    assert f"/configuration/mailboxes/{first.id}/arrivals/{arrival}/raw" in page
    only = words_of(read(client, f"{LIST}?account={second.account_id}"))
    assert only.count("Reading it failed") == 2
    assert "Nothing is held back here" in words_of(read(client, f"{LIST}?state=too_large"))


def test_what_a_mailbox_that_is_being_deleted_holds_back_says_so_and_leads_nowhere(
    inside, ours, theirs, client, poison
):
    mailbox = make_mailbox(ours, label="Support")
    quarantine(inside, ours, mailbox, "One")
    quarantine(inside, theirs, make_mailbox(theirs, label="Strange"), "Two")
    with inside(ours):
        setup.begin_deleting(db.session.get_one(Mailbox, (ours.id, mailbox.id)), "Support", by=Actor("Bob"))
        db.session.commit()
    page = read(client, LIST)
    assert "Support It is being deleted, and this with it." in words_of(page)
    assert str(mailbox.id) not in page
    assert "Support (1)" in words_of(read(client, f"{LIST}?account={mailbox.account_id}"))


def test_what_a_global_mailbox_that_is_being_deleted_holds_back_says_so_and_leads_nowhere(app, ours, theirs):
    source_id = make_global(ours, theirs, label="Info")
    with inside_installation("a test") as session:
        source = session.get_one(GlobalMailbox, source_id)
        held = {"state": "quarantined", "failure": "Reading it failed."}
        arrive(Mailbox(account_id=source.account_id, organization_id=None), letter("One"), **held)
        deleting.begin_deleting(source, "Info", by=Actor("Sam"))
        session.commit()
    page = read(sign_in(app, make_user(is_system_admin=True)), "/system/quarantine/")
    assert "Info It is being deleted, and this with it." in words_of(page)
    assert str(source_id) not in page


def test_the_navigation_counts_what_is_in_quarantine(inside, ours, theirs, client, poison):
    quarantine(inside, theirs, make_mailbox(theirs), "Theirs")
    assert "in quarantine" not in read(client, "/configuration/mailboxes/")
    quarantine(inside, ours, make_mailbox(ours), "One", "Two")
    assert '<span class="count">2<span class="sr-only"> in quarantine' in read(
        client, "/configuration/mailboxes/"
    )


def test_the_ticked_ones_are_processed_again(inside, ours, client, poison):
    mailbox = make_mailbox(ours)
    ids = quarantine(inside, ours, mailbox, "One", "Two", "Three")
    page = send(client, LIST, do="again", everything=None, selected=[str(id) for id in ids[:2]])
    assert "Messages that are being read again: 2." in page
    assert states(inside, ours) == ["quarantined", "stored", "stored"]
    with inside(ours):
        entry = db.session.scalars(
            select(AuditEntry).where(AuditEntry.act == "message.processed_again")
        ).one()
        assert entry.after == {"messages": 2}


def test_all_are_processed_again_and_become_messages_with_their_cases_once(
    inside, ours, theirs, client, monkeypatch
):
    settings = {"owner": str(ours.admin.id), "status": "new", "priority": "normal"}
    mailbox = make_mailbox(ours, action="case", action_settings=settings)
    neighbour = make_mailbox(theirs)
    with monkeypatch.context() as broken:
        broken.setattr(reading, "read_message", lambda *given, **more: 1 / 0)
        quarantine(inside, ours, mailbox, "One", "Two")
        quarantine(inside, theirs, neighbour, "Theirs")
    for _ in range(2):  # pressed twice, and delivered twice
        send(client, LIST, do="again", everything="1")
        with inside(ours):
            deliver(mailbox.account_id)
    with inside(ours):
        act_on_pending()
        messages = db.session.scalars(select(Message).order_by(Message.subject)).all()
        assert [message.subject for message in messages] == ["One", "Two"]
        assert [message.is_opening for message in messages] == [True, True]
        assert len(db.session.scalars(select(Case)).all()) == 2
        fetched = timeline.events_of(messages[0])[0]
        assert "was tried again" in fetched.reason
    assert states(inside, ours) == ["delivered", "delivered"]
    assert states(inside, theirs) == ["quarantined"]


def test_what_fails_once_more_comes_back(inside, ours, client, monkeypatch):
    mailbox = make_mailbox(ours)
    monkeypatch.setattr(reading, "read_message", lambda *given, **more: 1 / 0)
    monkeypatch.setattr(reading.ReaderApart, "read", lambda *given, **more: _refuse())
    quarantine(inside, ours, mailbox, "One")
    send(client, LIST, do="again", everything="1")
    with inside(ours):
        deliver(mailbox.account_id)
    assert states(inside, ours) == ["quarantined"]
    assert "It fails." in words_of(read(client, LIST))


def _refuse():
    raise reading.PoisonError("it fails")


def given_up_messages(world, mailbox, *subjects):
    """Messages that could not be converted and answered."""
    for subject in subjects:
        (message,) = receive(world, mailbox, letter(subject))
        with db_inside(world.id):
            leave_to_people(db.session.merge(message), "Each of 5 attempts has failed (ValueError).")
            db.session.commit()
        yield str(message.id)


def test_what_could_not_be_converted_is_listed_with_why_and_processed_again_or_dismissed(
    inside, ours, theirs, client
):
    first, second, third = given_up_messages(ours, make_mailbox(ours, label="Support"), "One", "Two", "Three")
    (strange,) = given_up_messages(theirs, make_mailbox(theirs, label="Strange"), "Four")
    words = words_of(page := read(client, LIST))
    assert "Not converted 3" in words
    assert '<span class="count">3<span class="sr-only"> in quarantine' in page
    words = words_of(read(client, GIVEN_UP))
    assert words.count("Each of 5 attempts has failed (ValueError).") == 3
    assert "Strange" not in words
    page = send(client, GIVEN_UP, do="again", selected=[first, strange])
    assert "Messages that are being converted and answered: 1." in page
    assert "Messages that are dismissed: 1." in send(client, GIVEN_UP, do="dismiss", selected=[second])
    for world, works in ((ours, ["none", "none", "pending"]), (theirs, ["none"])):
        with inside(world):
            assert sorted(db.session.scalars(select(Message.work))) == works
    with inside(ours):
        acts = db.session.scalars(select(AuditEntry.act).where(AuditEntry.act.startswith("message."))).all()
        assert sorted(acts) == ["message.dismissed", "message.processed_again"]
    assert third in read(client, GIVEN_UP)


def test_what_is_too_large_is_asked_for_in_bulk(inside, ours, theirs, client):
    mailbox = make_mailbox(ours, account={"imap_enabled": True, "state": "ok"})
    with inside(ours):
        arrive(mailbox, letter(), letter("Two"), state="too_large", failure="Too large.")
    with inside(theirs):
        arrive(make_mailbox(theirs), letter(), state="too_large")
    page = send(client, LIST, at=f"{LIST}?state=too_large", do="fetch", everything="1")
    assert "Messages that are being fetched: 2." in page
    assert "It is fetched with the next pass." in page
    for world, wanted in ((ours, [True, True]), (theirs, [False])):
        with inside(world):
            assert list(db.session.scalars(select(Arrival.is_wanted))) == wanted


def test_a_button_for_all_is_about_what_the_list_shows(inside, ours, client):
    mailbox = make_mailbox(ours, account={"imap_enabled": True, "state": "ok"})
    with inside(ours):
        arrive(mailbox, letter(), state="too_large", failure="Too large.")
    assert "Fetch it anyway" not in read(client, f"{LIST}?state=unfetchable")
    send(client, LIST, at=f"{LIST}?state=too_large", do="fetch", everything="1", state="unfetchable")
    with inside(ours):
        assert list(db.session.scalars(select(Arrival.is_wanted))) == [False]
        arrive(mailbox, letter("Two"), letter("Three"), state="unfetchable", failure="It is refused.")
    assert "Fetch it anyway" in read(client, f"{LIST}?state=too_large")
    assert "Fetch all 2 anyway" in read(client, f"{LIST}?state=unfetchable")


def test_who_is_not_granted_the_mailbox_sees_why_but_not_what(app, inside, ours, client, poison):
    mailbox = make_mailbox(ours)
    (arrival,) = quarantine(inside, ours, mailbox, "Confidential")
    url = f"/configuration/mailboxes/{mailbox.id}/arrivals/{arrival}"
    assert "Confidential" in read(client, url)
    with inside(ours):
        grant = db.session.scalars(
            select(MailboxGrant).where(MailboxGrant.membership_id == ours.admin.id)
        ).one()
        db.session.delete(grant)
        db.session.commit()
    page = read(client, url)
    assert "Confidential" not in page
    assert "Reading it failed" in page
    assert "not granted access" in page
    read(client, f"{url}/raw", expect=403)


def test_members_and_neighbours_process_nothing(app, inside, ours, theirs, poison):
    (arrival,) = quarantine(inside, ours, make_mailbox(ours), "One")
    send(sign_in(app, ours.member), LIST, at="/mail/", do="again", everything="1", expect=403)
    neighbour = sign_in(app, theirs.admin)
    send(neighbour, LIST, do="again", selected=[str(arrival)])
    send(neighbour, LIST, do="again", everything="1")
    send(neighbour, LIST, do="again", everything="1", account=str(arrival))
    assert states(inside, ours) == ["quarantined"]


def test_system_administrators_have_one_for_global_accounts_only(app, inside, ours, poison):
    client = sign_in(app, make_user(name="Sam", is_system_admin=True))
    quarantine(inside, ours, make_mailbox(ours), "Ours")
    account_id = make_global_account()
    arrive_globally(account_id, letter("Global", body="poison"))
    with inside_installation("a test"):
        deliver(account_id)
    words = words_of(read(client, "/system/quarantine/"))
    assert words.count("Reading it failed") == 1
    send(client, "/system/quarantine/", do="again", everything="1")
    with inside_installation("a test"):
        assert list(db.session.scalars(select(Arrival.state))) == ["stored"]
    assert states(inside, ours) == ["quarantined"]


def test_what_nobody_needs_is_dismissed_on_the_record_and_brought_back(inside, ours, theirs, client):
    mailbox = make_mailbox(ours, label="Support")
    with inside(ours):
        ids = arrive(mailbox, letter(), letter("Two"), state="quarantined", failure="Broken.")
    with inside(theirs):
        [strange] = arrive(make_mailbox(theirs), letter(), state="quarantined")
    assert "Tick the messages first" in send(client, LIST, do="dismiss", everything="1")
    page = send(client, LIST, do="dismiss", everything=None, selected=[str(ids[0]), str(strange)])
    assert "Messages that are dismissed: 1. What was fetched of them is kept, under Dismissed." in page
    assert "1 quarantined" in words_of(read(client, "/configuration/mailboxes/"))
    with inside(ours):
        assert held_counts() == {"quarantined": 1}
        entry = db.session.scalars(select(AuditEntry).where(AuditEntry.act == "message.dismissed")).one()
        assert entry.after == {"messages": 1}
        kept = db.session.scalars(select(Arrival).where(Arrival.dismissed_at.is_not(None))).one()
        assert (kept.id, kept.raw_id is not None) == (ids[0], True)
    with inside(theirs):
        assert db.session.scalars(select(Arrival.dismissed_at)).all() == [None]
    assert "Bring back" in read(client, f"{LIST}?state=dismissed")
    send(client, LIST, at=f"{LIST}?state=dismissed", do="back", everything=None, selected=[str(ids[0])])
    with inside(ours):
        assert held_counts() == {"quarantined": 2}
