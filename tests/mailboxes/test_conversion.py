"""A message becomes a lead or a case, once, and the timeline says why."""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from sqlalchemy import func, select, update

from mailboxes.conversion import (
    Conversion,
    checked_settings,
    choices_of,
    contact_of,
    conversations_of_case,
    convert,
    convert_by_hand,
    links_of,
    offers,
)
from mailboxes.conversion.known_actions import actions
from mailboxes.crm import cases, lead_sources
from mailboxes.crm.cases import Case
from mailboxes.crm.channels import activate_channel, add_channel
from mailboxes.crm.contacts import Contact, ContactAddress
from mailboxes.crm.lead_sources import LeadSource, offer_lead_sources
from mailboxes.crm.leads import Lead
from mailboxes.messages import Message
from mailboxes.threads import Thread, ThreadRecord
from mailboxes.timeline import events_of
from tenants.configuration.layers import override
from tenants.database import db, inside
from tenants.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from tenants.organizations import Membership
from tests.factories import make_mailbox, make_member, make_message, make_raw, make_thread
from tests.mailboxes.arriving import letter, receive


@pytest.fixture
def cases_mailbox(ours):
    settings = {"owner": str(ours.admin.id), "assignee": str(ours.member.id), "priority": "high"}
    return make_mailbox(ours, action="case", action_settings={**settings, "tags": ["billing"]})


@pytest.fixture
def leads_mailbox(ours):
    with inside(ours.id):
        offer_lead_sources()
        add_channel("Sales")
        db.session.commit()
    settings = {"owner": str(ours.member.id), "source": "web_form"}
    return make_mailbox(ours, action="lead", action_settings=settings)


def opening(organization, mailbox, **given):
    facts = {"is_opening": True, "may_convert": True, "work": "pending"}
    return make_message(organization, mailbox, **{**facts, **given})


def act(organization, message):
    """Convert as a worker does, in a transaction of its own; the timeline of the message so far."""
    with inside(organization.id):
        stored = db.session.scalars(select(Message).where(Message.id == message.id)).one()
        convert(stored)
        db.session.commit()
        return [event for event in events_of(stored) if event.stage != "fetched"]


def all_of(organization, table):
    with inside(organization.id):
        return db.session.scalars(select(table)).all()


def test_an_opening_message_becomes_a_case_as_its_mailbox_says(ours, theirs, cases_mailbox):
    message = opening(ours, cases_mailbox, subject="It is broken", text="Please help.\nThanks")
    (event,) = act(ours, message)
    (case,) = all_of(ours, Case)
    assert (case.subject, case.description.strip(), case.source) == (
        "It is broken",
        "Please help.\nThanks",
        "email",
    )
    assert (case.status, case.priority, case.tags) == ("open", "high", ["billing"])
    assert (case.owner_id, case.assignee_id) == (ours.admin.id, ours.member.id)
    assert case.reported_at == message.arrived_at
    assert case.opening_message_id == message.id
    assert case.is_automatic
    assert (event.stage, event.result) == ("converted", "converted")
    assert "It is broken" in event.reason
    (contact,) = all_of(ours, Contact)
    assert (contact.name, case.contact_id) == ("Carla Customer", contact.id)
    assert all_of(theirs, Case) == [] == all_of(theirs, Contact)


def test_an_opening_message_becomes_a_lead_as_its_mailbox_says(ours, leads_mailbox):
    act(ours, opening(ours, leads_mailbox, subject="", text="Send me an offer."))
    (lead,) = all_of(ours, Lead)
    assert (lead.name, lead.notes.strip(), lead.status) == ("(no subject)", "Send me an offer.", "new")
    assert (lead.first_name, lead.last_name, lead.address) == ("Carla", "Customer", "carla@customer.test")
    assert lead.owner_id == ours.member.id
    with inside(ours.id):
        assert lead_sources.lead_source_of(lead.source_id).name == "Web form"


