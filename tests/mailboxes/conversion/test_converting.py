"""A message becomes a lead or a case, once, and the timeline says why."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from mailboxes.conversion import Conversion, conversations_of_case
from mailboxes.crm import lead_sources
from mailboxes.crm.cases import Case
from mailboxes.crm.contacts import Contact
from mailboxes.crm.leads import Lead
from mailboxes.threads import ThreadRecord
from tenants.database import db, inside
from tests.factories import make_mailbox, make_member, make_message, make_raw
from tests.mailboxes.conversion.acting import act, all_of, opening, stored


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
