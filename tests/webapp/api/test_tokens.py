"""Tokens of the API: made, shown once, revoked; and whom they let in, how often, as whom."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from tenants.api_tokens import ApiToken
from tenants.audit import AuditEntry
from tenants.configuration.layers import override
from tenants.database import db, inside, now
from tenants.organizations import Membership, Organization
from tenants.permissions import Role, grant_role
from tenants.users.attempts import ATTEMPTS_PER_PLACE
from tenants.users.second_factor import SecondFactor
from tests.factories import make_api_token, make_member, sign_in, with_token
from tests.webapp.reading import send

PAGE = "/configuration/api-tokens/"


def made_token(html):
    return re.search(r"postroom_[\w-]{65}", html).group()


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def change(world, statement):
    with inside(world.id):
        db.session.execute(statement)
        db.session.commit()


def test_a_token_is_shown_once_and_only_its_hash_is_kept(app, client, ours):
    token = made_token(send(client, PAGE, name="Web shop", scopes=["leads:read"], days="30"))
    assert token not in client.get(PAGE).text
    assert app.test_client().get("/api/v1/me", headers=bearer(token)).json["token"]["scopes"] == [
        "leads:read"
    ]
    with inside(ours.id):
        row = db.session.scalars(select(ApiToken)).one()
        assert token.encode() not in row.token_hash
        entry = db.session.scalars(select(AuditEntry).where(AuditEntry.act == "api_token.made")).one()
    assert token not in repr((entry.subject, entry.after))
    assert row.last_used_at is not None


def test_a_revoked_token_opens_nothing_from_that_moment(app, client, ours):
    program = with_token(app, ours.admin)
    assert program.get("/api/v1/me").status_code == 200
    with inside(ours.id):
        id = db.session.scalars(select(ApiToken.id)).one()
    send(client, f"{PAGE}{id}/revoke")
    refused = program.get("/api/v1/me")
    assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, "Bearer")


def test_a_token_ends_when_it_is_said_to(app, ours):
    program = with_token(app, ours.admin, expires_at=now() - timedelta(seconds=1))
    assert "expired" in program.get("/api/v1/me").json["detail"]


@pytest.mark.parametrize(
    "ending",
    [
        lambda world: update(Membership).where(Membership.id == world.admin.id).values(is_enabled=False),
        lambda world: update(Organization).where(Organization.id == world.id).values(is_enabled=False),
        lambda world: (
            update(Role).where(Role.system_key == "administrator").values(permissions=["lead.view"])
        ),
    ],
    ids=["the member is disabled", "the organization is closed", "the member may have no tokens any more"],
)
def test_a_token_ends_with_what_its_maker_may(app, ours, theirs, ending):
    program = with_token(app, ours.admin)
    change(ours, ending(ours))
    assert program.get("/api/v1/me").status_code == 403


def test_a_token_opens_nothing_while_its_maker_lacks_the_second_factor_that_is_demanded(app, ours, theirs):
    program, neighbour = with_token(app, ours.admin), with_token(app, theirs.admin)
    with inside(ours.id):
        override("session.two_factor_required", "true", "organization", by="Ada")
        db.session.commit()
    assert "second factor" in program.get("/api/v1/me").json["detail"]
    assert neighbour.get("/api/v1/me").status_code == 200
    with inside(ours.id):
        db.session.add(SecondFactor(user_id=ours.admin.user_id, secret=b"", confirmed_at=now()))
        db.session.commit()
    assert program.get("/api/v1/me").status_code == 200


def test_a_token_does_what_it_is_for_and_what_its_maker_may_and_no_more(app, ours):
    with inside(ours.id):
        role = Role(name="Sales program", permissions=["api_token.manage", "lead.view"])
        db.session.add(role)
        db.session.flush()
        id = role.id
        db.session.commit()
    member = make_member(ours.id, role=None)
    with inside(ours.id):
        grant_role(member, id)
        db.session.commit()
    reading = with_token(app, member, "leads:read", "cases:read")
    assert reading.get("/api/v1/leads").status_code == 200
    assert "leads:write" in reading.post("/api/v1/leads", json={"name": "x"}).json["detail"]
    assert "case.view" in reading.get("/api/v1/cases").json["detail"]
    writing = with_token(app, member, "leads:write")
    assert writing.get("/api/v1/leads").status_code == 200
    assert "lead.edit" in writing.post("/api/v1/leads", json={"name": "x"}).json["detail"]


def test_a_session_opens_no_api_and_a_token_no_page(app, ours):
    assert sign_in(app, ours.admin).get("/api/v1/me").status_code == 401
    assert with_token(app, ours.admin).get(PAGE).status_code == 302


def test_whoever_guesses_tokens_is_slowed_and_keeps_nobody_out(app, ours, theirs):
    stranger, known = app.test_client(), with_token(app, ours.admin)
    wrong = bearer(make_api_token(theirs.admin)[:-1] + "~")
    for _ in range(ATTEMPTS_PER_PLACE):
        assert stranger.get("/api/v1/me", headers=wrong).status_code == 401
    refused = stranger.get("/api/v1/me", headers=wrong)
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "900")
    assert known.get("/api/v1/me").status_code == 200


def test_a_program_that_asks_too_often_is_told_when_to_go_on(app, ours, monkeypatch):
    monkeypatch.setattr("webapp.api.door.REQUESTS_A_MINUTE", 1)
    monkeypatch.setattr("webapp.api.door.time", lambda: 90.0)
    program, other = with_token(app, ours.admin), with_token(app, ours.admin)
    assert program.get("/api/v1/me").status_code == 200
    refused = program.get("/api/v1/me")
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "30")
    assert other.get("/api/v1/me").status_code == 200


def test_only_who_may_manage_tokens_sees_the_page_and_only_those_of_the_organization(app, ours, theirs):
    make_api_token(theirs.admin, name=theirs.canary)
    page = sign_in(app, ours.admin).get(PAGE).text
    assert theirs.canary not in page
    assert sign_in(app, ours.member).get(PAGE).status_code == 403


def test_what_a_program_changes_is_on_record_with_its_token(app, ours):
    program = with_token(app, ours.admin, name="Web shop")
    program.post("/api/v1/leads", json={"name": "Tents"})
    id = program.get("/api/v1/leads").json["data"][0]["id"]
    contact = program.post("/api/v1/contacts", json={"name": "Ada"}).json["id"]
    assert program.delete(f"/api/v1/contacts/{contact}").status_code == 204
    with inside(ours.id):
        entry = db.session.scalars(select(AuditEntry).where(AuditEntry.act == "contact.erased")).one()
    assert entry.actor_name == f"{ours.admin.name} by the token Web shop"
    assert "by the token Web shop" in sign_in(app, ours.admin).get(f"/leads/{id}").text