def test_acting_twice_is_acting_once(ours, cases_mailbox):
    message = opening(ours, cases_mailbox)
    act(ours, message)
    events = act(ours, message)
    assert len(events) == 1
    assert len(all_of(ours, Case)) == len(all_of(ours, Conversion)) == len(all_of(ours, ThreadRecord)) == 1


def test_the_same_message_in_two_mailboxes_makes_one_record_of_a_kind(ours, cases_mailbox, leads_mailbox):
    other = make_mailbox(ours, action="case")
    raw = make_raw(subject="To all of you")
    for mailbox in (cases_mailbox, other, leads_mailbox):
        act(ours, opening(ours, mailbox, raw=raw))
    (case,), (lead,) = all_of(ours, Case), all_of(ours, Lead)
    linked = all_of(ours, ThreadRecord)
    assert sorted(link.kind for link in linked) == ["case", "case", "lead"]
    assert {link.case_id for link in linked if link.kind == "case"} == {case.id}
    assert {link.lead_id for link in linked if link.kind == "lead"} == {lead.id}


def test_a_neighbour_with_the_same_message_has_a_record_of_its_own(ours, theirs, cases_mailbox):
    raw = make_raw()
    act(ours, opening(ours, cases_mailbox, raw=raw))
    act(theirs, opening(theirs, make_mailbox(theirs, action="case"), raw=raw))
    (our_case,), (their_case,) = all_of(ours, Case), all_of(theirs, Case)
    assert our_case.id != their_case.id


def test_workers_that_meet_make_one_record(app, ours, cases_mailbox):
    """The same message again and again, and copies of it in four mailboxes, all at the same moment."""
    raw = make_raw()
    mailboxes = [cases_mailbox, *(make_mailbox(ours, action="case") for _ in range(3))]
    messages = [opening(ours, mailbox, raw=raw) for mailbox in mailboxes]

    def work(message):
        with app.app_context():
            act(ours, message)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, messages * 3))
    assert len(all_of(ours, Case)) == len(all_of(ours, Contact)) == len(all_of(ours, Conversion)) == 1
    assert len(all_of(ours, ThreadRecord)) == 4


def test_what_may_not_convert_says_why(ours, cases_mailbox):
    reason = "Automatic message: the sender's address belongs to a machine."
    message = opening(
        ours, cases_mailbox, may_convert=False, is_automatic=True, conversion_reason=reason, work="pending"
    )
    (event,) = act(ours, message)
    assert (event.result, event.reason) == ("not converted", reason)
    assert all_of(ours, Case) == [] == all_of(ours, Contact)


@pytest.mark.parametrize("box", ["spam", "trash", "drafts", "sent"])
def test_what_lies_in_such_a_folder_makes_nothing(ours, cases_mailbox, box):
    act(ours, opening(ours, cases_mailbox, may_convert=False, box=box))
    assert all_of(ours, Case) == [] == all_of(ours, Contact)


def test_what_we_sent_is_left_alone(ours, cases_mailbox):
    assert act(ours, make_message(ours, cases_mailbox, direction="out", may_convert=True)) == []


def test_a_mailbox_that_does_nothing_still_knows_who_wrote(ours):
    mailbox = make_mailbox(ours)
    (event,) = act(ours, opening(ours, mailbox))
    assert (event.result, event.reason) == (
        "not converted",
        "This mailbox does nothing with new conversations.",
    )
    assert len(all_of(ours, Contact)) == 1


def test_a_reply_belongs_to_the_record_and_makes_none(ours, cases_mailbox):
    thread = make_thread(ours, cases_mailbox)
    act(ours, opening(ours, cases_mailbox, thread=thread))
    (event,) = act(ours, make_message(ours, cases_mailbox, thread=thread))
    assert event.result == "attached"
    assert len(all_of(ours, Case)) == 1


