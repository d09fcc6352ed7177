"""Messages of a global account reach exactly one organization, or each of them as a copy of its own."""

from datetime import timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy import func, select, update

from mailboxes.accounts import Account, Folder
from mailboxes.acting import act_on_pending
from mailboxes.arrivals import Raw
from mailboxes.crm.cases import Case
from mailboxes.intake.arrived import next_batch
from mailboxes.messages import Location, Message, MessageRead
from mailboxes.routing.marks import RouteMark
from mailboxes.routing.rules import RoutingRule
from mailboxes.sync.following import follow_flags, follow_removals
from mailboxes.system_mailboxes import Mailbox
from mailboxes.threads import Thread
from mailboxes.threads.tokens import TOKEN_HEADER, header_id, thread_token
from mailboxes.timeline import events_of
from tenants.database import db, inside_installation, now
from tenants.organizations import Organization
from tests.factories import World
from tests.mailboxes.arriving import letter
from tests.mailboxes.global_mail import (
    ADDRESS,
    arrive_globally,
    deliver_globally,
    demand_sound,
    make_global_account,
    make_rule,
    message_in,
    receive_globally,
    serve,
    state_of,
    subjects_in,
    ways_of_arrival,
)

ALICE, BOB = "Alice <alice@customer.test>", "Bob <bob@elsewhere.test>"


@pytest.fixture
def routed(ours: World, theirs: World) -> Any:
    """A routed account that serves both of us, with rules by plus-tag and no home."""
    account_id = make_global_account()
    serve(ours, account_id)
    serve(theirs, account_id)
    make_rule(account_id, "tag", "ours", ours)
    make_rule(account_id, "tag", "theirs", theirs)
    return account_id


@pytest.fixture
def copied(ours: World, theirs: World) -> Any:
    account_id = make_global_account("copied", home=ours)
    serve(ours, account_id)
    serve(theirs, account_id)
    return account_id


def to(tag: str) -> str:
    return ADDRESS.replace("@", f"+{tag}@")


def disable(world: World) -> None:
    db.session.execute(update(Organization).where(Organization.id == world.id).values(is_enabled=False))
    db.session.commit()


def test_what_happens_between_two_organizations_is_known_to_the_second(
    copied, ours, theirs, database_urls, monkeypatch
):
    """And whoever follows the server need not wait until all of them have their part."""

    def removed(point: str) -> None:
        if point == "between organizations":
            with psycopg.connect(database_urls.system.replace("+psycopg", "")) as follower:
                follower.execute("SET lock_timeout = '2s'")
                follower.execute("UPDATE arrivals SET vanished_at = now()")

    monkeypatch.setattr("mailboxes.intake.routed.crash_point", removed)
    (arrival,) = receive_globally(copied, letter())
    removals = [message_in(world, arrival).removed_on_server_at for world in (ours, theirs)]
    assert sorted(moment is None for moment in removals) == [False, True]


# --- routed ----------------------------------------------------------------------------------


def test_each_message_goes_to_the_organization_of_the_first_rule_that_matches(routed, ours, theirs):
    receive_globally(routed, letter("A", to=to("ours")), letter("B", to=to("theirs")))
    both = letter("C", to=f"{to('theirs')}, {to('ours')}")
    receive_globally(routed, both)
    assert subjects_in(ours) == ["A", "C"]
    assert subjects_in(theirs) == ["B"]
    demand_sound()


def test_a_header_of_the_server_that_names_the_recipient_counts_as_well(routed, ours, theirs):
    hidden = letter("Hidden", to="undisclosed-recipients:;", headers=f"Delivered-To: {to('theirs')}")
    receive_globally(routed, hidden)
    assert (subjects_in(ours), subjects_in(theirs)) == ([], ["Hidden"])


def test_the_timeline_says_why_and_nothing_about_anybody_else(routed, ours, theirs, inside):
    (arrival,) = receive_globally(routed, letter(to=to("theirs")))
    message = message_in(theirs, arrival)
    with inside(theirs):
        (event,) = [one for one in events_of(message) if one.stage == "routed"]
        stages = [one.stage for one in events_of(message)]
    assert (event.result, event.reason) == ("rule", "The rule “plus-tag is theirs” matches.")
    assert stages == ["fetched", "parsed", "classified", "routed", "threaded", "stored"]
    assert ours.name not in event.reason


