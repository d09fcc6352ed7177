"""Leads on pages: the list, a lead, forms, statuses, the file."""

import csv
import io
import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from mailboxes.conversion import convert
from mailboxes.crm import leads as domain
from mailboxes.crm.channels import add_channel
from mailboxes.crm.lead_sources import hide_lead_source, lead_source_with_key, offer_lead_sources
from mailboxes.crm.leads import Lead
from mailboxes.messages import Message
from tenants.audit import AuditEntry
from tenants.database import db, inside, now
from tenants.organizations import Membership
from tenants.permissions import Role, grant_role
from tests.factories import csrf_token, form_token, make_mailbox, make_member, make_message, sign_in
from tests.webapp.reading import read, send, words_of
from webapp.versions import version_of


def make_lead(organization, name="A lead", **given):
    facts = {field: given.pop(field) for field in list(given) if field not in domain.FIELDS}
    with inside(organization.id):
        lead = domain.make_lead({"name": name, **given}, "Ada", **facts)
        db.session.commit()
    return lead


def leads_of(organization):
    with inside(organization.id):
        return db.session.scalars(select(Lead).order_by(Lead.created_at)).all()


def may_do(organization, *permissions):
    """A member who may do exactly this."""
    member = make_member(organization.id, "Only This", role=None)
    with inside(organization.id):
        from tenants.permissions import grant_role

        role = Role(name=f"Only {permissions}", permissions=list(permissions))
        db.session.add(role)
        db.session.flush()
        grant_role(member, role.id)
        db.session.commit()
    return member


def test_the_list_says_that_there_is_nothing_yet(app, ours, theirs):
    make_lead(theirs, theirs.canary)
    page = read(sign_in(app, ours.member), "/leads/")
    assert "No leads yet" in page
    assert theirs.canary not in page


def test_the_list_shows_filters_and_keeps_them_in_its_links(app, ours):
    make_lead(ours, "Tents for a school", company="Hill School", owner_id=ours.member.id)
    make_lead(ours, "One rope")
    with inside(ours.id):
        domain.change_status(
            db.session.scalars(select(Lead).where(Lead.name == "One rope")).one(), "qualified", "A"
        )
        db.session.commit()
    client = sign_in(app, ours.member)
    assert "Hill School" in read(client, "/leads/?q=tents")
    page = words_of(read(client, f"/leads/?owner={ours.member.id}"))
    assert "Tents" in page
    assert "One rope" not in page
    assert "One rope" in words_of(read(client, "/leads/?owner=nobody&status=qualified&sort=name"))
    empty = read(client, "/leads/?q=nothing+like+this&sort=name")
    assert "The filter hides all leads." in empty
    assert "sort=name" in read(client, "/leads/?q=rope&sort=name")


@pytest.mark.parametrize(
    "query", ["owner=x", "source=%00", "page=zzz", "sort=id;drop", "q=%00%25_", "status=odd"]
)
def test_an_odd_address_shows_the_list(app, ours, query):
    make_lead(ours)
    read(sign_in(app, ours.member), f"/leads/?{query}")


def test_no_argument_of_the_address_leads_away_from_the_site(app, ours):
    make_lead(ours)
    page = read(sign_in(app, ours.admin), "/leads/?_external=1&_scheme=javascript&_anchor=x&q=lead")
    assert "javascript:" not in page
    assert "_scheme" not in page


def test_pages_lead_on_and_back(app, ours):
    with inside(ours.id):
        for number in range(120):
            at = now() - timedelta(minutes=number)
            domain.make_lead({"name": f"Lead {number:03}"}, "Ada", created_at=at)
        db.session.commit()
    client = sign_in(app, ours.member)
    first = read(client, "/leads/")
    assert "Lead 000" in first
    second = read(client, following(first, "next"))
    assert "Lead 050" in second
    third = read(client, following(second, "next"))
    assert "Lead 119" in third
    assert 'rel="next"' not in third
    again = read(client, following(third, "prev"))
    assert "Lead 050" in again
    assert "Lead 049" not in again


def following(page, direction):
    from bs4 import BeautifulSoup

    return BeautifulSoup(page, "html.parser").select_one(f'.pager a[rel="{direction}"]')["href"]


def test_a_lead_is_made_by_hand_and_changed(app, ours):
    with inside(ours.id):
        offer_lead_sources()
        db.session.commit()
    client = sign_in(app, ours.member)
    page = send(client, "/leads/new", name="Forty tents", address="kim@school.test", notes="By May.\nBlue.")
    assert "The lead “Forty tents” was made." in page
    (lead,) = leads_of(ours)
    assert (lead.owner_id, lead.is_automatic) == (ours.member.id, False)
    page = send(client, f"/leads/{lead.id}/edit", name="Fifty tents", owner_id="")
    words = words_of(page)
    assert "Name: Forty tents → Fifty tents" in words
    assert f"Owner: {ours.member.name} → –" in words
    assert leads_of(ours)[0].notes == "By May.\nBlue."