@pytest.mark.parametrize(
    ("status", "given", "expected"),
    [
        ("resolved", {}, "open"),
        ("closed", {}, "closed"),
        ("in_progress", {}, "in_progress"),
        ("resolved", {"is_automatic": True}, "resolved"),
        ("resolved", {"is_bounce": True}, "resolved"),
        ("resolved", {"box": "spam"}, "resolved"),
    ],
)
def test_a_customers_answer_reopens_a_resolved_case(ours, cases_mailbox, status, given, expected):
    thread = make_thread(ours, cases_mailbox)
    act(ours, opening(ours, cases_mailbox, thread=thread))
    set_status(ours, status)
    act(ours, make_message(ours, cases_mailbox, thread=thread, **given))
    assert all_of(ours, Case)[0].status == expected


def test_one_answer_reopens_once(ours, cases_mailbox):
    thread = make_thread(ours, cases_mailbox)
    act(ours, opening(ours, cases_mailbox, thread=thread))
    set_status(ours, "resolved")
    answer = make_message(ours, cases_mailbox, thread=thread)
    events = act(ours, answer)
    assert [event.result for event in events] == ["case reopened", "attached"]
    set_status(ours, "resolved")
    act(ours, answer)
    assert all_of(ours, Case)[0].status == "resolved"


def set_status(organization, status):
    with inside(organization.id):
        case = db.session.scalars(select(Case)).one()
        cases.change_status(case, status, "Ada")
        db.session.commit()


def test_a_conversation_that_answers_another_mailbox_shares_its_record(ours, cases_mailbox):
    first = make_thread(ours, cases_mailbox)
    act(ours, opening(ours, cases_mailbox, thread=first))
    other = make_mailbox(ours, action="case")
    second = make_thread(ours, other, linked_thread_id=first.id)
    (event,) = act(ours, opening(ours, other, thread=second))
    assert event.result == "attached"
    (case,) = all_of(ours, Case)
    assert {link.case_id for link in all_of(ours, ThreadRecord)} == {case.id}


def test_the_other_mailboxs_record_comes_first_whichever_worker_is_faster(ours, cases_mailbox):
    first = make_thread(ours, cases_mailbox)
    origin = opening(ours, cases_mailbox, thread=first, subject="The first one")
    other = make_mailbox(ours, action="case")
    second = make_thread(ours, other, linked_thread_id=first.id)
    act(ours, opening(ours, other, thread=second, subject="The second one"))
    act(ours, origin)
    (case,) = all_of(ours, Case)
    assert case.subject == "The first one"


def test_a_conversation_that_a_merge_has_linked_to_a_younger_one_shares_its_record(ours, cases_mailbox):
    other = make_mailbox(ours, action="case")
    first, second = make_thread(ours, cases_mailbox), make_thread(ours, other)
    with inside(ours.id):
        linked = update(Thread).where(Thread.id == first.id).values(linked_thread_id=second.id)
        db.session.execute(linked)
        db.session.commit()
    origin, answer = opening(ours, other, thread=second), opening(ours, cases_mailbox, thread=first)
    for message in (answer, origin):
        act(ours, message)
    assert (len(all_of(ours, Case)), len(all_of(ours, ThreadRecord))) == (1, 2)


@pytest.mark.parametrize("is_first", [True, False])
def test_conversations_linked_in_a_circle_share_one_record(ours, cases_mailbox, is_first):
    """A merge points links at the survivor, which may be the younger one."""
    first, other = make_thread(ours, cases_mailbox), make_mailbox(ours, action="case")
    second = make_thread(ours, other, linked_thread_id=first.id)
    with inside(ours.id):
        linked = update(Thread).where(Thread.id == first.id).values(linked_thread_id=second.id)
        db.session.execute(linked)
        db.session.commit()
    origin, answer = opening(ours, cases_mailbox, thread=first), opening(ours, other, thread=second)
    for message in (origin, answer) if is_first else (answer, origin):
        act(ours, message)
    assert (len(all_of(ours, Case)), len(all_of(ours, ThreadRecord))) == (1, 2)