def test_what_nothing_routes_waits_outside_all_organizations(routed, ours, theirs):
    (arrival,) = receive_globally(routed, letter("Lost", sender=ALICE))
    assert (subjects_in(ours), subjects_in(theirs)) == ([], [])
    held = state_of(arrival)
    assert (held.state, held.raw_id is None) == ("unrouted", False)
    (way,) = ways_of_arrival(arrival)
    assert (way.organization_id, way.reason) == (None, held.failure)
    assert (way.facts["sender"], way.facts["subject"]) == ("alice@customer.test", "Lost")
    demand_sound()


def test_what_nothing_routes_goes_home_where_there_is_a_home(ours, theirs):
    account_id = make_global_account(home=theirs)
    serve(ours, account_id)
    serve(theirs, account_id)
    receive_globally(account_id, letter())
    assert (subjects_in(ours), subjects_in(theirs)) == ([], ["Question"])


def test_a_home_that_is_not_served_or_disabled_gets_nothing(ours, theirs):
    account_id = make_global_account(home=theirs)
    serve(ours, account_id)
    (first,) = receive_globally(account_id, letter("First"))
    serve(theirs, account_id)
    disable(theirs)
    (second,) = receive_globally(account_id, letter("Second"))
    assert [state_of(id).state for id in (first, second)] == ["unrouted", "unrouted"]
    assert "not served now: skipped" in state_of(second).failure


def test_an_answer_follows_its_conversation_against_every_rule(routed, ours, theirs):
    receive_globally(routed, letter("A", sender=ALICE, to=to("ours"), message_id="one@customer.test"))
    answer = letter("Re: A", sender=ALICE, to=to("theirs"), answers=["one@customer.test"])
    receive_globally(routed, answer)
    assert subjects_in(ours) == ["A", "Re: A"]
    assert subjects_in(theirs) == []


def test_an_answer_finds_what_it_answers_in_the_same_batch(routed, ours):
    receive_globally(
        routed,
        letter("A", sender=ALICE, to=to("ours"), message_id="one@customer.test"),
        letter("Re: A", sender=ALICE, to=ADDRESS, answers=["one@customer.test"]),
    )
    assert subjects_in(ours) == ["A", "Re: A"]


def test_who_got_a_copy_takes_part_and_may_answer(routed, ours):
    first = letter("A", sender=ALICE, to=f"{to('ours')}, {BOB}", message_id="one@customer.test")
    receive_globally(routed, first)
    receive_globally(routed, letter("Re: A", sender=BOB, to=ADDRESS, answers=["one@customer.test"]))
    assert subjects_in(ours) == ["A", "Re: A"]


def test_a_stranger_who_quotes_a_message_of_a_conversation_is_not_led_there(routed, ours, theirs):
    receive_globally(routed, letter("A", sender=ALICE, to=to("ours"), message_id="one@customer.test"))
    stranger = letter("Re: A", sender="Eve <eve@evil.test>", to=to("theirs"), answers=["one@customer.test"])
    receive_globally(routed, stranger)
    assert (subjects_in(ours), subjects_in(theirs)) == (["A"], ["Re: A"])


def test_nobody_is_led_anywhere_by_writing_as_the_mailbox_itself(routed, ours, theirs):
    receive_globally(routed, letter("A", sender=ALICE, to=to("ours"), message_id="one@customer.test"))
    forged = letter("Re: A", sender=ADDRESS, to=to("theirs"), answers=["one@customer.test"])
    receive_globally(routed, forged)
    assert subjects_in(theirs) == ["Re: A"]


