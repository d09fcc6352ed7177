"""What an open page sends counts where the page was made, and only pages of ours send anything."""

from dataclasses import replace
from uuid import uuid4

import pytest
from bs4 import BeautifulSoup
from sqlalchemy import select
from structlog.testing import capture_logs

from mailboxes.crm.leads import Lead
from tenants.configuration.layers import value_of
from tenants.database import db, inside
from tenants.organizations import Membership
from tenants.permissions import ADMINISTRATOR, grant_role, offer_system_roles
from tenants.users import User
from tests.factories import csrf_token, form_token, sign_in
from webapp import create_app
from webapp.form_tokens import organization_of_page

SETTINGS = "/configuration/settings/display"


@pytest.fixture
def guest(app, ours, theirs):
    """Somebody who administers both organizations, and works in ours."""
    user = ours.admin.user
    with inside(theirs.id):
        role = offer_system_roles()[ADMINISTRATOR]
        member = Membership(organization_id=theirs.id, user_id=user.id)
        db.session.add(member)
        db.session.flush()
        grant_role(member, role.id)
        db.session.commit()
    return sign_in(app, user)


def choose(client, world):
    data = {"csrf_token": form_token(client), "organization": str(world.id)}
    assert client.post("/choose-organization", data=data).status_code == 302


def leads_of(world):
    with inside(world.id):
        return list(db.session.scalars(select(Lead.name)))


def works_in(user_id):
    db.session.expire_all()
    return db.session.get(User, user_id).current_organization_id


def lead_form(client):
    token = csrf_token(client.get("/leads/new").text)
    return {"csrf_token": token, "name": "Typed for us", "owner_id": "", "source_id": ""}


def test_what_was_typed_for_one_organization_lands_in_no_other(guest, ours, theirs):
    typed = lead_form(guest)
    choose(guest, theirs)  # in another tab
    answer = guest.post("/leads/new", data=typed)
    assert answer.status_code == 302
    assert (leads_of(ours), leads_of(theirs)) == (["Typed for us"], [])
    assert "Typed for us" in guest.get(answer.location).text  # who sent it works there again
    assert works_in(ours.admin.user_id) == ours.id


def test_the_configuration_of_another_organization_stays_as_it_is(guest, ours, theirs):
    token = csrf_token(guest.get(SETTINGS).text)
    choose(guest, theirs)
    assert guest.post(SETTINGS, data={"csrf_token": token, "mail-page-size": "77"}).status_code == 302
    for world, expected in ((ours, 77), (theirs, 50)):
        with inside(world.id):
            assert value_of("mail.page_size") == expected


def test_a_part_of_a_page_is_of_its_organization_and_chooses_nothing(guest, ours, theirs):
    headers = {"HX-Request": "true", "X-CSRFToken": csrf_token(guest.get("/leads/new").text)}
    choose(guest, theirs)
    assert ours.canary in guest.get("/people/choices", headers=headers).text
    assert theirs.canary not in guest.get("/people/choices", headers=headers).text
    assert theirs.canary in guest.get("/people/choices").text
    typed = {**lead_form(guest), "csrf_token": headers["X-CSRFToken"]}
    assert guest.post("/leads/new", data=typed, headers=headers).status_code == 302
    assert (leads_of(ours), leads_of(theirs)) == (["Typed for us"], [])
    assert works_in(ours.admin.user_id) == theirs.id


def test_a_page_of_an_organization_that_one_has_left_does_nothing(guest, ours, theirs):
    typed = lead_form(guest)
    with inside(ours.id):
        db.session.get_one(Membership, (ours.id, ours.admin.id)).is_enabled = False
        db.session.commit()
    answer = guest.post("/leads/new", data=typed)
    assert answer.status_code == 403
    assert "an organization in which you no longer work. Nothing was changed" in answer.text
    assert (leads_of(ours), leads_of(theirs)) == ([], [])


def test_nobody_enters_an_organization_by_what_a_page_says(app, ours, theirs):
    client = sign_in(app, ours.admin)
    typed = lead_form(client)
    typed["csrf_token"] = typed["csrf_token"].replace(str(ours.id), str(theirs.id))
    assert client.post("/leads/new", data=typed).status_code == 403
    assert (leads_of(ours), leads_of(theirs)) == ([], [])
    assert works_in(ours.admin.user_id) == ours.id


def test_a_page_that_belongs_to_no_organization_names_none(app, ours):
    token = form_token(sign_in(app, ours.admin))
    with app.test_request_context(method="POST", data={"csrf_token": token}):
        assert organization_of_page() == ""


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("https://evil.test", 400),
        ("null", 400),
        ("https://[x", 400),
        ("http://localhost.evil.test", 400),
        ("http://localhost", 302),
        ("https://mail.acme.test", 302),  # as POSTROOM_BASE_URL says, behind a proxy that names us otherwise
        (None, 302),
    ],
)
def test_another_sites_page_sends_us_nothing(app, ours, origin, status):
    app.config["POSTROOM"] = replace(app.config["POSTROOM"], base_url="https://mail.acme.test")
    client = sign_in(app, ours.admin)
    typed = lead_form(client)
    headers = {} if origin is None else {"Origin": origin}
    assert client.post("/leads/new", data=typed, headers=headers).status_code == status
    assert len(leads_of(ours)) == (status == 302)


@pytest.mark.parametrize("origin", ["null", "", "file://"])
def test_a_page_of_nowhere_sends_us_nothing_where_no_address_is_set_up_either(app, ours, origin):
    app.config["POSTROOM"] = replace(app.config["POSTROOM"], base_url="")
    client = sign_in(app, ours.admin)
    assert client.post("/leads/new", data=lead_form(client), headers={"Origin": origin}).status_code == 400
    assert leads_of(ours) == []


