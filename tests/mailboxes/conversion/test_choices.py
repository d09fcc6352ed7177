"""What a mailbox and whoever converts by hand may choose, and what happens where a choice no longer holds."""

from uuid import uuid4

import pytest
from sqlalchemy import func, select

from mailboxes.conversion import checked_settings, choices_of, convert_by_hand, links_of, offers
from mailboxes.conversion.known_actions import actions
from mailboxes.crm import lead_sources
from mailboxes.crm.cases import Case
from mailboxes.crm.channels import activate_channel, add_channel
from mailboxes.crm.lead_sources import LeadSource, offer_lead_sources
from mailboxes.crm.leads import Lead
from mailboxes.threads import Thread
from tenants.configuration.layers import override
from tenants.database import db, inside
from tenants.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from tenants.organizations import Membership
from tests.factories import make_mailbox, make_member
from tests.mailboxes.conversion.acting import act, all_of, opening, stored


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