def test_what_is_wrong_is_said_at_its_field_and_what_was_typed_stays(app, ours):
    client = sign_in(app, ours.member)
    page = send(client, "/leads/new", expect=422, name="", company="Typed Ltd")
    assert "Type a name." in page
    page = send(client, "/leads/new", expect=422, name="X", company="Typed Ltd", address="no address")
    assert "Type an email address, such as mia@example.com." in page
    assert "Typed Ltd" in page
    assert leads_of(ours) == []


def test_two_people_who_edit_do_not_overwrite_each_other_unseen(app, ours):
    lead = make_lead(ours, "First")
    one, other = sign_in(app, ours.member), sign_in(app, ours.admin)
    url = f"/leads/{lead.id}/edit"
    stale = one.get(url).text
    send(other, url, name="Second")
    version = {"version": version_of(lead.updated_at.isoformat()), "csrf_token": csrf_token(stale)}
    answer = one.post(url, data={**version, "name": "Third", "owner_id": "", "source_id": ""})
    assert answer.status_code == 422
    assert "while you were typing" in answer.text
    assert 'value="Third"' in answer.text
    assert leads_of(ours)[0].name == "Second"


def test_statuses_go_on_and_back(app, ours):
    lead = make_lead(ours)
    client, url = sign_in(app, ours.member), f"/leads/{lead.id}/status"
    assert "Qualified" in words_of(send(client, url, at=f"/leads/{lead.id}", status="qualified"))
    assert "Status changed new → qualified" in words_of(read(client, f"/leads/{lead.id}"))
    answer = client.post(url, data={"status": "qualified", "csrf_token": csrf_token(read(client, "/leads/"))})
    assert answer.status_code == 409
    send(client, url, at=f"/leads/{lead.id}", status="new")
    assert leads_of(ours)[0].status == "new"


def test_ticked_leads_change_together(app, ours, theirs):
    mine = [make_lead(ours, f"Lead {number}") for number in range(3)]
    foreign = make_lead(theirs)
    ticked = [str(mine[0].id), str(mine[1].id), str(foreign.id), "nonsense"]
    client = sign_in(app, ours.member)
    page = send(client, "/leads/status", at="/leads/", selected=ticked, status="disqualified")
    assert "2 leads changed." in page
    assert sorted(lead.status for lead in leads_of(ours)) == ["disqualified", "disqualified", "new"]
    assert leads_of(theirs)[0].status == "new"


def test_a_hidden_source_stays_with_its_lead_and_is_offered_to_no_other(app, ours):
    with inside(ours.id):
        offer_lead_sources()
        phone = lead_source_with_key("phone")
        hide_lead_source(phone, is_hidden=True)
        db.session.commit()
    lead = make_lead(ours, source_id=phone.id)
    client = sign_in(app, ours.member)
    assert "Phone (hidden)" in read(client, f"/leads/{lead.id}/edit")
    assert "Phone" not in [line.strip() for line in read(client, "/leads/new").split(">")]


def test_a_lead_shows_its_conversation_to_those_who_may_read_it(app, ours):
    with inside(ours.id):
        add_channel("Sales")
        db.session.commit()
    mailbox = make_mailbox(ours, action="lead", readers=(ours.member,))
    message = make_message(ours, mailbox, subject="An offer please", may_convert=True, is_opening=True)
    with inside(ours.id):
        convert(db.session.scalars(select(Message).where(Message.id == message.id)).one())
        db.session.commit()
    (lead,) = leads_of(ours)
    url = f"/leads/{lead.id}"
    assert mailbox.label in read(sign_in(app, ours.member), url)
    page = read(sign_in(app, ours.admin), url)
    assert mailbox.label not in page
    assert "Made by a mailbox" in page


def test_a_neighbours_lead_does_not_exist(app, ours, theirs):
    lead = make_lead(theirs, theirs.canary)
    client = sign_in(app, ours.admin)
    token = csrf_token(read(client, "/leads/"))
    for answer in (
        client.get(f"/leads/{lead.id}"),
        client.get(f"/leads/{lead.id}/edit"),
        client.post(f"/leads/{lead.id}/edit", data={"csrf_token": token, "name": "Mine"}),
        client.post(f"/leads/{lead.id}/status", data={"csrf_token": token, "status": "qualified"}),
    ):
        assert answer.status_code == 404
        assert theirs.canary not in answer.text
    assert (leads_of(theirs)[0].name, leads_of(theirs)[0].status) == (theirs.canary, "new")