@pytest.mark.parametrize("action", ["nothing", "case"])
def test_an_answer_to_another_mailbox_makes_a_record_where_there_is_none(ours, theirs, action):
    """The first mailbox makes no records, or its conversation was there before automation was."""
    first, second = make_mailbox(ours, action=action), make_mailbox(ours, action="case")
    receive(ours, first, letter("Offer", message_id="offer@x"), is_history=True)
    answer = letter("Re: Offer", message_id="answer@x", answers=["offer@x"])
    (message,) = receive(ours, second, answer)
    (event,) = [event for event in act(ours, message) if event.stage == "converted"]
    assert (event.result, message.is_opening) == ("converted", False)
    (further,) = receive(ours, second, letter("Re: Offer", answers=["answer@x"]))
    act(ours, further)
    (case,) = all_of(ours, Case)
    assert case.opening_message_id == message.id
    assert all_of(theirs, Case) == []


def test_of_conversations_linked_in_a_row_one_makes_the_record(ours, cases_mailbox):
    mailboxes = [make_mailbox(ours, action="nothing"), make_mailbox(ours, action="case"), cases_mailbox]
    receive(ours, mailboxes[0], letter(message_id="0@x"))
    (middle,) = receive(ours, mailboxes[1], letter(message_id="1@x", answers=["0@x"]))
    (last,) = receive(ours, mailboxes[2], letter(message_id="2@x", answers=["1@x"]))
    act(ours, last)
    act(ours, middle)
    (case,) = all_of(ours, Case)
    assert case.opening_message_id == middle.id
    assert {link.case_id for link in all_of(ours, ThreadRecord)} == {case.id}


def test_without_a_channel_there_is_no_lead_until_somebody_converts_by_hand(ours):
    mailbox = make_mailbox(ours, action="lead")
    message = opening(ours, mailbox)
    (event,) = act(ours, message)
    assert event.result == "not converted"
    assert "sales channel" in event.reason
    assert all_of(ours, Lead) == []
    with inside(ours.id), pytest.raises(ConflictError, match="sales channel"):
        convert_by_hand(stored(message), "lead", ours.member)
    with inside(ours.id):
        add_channel("Sales")
        record = convert_by_hand(stored(message), "lead", ours.member)
        db.session.commit()
    (lead,) = all_of(ours, Lead)
    assert (lead.id, lead.owner_id, lead.is_automatic) == (record.id, ours.member.id, False)
    with inside(ours.id):
        assert [link.label for link in links_of(message.thread_id)] == [lead.name]


def stored(message):
    return db.session.scalars(select(Message).where(Message.id == message.id)).one()


def test_an_inactive_channel_is_none(ours):
    with inside(ours.id):
        activate_channel(add_channel("Sales"), is_active=False)
        lead = next(offer for offer in offers() if offer.action.name == "lead")
        assert not lead.is_offered
        assert "sales channel" in lead.reason


def test_settings_that_no_longer_hold_lose_nothing(ours, leads_mailbox):
    with inside(ours.id):
        override("record.default_owner", str(ours.admin.id), "organization", by="Ada")
        member = db.session.scalars(select(Membership).where(Membership.id == ours.member.id)).one()
        member.is_enabled = False
        source = lead_sources.lead_source_with_key("web_form")
        db.session.delete(source)
        db.session.commit()
    (event,) = act(ours, opening(ours, leads_mailbox))
    (lead,) = all_of(ours, Lead)
    assert lead.owner_id == ours.admin.id
    with inside(ours.id):
        assert lead_sources.lead_source_of(lead.source_id).key == "email"
    assert "no active member any more. The default owner got it." in event.reason
    assert "“Email” is used" in event.reason


def test_settings_of_any_shape_make_a_case(ours):
    settings = {"owner": "nonsense", "assignee": str(uuid4()), "status": "odd", "priority": 7, "tags": "x"}
    mailbox = make_mailbox(ours, action="case", action_settings=settings)
    (event,) = act(ours, opening(ours, mailbox))
    (case,) = all_of(ours, Case)
    assert (case.status, case.priority, case.tags, case.owner_id) == ("open", "normal", [], None)
    assert "Nobody owns it yet." in event.reason


def test_a_neighbours_member_never_owns_our_record(ours, theirs):
    mailbox = make_mailbox(ours, action="case", action_settings={"owner": str(theirs.admin.id)})
    act(ours, opening(ours, mailbox))
    assert all_of(ours, Case)[0].owner_id is None


