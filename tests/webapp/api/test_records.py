"""Leads, cases and contacts by the API: as their pages, with their histories."""

import pytest
from sqlalchemy import select

from mailboxes.crm.cases import CaseChange
from tenants.database import db, inside
from tests.factories import with_token


@pytest.fixture
def program(app, ours, theirs):
    return with_token(app, ours.admin, "leads:write", "cases:write", "contacts:write")


def test_a_lead_is_made_changed_qualified_and_found(program):
    lead = program.post("/api/v1/leads", json={"name": "Tents", "address": "nora@customer.test"}).json
    changed = program.patch(f"/api/v1/leads/{lead['id']}", json={"company": "Nord", "status": "qualified"})
    assert (changed.json["name"], changed.json["company"], changed.json["status"]) == (
        "Tents",
        "Nord",
        "qualified",
    )
    for query in ("q=nora", "status=qualified"):
        assert [one["id"] for one in program.get(f"/api/v1/leads?{query}").json["data"]] == [lead["id"]]
    assert program.get("/api/v1/leads?status=new").json["data"] == []


def test_a_case_goes_on_only_as_its_buttons_do(program, ours):
    case = program.post("/api/v1/cases", json={"subject": "Broken", "tags": ["web"]}).json
    address = f"/api/v1/cases/{case['id']}"
    assert program.patch(address, json={"status": "closed"}).json["closed_at"]
    assert program.patch(address, json={"status": "resolved", "subject": "x"}).status_code == 409
    assert program.get(address).json["subject"] == "Broken"
    assert program.patch(address, json={"priority": "urgent"}).json["errors"][0]["pointer"] == "#/priority"
    with inside(ours.id):
        changes = db.session.scalars(select(CaseChange).order_by(CaseChange.at)).all()
    assert [list(change.changes) for change in changes] == [[], ["status", "closed_at"]]


def test_comments_are_written_on_a_case(program):
    case = program.post("/api/v1/cases", json={"subject": "Broken"}).json
    address = f"/api/v1/cases/{case['id']}/comments"
    written = program.post(address, json={"text": "On Friday.", "is_public": True}).json
    assert program.get(address).json["data"] == [written]
    assert written["is_public"] is True


def test_a_contact_is_made_changed_and_forgotten(program):
    new = {"name": "Nora", "addresses": ["nora@customer.test"], "language": "de"}
    contact = program.post("/api/v1/contacts", json=new).json
    address = f"/api/v1/contacts/{contact['id']}"
    assert program.post("/api/v1/contacts", json={"notes": "x"}).json["errors"][0]["pointer"] == "#/name"
    changed = program.patch(address, json={"company": "Nord"}).json
    assert (changed["company"], changed["addresses"]) == ("Nord", ["nora@customer.test"])
    taken = program.post("/api/v1/contacts", json={"name": "N", "addresses": ["nora@customer.test"]})
    assert taken.json["errors"][0]["pointer"] == "#/addresses"
    assert program.delete(address).status_code == 204
    assert program.get(address).status_code == 404