def test_a_neighbours_member_and_source_cannot_be_chosen(app, ours, theirs):
    with inside(theirs.id):
        source = offer_lead_sources()["email"]
        db.session.commit()
    client = sign_in(app, ours.member)
    send(client, "/leads/new", expect=422, name="X", owner_id=str(theirs.admin.id))
    send(client, "/leads/new", expect=422, name="X", source_id=str(source.id))
    assert leads_of(ours) == []


def test_only_the_fields_of_the_form_can_be_set(app, ours, theirs):
    client = sign_in(app, ours.member)
    send(
        client,
        "/leads/new",
        name="Mine",
        is_automatic="1",
        status="qualified",
        organization_id=str(theirs.id),
        contact_id=str(theirs.id),
        created_at="2001-01-01",
    )
    (lead,) = leads_of(ours)
    assert (lead.is_automatic, lead.contact_id, lead.created_at.year > 2020) == (False, None, True)


def test_who_may_only_look_finds_nothing_to_change(app, ours):
    lead = make_lead(ours)
    client = sign_in(app, may_do(ours, "lead.view"))
    page = read(client, "/leads/") + read(client, f"/leads/{lead.id}")
    assert "New lead" not in page
    assert "Edit" not in words_of(read(client, f"/leads/{lead.id}"))
    assert client.get("/leads/new").status_code == 403
    token = csrf_token(page)
    for url in (f"/leads/{lead.id}/status", f"/leads/{lead.id}/edit", "/leads/status", "/leads/export"):
        assert client.post(url, data={"csrf_token": token, "status": "qualified"}).status_code == 403
    assert sign_in(app, may_do(ours, "case.view")).get("/leads/").status_code == 403


def test_the_file_has_the_filtered_list_and_runs_no_formula(app, ours, theirs):
    make_lead(theirs, theirs.canary)
    with inside(ours.id):
        source = offer_lead_sources()["email"]
        db.session.commit()
    make_lead(
        ours, '=HYPERLINK("http://evil.test")', phone="+47 1", notes="@SUM(1)\nsecond", source_id=source.id
    )
    make_lead(ours, "Left out", owner_id=ours.member.id)
    client = sign_in(app, ours.admin)
    token = csrf_token(read(client, "/leads/"))
    answer = client.post("/leads/export?owner=nobody", data={"csrf_token": token})
    assert answer.mimetype == "text/csv"
    assert "attachment" in answer.headers["Content-Disposition"]
    header, *rows = csv.reader(io.StringIO(answer.text.removeprefix("\ufeff")))
    assert tuple(header) == domain.EXPORT_HEADER
    (row,) = rows
    assert row[0] == '\'=HYPERLINK("http://evil.test")'
    assert (row[7], row[9], row[13]) == ("'+47 1", "Email", "'@SUM(1)\nsecond")
    with inside(ours.id):
        assert [entry.act for entry in db.session.scalars(select(AuditEntry))] == ["leads.exported"]


@pytest.mark.parametrize("list", ["leads", "cases"])
def test_the_file_is_for_those_who_may_see_the_list(app, ours, list):
    with inside(ours.id):
        role = Role(name="Statistics", permissions=["data.export"])
        db.session.add(role)
        db.session.commit()
    member = make_member(ours.id, "Stan", role=None)
    with inside(ours.id):
        grant_role(db.session.get_one(Membership, (ours.id, member.id)), role.id)
        db.session.commit()
    client = sign_in(app, member)
    token = form_token(client)
    assert client.post(f"/{list}/export", data={"csrf_token": token}).status_code == 403


def test_an_owner_is_found_by_name_where_people_are_many_and_nothing_is_saved_meanwhile(app, ours, theirs):
    for number in range(54):
        make_member(ours.id, f"Person {number:02}")
    make_member(ours.id, "Zelda Quist")
    make_member(theirs.id, "Zelda Quist of theirs")
    client = sign_in(app, ours.admin)
    page = read(client, "/leads/new")
    assert "Zelda Quist" not in page
    found = read(client, "/people/choices?field=owner_id&find_owner_id=zelda+quist&empty=Nobody")
    assert re.findall(r">([^<]*)</option>", found) == ["Nobody", "Zelda Quist"]
    data = {
        "csrf_token": csrf_token(page),
        "name": "Kept",
        "find_owner_id": "zelda quist",
        "find_people": "1",
    }
    shown = client.post("/leads/new", data=data).text
    assert "Zelda Quist</option>" in shown
    assert 'value="Kept"' in shown
    assert "Kept" not in read(client, "/leads/")