@pytest.mark.parametrize("origin", ["https://post.acme.test:8443", "null", "https://<b>evil</b>"])
def test_who_sends_from_another_address_is_told_both_and_the_log_too(app, ours, origin):
    base_url = "https://mail.acme.test"
    app.config["POSTROOM"] = replace(app.config["POSTROOM"], base_url=base_url)
    client = sign_in(app, ours.admin)
    typed = lead_form(client)
    with capture_logs() as logs:
        answer = client.post("/leads/new", data=typed, headers={"Origin": origin})
    told = BeautifulSoup(answer.text, "html.parser").select_one(".error-page").get_text()
    assert f"sent from another address ({origin})" in told
    assert f"set up with ({base_url})" in told
    assert "POSTROOM_BASE_URL" in told
    assert "too old" not in told
    (line,) = [one for one in logs if one["log_level"] == "warning"]
    assert (line["origin"], line["base_url"], line["rule"]) == (origin, base_url, "/leads/new")
    assert "Typed for us" not in str(logs)


def test_a_stale_form_gives_back_what_was_typed_but_no_secret_and_nothing_to_strangers(app, ours):
    client = sign_in(app, ours.admin)
    typed = {"csrf_token": "stale", "name": "<b>Typed</b> & kept", "imap_password": "hush hush", "notes": ""}
    for visitor, expected in ((client, [("Name", "<b>Typed</b> & kept")]), (app.test_client(), [])):
        answer = visitor.post("/leads/new", data=typed)
        page = BeautifulSoup(answer.text, "html.parser").select_one(".error-page")
        shown = [(one.parent.contents[0].strip(), one.text.strip()) for one in page.select("textarea")]
        assert (answer.status_code, shown) == (400, expected)
        assert "too old to be accepted" in page.get_text()
        assert ("Copy what you typed" in page.get_text()) == bool(expected)
        assert "hush" not in answer.text


@pytest.mark.parametrize(
    ("path", "typed", "expected"),
    [
        ("/cases/{id}/comments", {"text": "It broke.", "is_public": "y"}, [("Comment", "It broke.")]),
        ("/mail/conversations/{id}/notes", {"text": "They rang."}, [("Note", "They rang.")]),
        (
            "/mail/drafts/{id}",
            {"to": "kim@a.test", "body": "Dear Kim", "mailbox": "{id}"},
            [("To", "kim@a.test"), ("Your message", "Dear Kim")],
        ),
        (
            "/configuration/templates/new",
            {"name": "Thanks", "subject_de": "Danke", "kind": "plain"},
            [("Name", "Thanks"), ("Subject in German", "Danke")],
        ),
        (
            "/configuration/mailboxes/{id}/rules/new",
            {"name": "Lamps", "conditions-0-value": "lamp", "conditions-1-value": "bulb"},
            [("Name", "Lamps"), ("Value", "lamp"), ("Value", "bulb")],
        ),
        (
            "/configuration/settings/email",
            {"sync-interval-seconds": "90", "smtp-password": "hush", "inherits-smtp-host": "y"},
            [("Longest time between two passes", "90")],
        ),
        ("/security/second-factor", {"code": "123456"}, []),
        ("/security/second-factor/remove", {"code": "123456"}, []),
        ("/security/password", {"current": "hush hush", "password": "hush hush 2", "again": "x"}, []),
        ("/mail/drafts/{id}/send", {"then": "done", "unheard_of": "a key that no form knows"}, []),
    ],
)
def test_what_was_typed_is_given_back_under_its_label_and_only_what_is_known_to_be_no_secret(
    app, ours, path, typed, expected
):
    sent = {**typed, "csrf_token": "stale"}
    answer = sign_in(app, ours.admin).post(path.format(id=uuid4()), data=sent)
    page = BeautifulSoup(answer.text, "html.parser").select_one(".error-page")
    shown = [(one.parent.contents[0].strip(), one.text.strip()) for one in page.select("textarea")]
    assert (answer.status_code, shown) == (400, expected)


def test_an_origin_that_no_browser_would_send_does_not_fill_the_log(app, ours):
    with capture_logs() as logs:
        sign_in(app, ours.admin).post("/leads/new", headers={"Origin": "https://" + "x" * 9000})
    assert len(logs[0]["origin"]) == 300


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://localhost"}, 302),
        ({"Origin": "https://mail.acme.test", "Referer": "https://mail.acme.test/leads/new"}, 302),
        ({"Origin": "https://evil.test"}, 400),
        ({"Origin": "https://evil.test", "Referer": "https://localhost/leads/new"}, 400),
    ],
)
def test_over_https_it_is_the_origin_that_counts_and_no_referer_is_demanded(app, ours, headers, status):
    app.config["POSTROOM"] = replace(app.config["POSTROOM"], base_url="https://mail.acme.test")
    client = sign_in(app, ours.admin)
    typed = lead_form(client)
    answer = client.post("/leads/new", data=typed, headers=headers, base_url="https://localhost")
    assert answer.status_code == status
    assert len(leads_of(ours)) == (status == 302)


def test_over_https_every_cookie_is_of_this_host_alone(app):
    settings = replace(app.config["POSTROOM"], base_url="https://mail.acme.test")
    answer = create_app(settings).test_client().get("/sign-in", base_url="https://mail.acme.test")
    cookies = answer.headers.getlist("Set-Cookie")
    assert [one.partition("=")[0] for one in cookies] == ["__Host-postroom_form"]
    assert all("Secure" in one and "Path=/" in one and "Domain" not in one for one in cookies)