def test_a_plug_in_that_is_not_installed_keeps_the_message(ours):
    mailbox = make_mailbox(ours, action="ticket")
    (event,) = act(ours, opening(ours, mailbox))
    assert "not installed" in event.reason


def test_by_hand_needs_the_right_and_the_access(ours, cases_mailbox):
    message = opening(ours, cases_mailbox)
    powerless = make_member(ours.id, "Nobody", role=None)
    stranger = make_member(ours.id, "Stranger")
    with inside(ours.id):
        for member, error in ((powerless, NotFoundError), (stranger, NotFoundError)):
            with pytest.raises(error):
                convert_by_hand(stored(message), "case", member)
        with pytest.raises(NotFoundError):
            convert_by_hand(stored(message), "nothing", ours.member)
    mailbox = make_mailbox(ours, readers=(powerless,))
    other = opening(ours, mailbox)
    with inside(ours.id), pytest.raises(ForbiddenError):
        convert_by_hand(stored(other), "case", powerless)


def test_by_hand_twice_is_refused_and_the_worker_adds_none(ours, cases_mailbox):
    message = opening(ours, cases_mailbox)
    with inside(ours.id):
        convert_by_hand(stored(message), "case", ours.member)
        with pytest.raises(ConflictError, match="has a case already"):
            convert_by_hand(stored(message), "case", ours.member)
        db.session.commit()
    events = act(ours, message)
    assert [event.result for event in events] == ["converted", "attached"]
    assert len(all_of(ours, Case)) == 1


def test_a_trusted_web_form_speaks_for_the_person_in_reply_to(ours, cases_mailbox):
    with inside(ours.id):
        db.session.merge(cases_mailbox).trusted_forms = ["form@shop.test"]
        db.session.commit()
    headers = (("Reply-To", "Jane Doe <Jane@customer.test>"),)
    message = opening(ours, cases_mailbox, sender="Shop <form@shop.test>", headers=headers, is_automatic=True)
    act(ours, message)
    (contact,), (address,) = all_of(ours, Contact), all_of(ours, ContactAddress)
    assert (contact.name, address.address) == ("Jane Doe", "jane@customer.test")


def test_nobody_else_speaks_for_reply_to(ours, cases_mailbox):
    headers = (("Reply-To", "Jane Doe <jane@customer.test>"),)
    act(ours, opening(ours, cases_mailbox, sender="Eve <eve@customer.test>", headers=headers))
    assert [row.address for row in all_of(ours, ContactAddress)] == ["eve@customer.test"]


@pytest.mark.parametrize(
    "name",
    [
        "alice@bank.test",
        "'alice@bank.test' via X",
        "alice＠bank.test",
        "\u202ealice@bank.test",
        "Alice (alice@bank.test)",
    ],
)
def test_a_sender_never_becomes_the_one_whose_address_it_shows(ours, cases_mailbox, name):
    mallory = opening(
        ours,
        cases_mailbox,
        sender_name=name,
        sender_address="evil@x.test",
        raw=make_raw(sender="evil@x.test"),
    )
    alice = opening(ours, cases_mailbox, sender="Alice <alice@bank.test>")
    act(ours, mallory)
    act(ours, alice)
    contacts = {row.contact_id: row.address for row in all_of(ours, ContactAddress)}
    names = {contacts[contact.id]: contact.name for contact in all_of(ours, Contact)}
    assert names == {"evil@x.test": "", "alice@bank.test": "Alice"}


def test_a_contact_is_never_renamed_by_a_message(ours, cases_mailbox):
    act(ours, opening(ours, cases_mailbox, sender="Alice <alice@bank.test>"))
    act(ours, opening(ours, cases_mailbox, sender="Mallory <alice@bank.test>", facts=authenticated("fail")))
    act(ours, opening(ours, cases_mailbox, sender="Alison <alice@bank.test>", facts=authenticated("pass")))
    assert [contact.name for contact in all_of(ours, Contact)] == ["Alice"]