def test_a_message_with_the_id_of_another_takes_no_answers_away(routed, ours, theirs):
    """The first that has an id keeps it: equal Message-IDs in two organizations stay apart."""
    receive_globally(routed, letter("A", sender=ALICE, to=to("ours"), message_id="same@customer.test"))
    receive_globally(routed, letter("B", sender=ALICE, to=to("theirs"), message_id="same@customer.test"))
    receive_globally(routed, letter("Re: A", sender=ALICE, to=ADDRESS, answers=["same@customer.test"]))
    assert subjects_in(ours) == ["A", "Re: A"]
    assert subjects_in(theirs) == ["B"]
    demand_sound()


def test_our_signed_token_leads_back_whoever_carries_it(routed, ours, theirs, inside):
    (arrival,) = receive_globally(routed, letter("A", to=to("ours")))
    message = message_in(ours, arrival)
    with inside(ours):
        thread = db.session.get_one(Thread, (ours.id, message.thread_id))
        token, our_id = thread_token(thread), header_id(thread, "postroom.test")
    receive_globally(
        routed, letter("By header", sender=BOB, to=to("theirs"), headers=f"{TOKEN_HEADER}: {token}")
    )
    receive_globally(routed, letter("By id", sender=BOB, to=to("theirs"), answers=[our_id]))
    receive_globally(
        routed, letter("Forged", sender=BOB, to=to("theirs"), headers=f"{TOKEN_HEADER}: {token[:-4]}aaaa")
    )
    assert subjects_in(ours) == ["A", "By header", "By id"]
    assert subjects_in(theirs) == ["Forged"]


def test_a_bounce_finds_the_conversation_of_what_it_gives_back(routed, ours, inside):
    (arrival,) = receive_globally(routed, letter("A", to=to("ours")))
    with inside(ours):
        thread = db.session.get_one(Thread, (ours.id, message_in(ours, arrival).thread_id))
        our_id = header_id(thread, "postroom.test")
    bounce = (
        f"From: MAILER-DAEMON@mx.test\r\nTo: {ADDRESS}\r\nSubject: Undelivered\r\n"
        "MIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nIt failed.\r\n"
        "--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.test\r\n\r\n"
        "Final-Recipient: rfc822; x@customer.test\r\nAction: failed\r\nStatus: 5.1.1\r\n"
        f"--b\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: <{our_id}>\r\nSubject: Re: A\r\n\r\n"
        "--b--\r\n"
    )
    receive_globally(routed, bounce.encode())
    assert subjects_in(ours) == ["A", "Undelivered"]


def test_a_conversation_of_somebody_no_longer_served_is_skipped_and_said_so(routed, ours, theirs):
    receive_globally(routed, letter("A", sender=ALICE, to=to("ours"), message_id="one@customer.test"))
    disable(ours)
    answer = letter("Re: A", sender=ALICE, to=to("theirs"), answers=["one@customer.test"])
    (arrival,) = receive_globally(routed, answer)
    assert subjects_in(theirs) == ["Re: A"]
    (way,) = ways_of_arrival(arrival)
    assert way.reason.startswith("It answers a conversation in which its sender takes part, but")
    assert "skipped" not in way.sentence


def test_every_copy_of_a_message_goes_where_the_first_one_went(routed, ours, theirs, inside):
    """Filed in another folder, or handed out anew: also after the rules have changed."""
    raw = letter("A", to=to("ours"), message_id="one@customer.test")
    receive_globally(routed, raw)
    with inside_installation("a test") as session:
        session.execute(
            update(RoutingRule).where(RoutingRule.value == "ours").values(organization_id=theirs.id)
        )
        session.commit()
    receive_globally(routed, raw, folder="archive")
    assert (subjects_in(ours), subjects_in(theirs)) == (["A"], [])
    with inside(ours):
        assert db.session.scalar(select(func.count()).select_from(Location)) == 2
    demand_sound()


def test_a_decision_once_committed_stands_though_the_rules_change(routed, ours, theirs, monkeypatch):
    """Otherwise a delivery that died half way would put one message into two organizations."""
    (arrival,) = arrive_globally(routed, letter("A", to=to("ours")))
    monkeypatch.setattr("mailboxes.intake.routed._let_go", lambda *given: None)
    monkeypatch.setattr("mailboxes.intake.next_batch", _once(next_batch))
    deliver_globally(routed)
    monkeypatch.undo()
    with inside_installation("a test") as session:
        session.execute(update(RoutingRule).values(organization_id=theirs.id))
        session.commit()
    assert state_of(arrival).state == "stored"
    deliver_globally(routed)
    assert (subjects_in(ours), subjects_in(theirs)) == (["A"], [])
    demand_sound()


