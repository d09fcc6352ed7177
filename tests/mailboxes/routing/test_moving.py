"""A message that was routed wrongly moves, and leaves nothing that can be read."""

from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import func, select

from mailboxes.acting import act_on_pending
from mailboxes.arrivals import Raw
from mailboxes.crm.cases import Case, comment
from mailboxes.crm.channels import Channel
from mailboxes.crm.contacts import Contact, make_contact
from mailboxes.crm.leads import Lead, change_lead
from mailboxes.inbox.split_and_join import split
from mailboxes.messages import Attachment, Location, Message
from mailboxes.outgoing import Outgoing
from mailboxes.routing.leaving import effects_of
from mailboxes.routing.moving import begin_move, finish_moves
from mailboxes.setup.deleting import close
from mailboxes.system_mailboxes import Mailbox
from mailboxes.threads import Thread
from mailboxes.threads.notes import write_note
from mailboxes.threads.tokens import header_id
from mailboxes.timeline import events_of
from tenants.audit import AuditEntry, SystemAuditEntry
from tenants.database import Base, OptionallyScoped, OrganizationScoped, db, inside_installation, now
from tenants.errors import ConflictError, InvalidError, NotFoundError
from tests.factories import World, make_message, make_raw
from tests.mailboxes.arriving import letter
from tests.mailboxes.global_mail import (
    SOMEBODY,
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

SECRET = "zqsecret"
SOMEBODY_ELSE = UUID(int=7)
SCOPED = sorted(
    mapper.local_table.name
    for mapper in Base.registry.mappers
    if issubclass(mapper.class_, (OrganizationScoped, OptionallyScoped))
)


@pytest.fixture
def account_id(ours: World, theirs: World) -> Any:
    """Everything goes to us, which is wrong; both of us make cases."""
    account_id = make_global_account(home=ours)
    serve(ours, account_id, action="case")
    serve(theirs, account_id, action="case")
    return account_id


def secret_letter(**given: Any) -> bytes:
    return make_raw(
        sender=f"{SECRET} Person <{SECRET}@customer.test>",
        subject=f"{SECRET} subject",
        text=f"{SECRET} body",
        attachments=((f"{SECRET}.pdf", "application/pdf", b"%PDF"),),
        **given,
    )


def move(arrival_id: Any, target: World, *, whole: bool = False) -> None:
    with inside_installation("a test") as session:
        account_id = begin_move(arrival_id, target.id, whole=whole, by=SOMEBODY)
        session.commit()
        finish_moves(account_id)
    deliver_globally(account_id)


def what_is_left(database_urls: Any, world: World) -> dict[str, int]:
    """How many rows of an organization still say anything of the message, by table."""
    found = {}
    with psycopg.connect(database_urls.system.replace("+psycopg", "")) as connection:
        for table in SCOPED:
            query = f"SELECT count(*) FROM {table} t WHERE organization_id = %s AND t::text ~* %s"
            count = connection.execute(query, (world.id, SECRET)).fetchone()[0]
            found |= {table: count} if count else {}
    return found


def act(inside: Any, *worlds: World) -> None:
    for world in worlds:
        with inside(world):
            act_on_pending()


def test_it_is_delivered_anew_and_nothing_readable_stays(account_id, ours, theirs, inside, database_urls):
    (arrival,) = receive_globally(account_id, secret_letter())
    act(inside, ours)
    before = message_in(ours, arrival)
    with inside(ours):
        write_note(db.session.get_one(Thread, (ours.id, before.thread_id)), f"{SECRET} rang", ours.member)
        assert effects_of(before).notes == 1
        db.session.commit()
    left = what_is_left(database_urls, ours)
    assert {"messages", "notes", "cases", "contacts", "attachments"} <= left.keys()
    move(arrival, theirs)
    act(inside, ours, theirs)
    assert what_is_left(database_urls, ours) == {}
    moved = message_in(theirs, arrival)
    assert (moved.subject, moved.id != before.id) == (f"{SECRET} subject", True)
    with inside(theirs):
        assert db.session.scalars(select(Case.subject)).all() == [f"{SECRET} subject"]
        assert db.session.scalar(select(func.count()).select_from(Attachment)) == 1
        (event,) = [one for one in events_of(moved) if one.stage == "routed"]
    assert (event.result, event.reason) == ("moved", "A system administrator moved it here.")
    with inside(ours):
        for model in (Message, Location, Thread, Raw, Contact, Case):
            assert db.session.scalar(select(func.count()).select_from(model)) == 0, model
    with inside_installation("a test") as session:
        assert session.scalar(select(func.count()).select_from(Raw)) == 0
    demand_sound()


def test_it_leaves_a_mailbox_that_is_being_deleted(account_id, ours, theirs, inside):
    """Else no mail of the whole account would be delivered until that is gone."""
    (arrival,) = receive_globally(account_id, secret_letter())
    with inside(ours):
        close(db.session.scalar(select(Mailbox)), by=SOMEBODY)
        db.session.commit()
    move(arrival, theirs)
    assert message_in(ours, arrival) is None
    assert message_in(theirs, arrival).subject == f"{SECRET} subject"


def test_every_record_says_it_and_none_names_the_other_organization(account_id, ours, theirs, inside):
    (arrival,) = receive_globally(account_id, letter())
    move(arrival, theirs)
    with inside(ours):
        entry = db.session.scalars(select(AuditEntry).where(AuditEntry.act == "message.moved_away")).one()
    assert (entry.actor_name, entry.after["messages"]) == ("Sam System", 1)
    assert theirs.name not in f"{entry.subject}{entry.before}{entry.after}"
    with inside(theirs):
        entry = db.session.scalars(select(AuditEntry).where(AuditEntry.act == "message.moved_here")).one()
    assert (entry.actor_name, entry.subject) == ("Sam System", "A message of orders@postroom.test")
    assert ours.name not in f"{entry.subject}{entry.before}{entry.after}"
    with inside_installation("a test") as session:
        entry = session.scalars(select(SystemAuditEntry).where(SystemAuditEntry.act == "message.moved")).one()
    assert (entry.before["organization"], entry.after["organization"]) == (ours.name, theirs.name)


def test_what_people_did_on_its_case_stays_and_the_content_goes(
    account_id, ours, theirs, inside, database_urls
):
    (arrival,) = receive_globally(account_id, secret_letter())
    act(inside, ours)
    with inside(ours):
        case = db.session.scalars(select(Case)).one()
        comment(case, "Called them.", ours.member.id, "Mia", is_public=False)
        db.session.commit()
    move(arrival, theirs)
    assert what_is_left(database_urls, ours) == {}
    with inside(ours):
        case = db.session.scalars(select(Case)).one()
        assert (case.subject, case.description) == ("(message moved out of this organization)", "")
    demand_sound()


def test_a_lead_that_somebody_changed_keeps_their_history_without_content(
    ours, theirs, inside, database_urls
):
    with inside(ours):
        db.session.add(Channel(name="Shop", is_active=True))
        db.session.commit()
    account_id = make_global_account(home=ours)
    serve(ours, account_id, action="lead")
    serve(theirs, account_id)
    (arrival,) = receive_globally(account_id, secret_letter())
    act(inside, ours)
    with inside(ours):
        lead = db.session.scalars(select(Lead)).one()
        change_lead(lead, {"phone": "123", "name": "Better"}, "Mia")
        db.session.commit()
    move(arrival, theirs)
    assert what_is_left(database_urls, ours) == {}
    with inside(ours):
        lead = db.session.scalars(select(Lead)).one()
        assert (lead.name, lead.phone, lead.notes) == ("(message moved out of this organization)", "", "")
    demand_sound()


def test_a_contact_known_before_or_by_another_message_stays(account_id, ours, theirs, inside):
    with inside(ours):
        make_contact({"name": "Bob"}, ["bob@customer.test"])
        db.session.commit()
    (bob,) = receive_globally(account_id, letter(sender="bob@customer.test"))
    first, _ = receive_globally(account_id, letter("One"), letter("Two"))
    act(inside, ours)
    move(bob, theirs)
    move(first, theirs)
    with inside(ours):
        assert db.session.scalar(select(func.count()).select_from(Contact)) == 2


def test_answers_go_with_the_message_and_the_rest_of_the_conversation_stays(account_id, ours, theirs, inside):
    first = letter("A", message_id="one@customer.test")
    second = letter("Re: A", message_id="two@customer.test", answers=["one@customer.test"])
    (one,) = receive_globally(account_id, first)
    (two,) = receive_globally(account_id, second)
    answer(inside, ours, one)
    move(one, theirs)
    assert (subjects_in(ours), subjects_in(theirs)) == (["Re: A"], ["A"])
    with inside(ours):
        thread = db.session.scalars(select(Thread)).one()
        assert (thread.message_count, thread.outgoing_count, thread.subject) == (1, 0, "Re: A")
        assert db.session.scalar(select(func.count()).select_from(Outgoing)) == 0
    demand_sound()
    move(two, theirs)
    with inside(theirs):
        assert db.session.scalar(select(func.count()).select_from(Thread)) == 1
    demand_sound()


def test_a_whole_conversation_moves_at_once_and_later_answers_follow_it(account_id, ours, theirs, inside):
    (one,) = receive_globally(account_id, letter("A", message_id="one@customer.test"))
    receive_globally(
        account_id, letter("Re: A", message_id="two@customer.test", answers=["one@customer.test"])
    )
    with inside(ours):
        thread = db.session.get_one(Thread, (ours.id, message_in(ours, one).thread_id))
        our_id = header_id(thread, "postroom.test")
    move(one, theirs, whole=True)
    receive_globally(account_id, letter("Re: Re: A", answers=["two@customer.test"]))
    receive_globally(account_id, letter("Re: yours", sender="x@customer.test", answers=[our_id]))
    assert subjects_in(ours) == []
    assert subjects_in(theirs) == ["A", "Re: A", "Re: Re: A", "Re: yours"]
    demand_sound()


def answer_id(inside: Any, world: World, arrival_id: Any) -> str:
    """The Message-ID of an answer that an organization sends in this conversation."""
    message = message_in(world, arrival_id)
    with inside(world):
        return header_id(db.session.get_one(Thread, (world.id, message.thread_id)), "postroom.test")


def test_answers_to_what_stays_of_a_conversation_stay_with_it(account_id, ours, theirs, inside):
    (one,) = receive_globally(account_id, letter("A", message_id="one@customer.test"))
    receive_globally(account_id, letter("Re: A", answers=["one@customer.test"]))
    our_id = answer_id(inside, ours, one)
    move(one, theirs)
    receive_globally(account_id, letter("Re: yours", sender="x@customer.test", answers=[our_id]))
    assert (subjects_in(ours), subjects_in(theirs)) == (["Re: A", "Re: yours"], ["A"])


def test_answers_follow_a_message_that_is_moved_back(account_id, ours, theirs, inside):
    (one,) = receive_globally(account_id, letter("A"))
    our_id = answer_id(inside, ours, one)
    move(one, theirs)
    their_id = answer_id(inside, theirs, one)
    move(one, ours)
    receive_globally(account_id, letter("Re: ours", sender="x@customer.test", answers=[our_id]))
    receive_globally(account_id, letter("Re: theirs", sender="y@customer.test", answers=[their_id]))
    assert (subjects_in(ours), subjects_in(theirs)) == (["A", "Re: ours", "Re: theirs"], [])


def test_all_places_of_a_message_move_with_it_and_it_can_move_back(account_id, ours, theirs, inside):
    raw = letter("A")
    (one,) = receive_globally(account_id, raw)
    (other,) = receive_globally(account_id, raw, folder="archive")
    move(other, theirs)
    with inside(theirs):
        assert db.session.scalar(select(func.count()).select_from(Location)) == 2
    move(one, ours)
    assert (subjects_in(ours), subjects_in(theirs)) == (["A"], [])
    assert [(way.result, way.left_at is None) for way in ways_of_arrival(one)].count(("moved", True)) == 1
    demand_sound()


def split_in_two(account_id: Any, ours: World, inside: Any) -> list[Any]:
    """The arrivals of a question and of its answer, which people have split."""
    one, two = receive_globally(
        account_id,
        letter("A", message_id="one@customer.test"),
        letter("Re: A", message_id="two@customer.test", answers=["one@customer.test"]),
    )
    act(inside, ours)
    with inside(ours):
        split(ours.member, message_in(ours, two).id)
        db.session.commit()
    return [one, two]


@pytest.mark.parametrize("moved", [0, 1], ids=["what was split", "what was split off"])
def test_parts_of_a_split_stay_apart_where_one_moves_and_comes_back(account_id, ours, theirs, inside, moved):
    arrivals = split_in_two(account_id, ours, inside)
    for target in (theirs, ours):
        move(arrivals[moved], target)
        act(inside, ours, theirs)
    threads = [message_in(ours, arrival).thread_id for arrival in arrivals]
    assert threads[0] != threads[1]
    (late,) = receive_globally(account_id, letter("Re: Re: A", answers=["two@customer.test"]))
    assert message_in(ours, late).thread_id == threads[1]
    with inside(ours):
        assert db.session.scalars(select(Case.subject)).all() == ["A"]
    demand_sound()


def test_answers_follow_a_part_that_is_split_off_while_it_moves(
    account_id, ours, theirs, inside, monkeypatch
):
    _, two = receive_globally(
        account_id,
        letter("A", message_id="one@customer.test"),
        letter("Re: A", message_id="two@customer.test", answers=["one@customer.test"]),
    )
    our_ids = []

    def split_off(point: str) -> None:
        if point == "bytes brought back" and not our_ids:
            with inside(ours):
                split(ours.member, message_in(ours, two).id)
                db.session.commit()
            our_ids.append(answer_id(inside, ours, two))

    monkeypatch.setattr("mailboxes.routing.moving.crash_point", split_off)
    move(two, theirs)
    assert subjects_in(ours) == ["A", "Re: A"]
    with inside_installation("a test"):
        finish_moves(account_id)
    deliver_globally(account_id)
    receive_globally(account_id, letter("Re: yours", sender="x@customer.test", answers=our_ids))
    assert (subjects_in(ours), subjects_in(theirs)) == (["A"], ["Re: A", "Re: yours"])


def test_a_message_waits_while_an_answer_to_it_is_being_sent(account_id, ours, theirs, inside):
    (arrival,) = receive_globally(account_id, letter())
    outgoing = answer(inside, ours, arrival, state="committing")
    move(arrival, theirs)
    assert (subjects_in(ours), subjects_in(theirs)) == (["Question", "Re: Question"], [])
    with inside(ours):
        db.session.get_one(Outgoing, (ours.id, outgoing)).state = "sent"
        db.session.commit()
    with inside_installation("a test"):
        finish_moves(account_id)
    deliver_globally(account_id)
    assert (subjects_in(ours), subjects_in(theirs)) == ([], ["Question"])


def test_what_was_removed_meanwhile_does_not_move(account_id, ours, theirs, inside):
    (arrival,) = receive_globally(account_id, letter())
    with inside_installation("a test") as session:
        begin_move(arrival, theirs.id, whole=False, by=SOMEBODY)
        session.commit()
        with inside(ours):
            db.session.delete(db.session.get_one(Message, (ours.id, message_in(ours, arrival).id)))
            db.session.commit()
        finish_moves(account_id)
    deliver_globally(account_id)
    assert (subjects_in(ours), subjects_in(theirs), state_of(arrival).state) == ([], [], "delivered")


def test_only_what_an_organization_has_moves_and_only_to_one_that_is_served(account_id, ours, theirs):
    (arrival,) = receive_globally(account_id, letter())
    elsewhere = make_global_account("copied", home=ours)
    serve(ours, elsewhere, label="Copies", address="copies@postroom.test")
    (copy,) = receive_globally(elsewhere, letter())
    lone = make_global_account()
    (unrouted,) = receive_globally(lone, letter())
    with inside_installation("a test"):
        for target in (None, SOMEBODY_ELSE, ours.id):
            with pytest.raises(InvalidError):
                begin_move(arrival, target, whole=False, by=SOMEBODY)
        with pytest.raises(ConflictError, match="copy of its own"):
            begin_move(copy, theirs.id, whole=False, by=SOMEBODY)
        with pytest.raises(NotFoundError):
            begin_move(unrouted, theirs.id, whole=False, by=SOMEBODY)
        begin_move(arrival, theirs.id, whole=False, by=SOMEBODY)
        with pytest.raises(ConflictError, match="already"):
            begin_move(arrival, theirs.id, whole=False, by=SOMEBODY)


def test_a_rule_decides_before_and_a_move_overrules_it_for_every_copy(ours, theirs):
    account_id = make_global_account()
    serve(ours, account_id)
    serve(theirs, account_id)
    make_rule(account_id, "sender_domain", "customer.test", ours)
    raw = letter("A")
    (one,) = receive_globally(account_id, raw)
    move(one, theirs)
    receive_globally(account_id, raw, folder="archive")
    assert (subjects_in(ours), subjects_in(theirs)) == ([], ["A"])
    demand_sound()


def answer(inside: Any, world: World, arrival_id: Any, state: str = "sent") -> Any:
    """Our own answer to a message, as sending leaves it."""
    message = message_in(world, arrival_id)
    mailbox, thread = _place(inside, world, message)
    ours = make_message(
        world,
        mailbox,
        thread=thread,
        direction="out",
        raw=letter(f"Re: {message.subject}", sender="orders@postroom.test", to="alice@customer.test"),
    )
    with inside(world):
        row = Outgoing(
            mailbox_id=mailbox.id,
            message_id=ours.id,
            trigger_id=message.id,
            kind="reply",
            header_id=f"<{ours.id}@x.test>",
            recipients=["alice@customer.test"],
            state=state,
            give_up_at=now(),
        )
        db.session.add(row)
        db.session.commit()
        return row.id


def _place(inside: Any, world: World, message: Message) -> Any:
    with inside(world):
        return (
            db.session.get_one(Mailbox, (world.id, message.mailbox_id)),
            db.session.get_one(Thread, (world.id, message.thread_id)),
        )