def test_an_authenticated_sender_may_give_the_name_that_is_missing(ours, cases_mailbox):
    act(ours, opening(ours, cases_mailbox, sender="alice@bank.test"))
    act(ours, opening(ours, cases_mailbox, sender="Mallory <alice@bank.test>"))
    assert [contact.name for contact in all_of(ours, Contact)] == [""]
    act(ours, opening(ours, cases_mailbox, sender="Alice <alice@bank.test>", facts=authenticated("pass")))
    assert [contact.name for contact in all_of(ours, Contact)] == ["Alice"]


def authenticated(dmarc):
    return {"authentication": {"dmarc": dmarc, "spf": "", "dkim": "", "has_aligned_dkim_pass": False}}


def test_our_own_mailbox_is_no_contact(ours, cases_mailbox):
    act(ours, opening(ours, cases_mailbox, sender=f"Us <{cases_mailbox.address}>"))
    assert all_of(ours, Contact) == []


def test_a_message_without_a_sender_makes_its_case(ours, cases_mailbox):
    message = opening(ours, cases_mailbox, sender_address="", sender_name="")
    act(ours, message)
    assert all_of(ours, Case)[0].contact_id is None
    with inside(ours.id):
        assert contact_of(stored(message)) is None


def test_only_readers_of_the_mailbox_see_the_conversation_of_a_case(ours, cases_mailbox):
    message = opening(ours, cases_mailbox)
    act(ours, message)
    stranger = make_member(ours.id, "Stranger")
    with inside(ours.id):
        case = db.session.scalars(select(Case)).one()
        assert [thread.id for thread in db.session.scalars(conversations_of_case(ours.member, case))] == [
            message.thread_id
        ]
        assert db.session.scalars(conversations_of_case(stranger, case)).all() == []


def test_a_message_that_is_removed_and_comes_again_makes_no_second_record(ours, cases_mailbox):
    raw = make_raw()
    message = opening(ours, cases_mailbox, raw=raw)
    act(ours, message)
    with inside(ours.id):
        db.session.delete(stored(message))
        db.session.commit()
    act(ours, opening(ours, cases_mailbox, raw=raw))
    assert len(all_of(ours, Case)) == 1
    assert all_of(ours, Case)[0].opening_message_id is None


def test_settings_are_checked_by_their_fields(ours, theirs):
    with inside(ours.id):
        offer_lead_sources()
        given = {"owner": str(ours.admin.id), "source": "email", "odd": "dropped"}
        assert checked_settings("lead", given) == {"owner": str(ours.admin.id), "source": "email"}
        for wrong, field in (
            ({**given, "owner": ""}, "owner"),
            ({**given, "owner": str(theirs.admin.id)}, "owner"),
            ({**given, "source": "moon"}, "source"),
        ):
            with pytest.raises(InvalidError) as error:
                checked_settings("lead", wrong)
            assert error.value.field == field
        case = {"owner": str(ours.admin.id), "status": "open", "priority": "low", "tags": "a, #b,a"}
        assert checked_settings("case", case)["tags"] == ["a", "b"]
        with pytest.raises(InvalidError):
            checked_settings("moon", {})


def test_choices_come_from_this_organization(ours, theirs):
    with inside(ours.id):
        offer_lead_sources()
        owner, source = actions()["lead"].fields
        assert {label for _, label in choices_of(owner)} == {ours.admin.name, ours.member.name}
        assert ("demand_generation", "Demand Generation") in choices_of(source)
    with inside(theirs.id):
        assert choices_of(source) == []
        assert db.session.scalar(select(func.count()).select_from(LeadSource)) == 0


def test_long_subjects_are_cut_and_nothing_breaks(ours, cases_mailbox):
    act(ours, opening(ours, cases_mailbox, subject="x" * 900))
    act(ours, opening(ours, cases_mailbox, text="y" * 200_000))
    for case in all_of(ours, Case):
        assert len(case.subject) <= 255
        assert len(case.description) <= 50_000
    assert len(all_of(ours, Thread)) == 2