def _once(function: Any) -> Any:
    asked: set[Any] = set()

    def once(*given: Any) -> Any:
        is_first = given not in asked
        asked.add(given)
        return function(*given) if is_first else None

    return once


# --- copied ----------------------------------------------------------------------------------


def test_each_organization_gets_a_copy_with_bytes_and_thread_of_its_own(copied, ours, theirs, inside):
    raw = letter("To all", sender=ALICE, message_id="same@customer.test")
    (arrival,) = receive_globally(copied, raw)
    receive_globally(copied, letter("Re: To all", sender=ALICE, answers=["same@customer.test"]))
    ids = set()
    for world in (ours, theirs):
        assert subjects_in(world) == ["To all", "Re: To all"]
        with inside(world):
            assert db.session.scalar(select(func.count()).select_from(Raw)) == 2
            assert db.session.scalar(select(func.count()).select_from(Thread)) == 1
            ids |= set(db.session.scalars(select(Message.id)))
    assert len(ids) == 4
    assert {way.result for way in ways_of_arrival(arrival)} == {"copied"}
    with inside_installation("a test") as session:
        assert session.scalar(select(func.count()).select_from(Raw)) == 0
        assert session.scalar(select(func.count()).select_from(RouteMark)) == 0
    demand_sound()


def test_each_converts_for_itself_and_the_home_alone_may_answer(copied, ours, theirs, inside):
    for world in (ours, theirs):
        with inside(world):
            db.session.execute(update(Mailbox).values(action="case"))
            db.session.commit()
    (arrival,) = receive_globally(copied, letter("To all"))
    for world in (ours, theirs):
        with inside(world):
            act_on_pending()
            assert db.session.scalars(select(Case.subject)).all() == ["To all"]
    assert message_in(ours, arrival).may_respond
    copy = message_in(theirs, arrival)
    assert (copy.may_convert, copy.may_respond) == (True, False)
    assert "another organization answers" in copy.response_reason
    assert ours.name not in copy.response_reason


def test_a_disabled_organization_gets_no_copy_and_nobody_else_misses_one(copied, ours, theirs):
    disable(theirs)
    receive_globally(copied, letter("To all"))
    assert (subjects_in(ours), subjects_in(theirs)) == (["To all"], [])


def test_what_is_read_in_one_organization_is_not_read_in_another(copied, ours, theirs, inside):
    with inside_installation("a test") as session:
        session.execute(update(Account).values(mirrors_read_state=True))
        session.commit()
    (arrival,) = receive_globally(copied, letter("To all"), flags=["\\Seen"])
    with inside_installation("a test") as session:
        stored = state_of(arrival)
        account = session.get_one(Account, copied)
        folder = session.get_one(Folder, stored.folder_id)
        take_lease(session, copied)
        follow_flags(account, folder, account.lease_fence, stored.uid_validity, {stored.uid: ["\\Flagged"]})
        follow_flags(account, folder, account.lease_fence, stored.uid_validity, {stored.uid: ["\\Seen"]})
    for world in (ours, theirs):
        assert not message_in(world, arrival).is_read_by_all
        with inside(world):
            assert db.session.scalars(select(Location.flags)).all() == [["\\Seen"]]
            assert db.session.scalar(select(func.count()).select_from(MessageRead)) == 0


