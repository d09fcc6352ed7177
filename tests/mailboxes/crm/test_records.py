"""Leads, cases and their history; lists by key."""

from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from mailboxes.crm import cases, contacts, leads
from mailboxes.crm.cases import Case, CaseFilter
from mailboxes.crm.contacts import Contact, ContactAddress, Sighting
from mailboxes.crm.lead_sources import add_lead_source, default_lead_source, offer_lead_sources
from mailboxes.crm.leads import LeadFilter
from mailboxes.crm.paging import Order, page
from tenants.database import db, inside
from tenants.errors import ConflictError, InvalidError

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_only_known_fields_can_be_given():
    with pytest.raises(ValueError, match="organization_id"):
        leads.make_lead({"name": "X", "organization_id": "other"}, "Ada")
    with pytest.raises(ValueError, match="status"):
        cases.open_case({"subject": "X", "status": "closed"}, "Ada")
    with pytest.raises(ValueError, match="last_seen_at"):
        contacts.make_contact({"last_seen_at": AT}, [])


def test_history_says_names_that_stay_true(ours):
    with inside(ours.id):
        sources = offer_lead_sources()
        lead = leads.make_lead({"name": "Tents", "source_id": sources["email"].id}, "Ada")
        leads.change_lead(lead, {"source_id": sources["phone"].id, "owner_id": ours.member.id}, "Mia")
        leads.change_lead(lead, {"name": "Tents"}, "Nobody changed anything")
        changed, made = db.session.scalars(leads.changes_of(lead)).all()
        assert made.changes == {}
        assert (changed.actor_name, changed.changes) == (
            "Mia",
            {"owner": [None, ours.member.name], "source": ["Email", "Phone"]},
        )


def test_statuses_of_a_lead(ours):
    with inside(ours.id):
        lead = leads.make_lead({"name": "Tents"}, "Ada")
        for status in ("qualified", "new", "disqualified", "qualified"):
            leads.change_status(lead, status, "Ada")
        for wrong in ("qualified", "odd", ""):
            with pytest.raises(ConflictError):
                leads.change_status(lead, wrong, "Ada")
        with pytest.raises(InvalidError):
            leads.change_statuses([lead.id], "odd", "Ada")


def test_closing_a_case_keeps_when(ours):
    with inside(ours.id):
        case = cases.open_case({"subject": "Zip"}, "Ada")
        assert case.closed_at is None
        cases.change_status(case, "closed", "Ada")
        closed_at = case.closed_at
        assert closed_at is not None
        assert cases.reopen_resolved(case.id) is None
        cases.change_status(case, "open", "Ada")
        assert case.closed_at is None
        changes = [change.changes for change in db.session.scalars(cases.changes_of(case))]
        assert changes[0]["closed_at"] == [closed_at.isoformat(), None]


def test_a_record_cannot_belong_to_a_neighbours_member(ours, theirs):
    with inside(ours.id), pytest.raises(IntegrityError):
        leads.make_lead({"name": "X", "owner_id": theirs.admin.id}, "Ada")


def test_numbers_by_status_follow_the_rest_of_the_filter(ours, theirs):
    with inside(theirs.id):
        cases.open_case({"subject": "Zip"}, "Ada")
        db.session.commit()
    with inside(ours.id):
        for status in ("open", "open", "closed"):
            cases.open_case({"subject": "Zip"}, "Ada", status=status)
        cases.open_case({"subject": "Tent"}, "Ada")
        assert cases.case_counts(CaseFilter(status="closed", words="zip")) == {"open": 2, "closed": 1}
        leads.make_lead({"name": "100% wool_x"}, "Ada")
        assert leads.lead_counts(LeadFilter(words="100% wool_")) == {"new": 1}
        assert leads.lead_counts(LeadFilter(words="1_0")) == {}