def test_what_an_organization_sends_is_copied_to_no_other(copied, ours, theirs, inside):
    (arrival,) = receive_globally(copied, letter("To all", sender=ALICE, message_id="same@customer.test"))
    message = message_in(theirs, arrival)
    with inside(theirs):
        token = thread_token(db.session.get_one(Thread, (theirs.id, message.thread_id)))
    sent = {"sender": ADDRESS, "answers": ["same@customer.test"]}
    receive_globally(
        copied, letter("By the neighbour", headers=f"{TOKEN_HEADER}: {token}", **sent), folder="sent"
    )
    receive_globally(copied, letter("By a mail program", **sent), folder="sent")
    assert subjects_in(theirs) == ["To all", "By the neighbour"]
    assert subjects_in(ours) == ["To all", "By a mail program"]
    demand_sound()


def bounced(token: str) -> bytes:
    """A server gives back what an organization has sent, whole."""
    return (
        "From: MAILER-DAEMON@relay.test\r\nTo: orders@postroom.test\r\nSubject: Undelivered\r\n"
        "MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n"
        "--b\r\nContent-Type: text/plain\r\n\r\nNobody is there.\r\n"
        "--b\r\nContent-Type: message/delivery-status\r\n\r\nFinal-Recipient: rfc822; alice@customer.test\r\n"
        "Action: failed\r\nStatus: 5.1.1\r\n"
        f"--b\r\nContent-Type: message/rfc822\r\n\r\nFrom: {ADDRESS}\r\nSubject: Our price\r\n"
        f"{TOKEN_HEADER}: {token}\r\n\r\nFor you alone.\r\n--b--\r\n"
    ).encode()


@pytest.mark.parametrize("folder", ["all", "archive", "inbox", "other"])
def test_what_an_organization_sent_is_no_others_wherever_it_lies(copied, ours, theirs, inside, folder):
    (arrival,) = receive_globally(copied, letter("To all", sender=ALICE, message_id="same@customer.test"))
    message = message_in(theirs, arrival)
    with inside(theirs):
        token = thread_token(db.session.get_one(Thread, (theirs.id, message.thread_id)))
    sent = letter(
        "By the neighbour", sender=ADDRESS, headers=f"{TOKEN_HEADER}: {token}", body="For you alone"
    )
    receive_globally(copied, sent, folder=folder)
    receive_globally(copied, bounced(token), folder=folder)
    assert subjects_in(ours) == ["To all"]
    assert subjects_in(theirs) == ["To all", "By the neighbour", "Undelivered"]
    demand_sound()


def test_an_answer_of_the_customer_that_quotes_our_token_is_copied_as_before(copied, ours, theirs, inside):
    (arrival,) = receive_globally(copied, letter("To all", sender=ALICE, message_id="same@customer.test"))
    message = message_in(theirs, arrival)
    with inside(theirs):
        thread = db.session.get_one(Thread, (theirs.id, message.thread_id))
        answered = header_id(thread, "postroom.test")
    receive_globally(copied, letter("Re: To all", sender=ALICE, answers=[answered]))
    assert subjects_in(ours) == subjects_in(theirs) == ["To all", "Re: To all"]


def test_what_a_mail_program_sent_and_archived_is_the_homes(copied, ours, theirs):
    receive_globally(copied, letter("Archived", sender=ADDRESS, to="alice@customer.test"), folder="archive")
    assert (subjects_in(ours), subjects_in(theirs)) == (["Archived"], [])


def test_a_removal_on_the_server_is_noted_in_every_organization(copied, ours, theirs):
    (arrival,) = receive_globally(copied, letter("To all"))
    with inside_installation("a test") as session:
        stored, account = state_of(arrival), session.get_one(Account, copied)
        folder = session.get_one(Folder, stored.folder_id)
        take_lease(session, copied)
        follow_removals(account, folder, account.lease_fence, stored.uid_validity, [stored.uid], now())
    for world in (ours, theirs):
        assert message_in(world, arrival).removed_on_server_at is not None


def take_lease(session: Any, account_id: Any) -> None:
    account = session.get_one(Account, account_id)
    account.lease_owner, account.lease_expires_at = "test", now() + timedelta(minutes=5)
    session.commit()


def test_an_account_that_serves_nobody_holds_everything(app):
    account_id = make_global_account("copied")
    (arrival,) = receive_globally(account_id, letter("To nobody"))
    assert state_of(arrival).state == "unrouted"
    demand_sound()