@pytest.mark.parametrize("is_descending", [True, False])
def test_pages_meet_where_keys_are_equal(ours, is_descending):
    with inside(ours.id):
        for number in range(11):
            cases.open_case({"subject": str(number)}, "Ada", reported_at=AT + timedelta(days=number // 4))

        def at(cursor):
            query = (cases.cases(), Case.reported_at, Case.id)
            return page(*query, is_descending=is_descending, cursor=cursor, size=3)

        forth, cursor = [], ""
        while True:
            found = at(cursor)
            forth.append([case.id for case in found.rows])
            if not found.next:
                break
            cursor = found.next
        back = [forth[-1]]
        while found.previous:
            found = at(found.previous)
            back.append([case.id for case in found.rows])
        assert sorted(map(len, forth)) == [2, 3, 3, 3]
        assert len({id for ids in forth for id in ids}) == 11
        assert back == forth[::-1]


def cursor_at(value):
    """After this value, as JSON, and any id."""
    return urlsafe_b64encode(f'["after", {value}, "{UUID(int=0)}"]'.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "e30",
        "W10",
        "WzEsMiwzXQ",
        "%00",
        "W251bGwsbnVsbCxudWxsXQ",
        pytest.param("W1tb" * 10_000, id="deep"),
        pytest.param(cursor_at("Infinity"), id="endless"),
        pytest.param(cursor_at(r'"\ud800"'), id="half a character"),
    ],
)
def test_a_cursor_that_makes_no_sense_is_the_first_page(ours, cursor):
    with inside(ours.id):
        cases.open_case({"subject": "Zip"}, "Ada")
        for order in map(Order, cases.SORTS):
            assert len(cases.case_page(CaseFilter(), order, cursor).rows) == 1


def test_an_order_that_there_is_not_is_the_usual_one(ours):
    usual = Order.of("-reported", cases.SORTS, cases.NEWEST_FIRST)
    assert Order.of("-odd", cases.SORTS, cases.NEWEST_FIRST) == usual


def test_a_contact_is_seen_again(ours):
    with inside(ours.id):
        first = contacts.see(Sighting("Kim@customer.test", "Kim", AT, "de"), may_make=True)
        again = contacts.see(
            Sighting("kim@customer.test", "Kimberly", AT + timedelta(days=1), "fr"), may_make=True
        )
        earlier = contacts.see(Sighting("kim@CUSTOMER.test", "K", AT - timedelta(days=1)), may_make=False)
        assert first is again is earlier
        assert (first.name, first.language) == ("Kim", "de")
        assert (first.first_seen_at, first.last_seen_at) == (AT - timedelta(days=1), AT + timedelta(days=1))
        assert contacts.see(Sighting("robot@customer.test", "", AT), may_make=False) is None
        assert contacts.see(Sighting("no address", "", AT), may_make=True) is None


def test_suggestions_name_who_wrote_last_first(ours, theirs):
    with inside(theirs.id):
        contacts.see(Sighting("kim@theirs.test", "Kim", AT), may_make=True)
        db.session.commit()
    with inside(ours.id):
        contacts.see(Sighting("kim@old.test", "Kim Old", AT), may_make=True)
        contacts.see(Sighting("kim@new.test", "Kim New", AT + timedelta(days=1)), may_make=True)
        assert contacts.suggestions("kim") == [("Kim New", "kim@new.test"), ("Kim Old", "kim@old.test")]
        assert db.session.scalar(select(Contact).where(Contact.name == "Kim")) is None
        assert len(db.session.scalars(select(ContactAddress)).all()) == 2


def test_suggestions_begin_with_those_whose_name_or_address_begins_so(ours, theirs):
    with inside(theirs.id):
        contacts.see(Sighting("amy@theirs.test", "Amy", AT), may_make=True)
        db.session.commit()
    with inside(ours.id):
        for days, name, address in (
            (0, "Amy", "amy@where.test"),
            (1, "", "amber@where.test"),
            (2, "Mr Amos", "mr@where.test"),
            (3, "Zed", "zed@example.test"),
        ):
            contacts.see(Sighting(address, name, AT + timedelta(days=days)), may_make=True)
        found = [address for _, address in contacts.suggestions("am")]
        assert found == ["mr@where.test", "amber@where.test", "amy@where.test", "zed@example.test"]
        assert [address for _, address in contacts.suggestions("am", limit=1)] == ["mr@where.test"]


def test_sources_have_stable_keys_and_one_default(ours):
    with inside(ours.id):
        own = add_lead_source("Größe & mehr")
        same = add_lead_source("Grosse mehr!", key="grosse_mehr")
        assert (own.key, own.is_default) == ("groe_mehr", True)
        assert same.key == "grosse_mehr"
        assert add_lead_source("Groe; mehr").key == "groe_mehr_2"
        assert add_lead_source("Phone").key == "phone_2"
        offered = offer_lead_sources()
        assert "phone" not in offered  # the organization's own of that name is the system's now
        assert (offered["phone_2"].system_key, offered["phone_2"].name) == ("phone", "Phone")
        assert default_lead_source() is own
        assert [source.key for source in offer_lead_sources().values()].count("email") == 1
