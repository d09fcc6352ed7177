"""The pages of what cannot be done: what happened, what to do, and a way back."""

import pytest
from bs4 import BeautifulSoup
from psycopg import errors as postgres
from sqlalchemy.exc import DataError, IntegrityError, InvalidRequestError, OperationalError
from sqlalchemy.orm.exc import StaleDataError
from structlog.testing import capture_logs

from mailboxes.system_mailboxes import MailboxGrant
from tenants.database import db, inside
from tenants.organizations import Membership
from tests.factories import form_token, make_mailbox, make_message, sign_in
from webapp.errors import WORDS


@pytest.fixture
def client(app, ours):
    return sign_in(app, ours.member)


def page_of(answer):
    return BeautifulSoup(answer.text, "html.parser")


def ways_of(answer):
    return {link.get_text(strip=True): link["href"] for link in page_of(answer).select(".error-links a")}


def broken(app, monkeypatch, endpoint, error):
    """A page that fails, in an application that does not tell tests so."""

    def fail(**given):
        raise error

    monkeypatch.setitem(app.view_functions, endpoint, fail)
    monkeypatch.setitem(app.config, "TESTING", False)


@pytest.mark.parametrize(
    ("path", "status"), [("/no-such-page", 404), ("/configuration/roles/", 403), ("/sign-out", 405)]
)
def test_a_member_who_is_refused_stands_among_their_places(client, path, status):
    answer = client.get(path)
    assert answer.status_code == status
    page = page_of(answer)
    assert page.h1.get_text(strip=True) == WORDS[status][0]
    assert WORDS[status][1] in page.get_text()
    assert page.select_one("nav.places a") is not None
    assert ways_of(answer) == {"To the start page": "/"}


def test_what_lies_in_another_organization_of_the_reader_is_a_step_away(app, ours, theirs):
    message = make_message(theirs, make_mailbox(theirs))
    with inside(theirs.id):
        as_theirs = Membership(user_id=ours.member.user_id)
        db.session.add(as_theirs)
        db.session.flush()
        db.session.add(MailboxGrant(mailbox_id=message.mailbox_id, membership_id=as_theirs.id, level="read"))
        db.session.commit()
    url = f"/mail/conversations/{message.thread_id}?view=all"
    client = sign_in(app, ours.member)
    answer = client.get(url)
    assert answer.status_code == 404
    [form] = page_of(answer).select(".error-page form")
    [button] = form.select("button")
    assert (button.get_text(strip=True), button["value"]) == (theirs.name, str(theirs.id))
    given = {one["name"]: one["value"] for one in form.select("input")}
    answer = client.post(form["action"], data={**given, "organization": button["value"]})
    assert answer.location == url
    assert client.get(url).status_code == 200
    stays = client.post(form["action"], data={**given, "open": "//evil.test", "organization": str(ours.id)})
    assert stays.location == "/"


def test_who_has_one_organization_is_offered_no_other(client):
    assert not page_of(client.get("/no-such-page")).select(".error-page form")


def test_a_stranger_is_led_to_the_door(app):
    answer = app.test_client().get("/no-such-page")
    assert page_of(answer).select_one("nav.places") is None
    assert ways_of(answer) == {"To the sign-in page": "/"}


def test_a_refused_form_leads_back_to_its_page(client):
    came_from = "http://localhost/security/?a=b"
    answer = client.post("/security/password", headers={"Referer": came_from})
    assert answer.status_code == 400
    assert ways_of(answer)["Go back"] == came_from


@pytest.mark.parametrize(
    "came_from",
    [
        "https://elsewhere.test/",
        "javascript://localhost/%0aalert(1)",
        "http://localhost/no-such-page",
        "",
        "x",
        "http://[localhost",
        "http://[x]/",
    ],
)
def test_nothing_leads_back_to_somebody_else_or_to_the_same_error(client, came_from):
    assert "Go back" not in ways_of(client.get("/no-such-page", headers={"Referer": came_from}))


def test_a_host_that_is_none_is_told_so_without_links(app):
    answer = app.test_client().get("/sign-in", headers={"Host": "x" * 64})
    assert (answer.status_code, answer.mimetype) == (400, "text/plain")
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_a_fault_of_ours_is_owned_and_can_be_named(app, client, monkeypatch):
    broken(app, monkeypatch, "contacts.index", RuntimeError("the secret of the house"))
    answer = client.get("/contacts/?q=nora")
    assert answer.status_code == 500
    assert "the secret" not in answer.text
    assert ways_of(answer)["Try again"] == "/contacts/?q=nora"
    assert len(page_of(answer).select_one(".error-page code").get_text()) == 12


@pytest.mark.parametrize("error", [RuntimeError("broken"), DataError("", {}, ValueError("NUL"))])
def test_a_log_names_the_page_and_never_the_token_in_its_address(app, ours, monkeypatch, error):
    broken(app, monkeypatch, "invitations.accept", error)
    with capture_logs() as logs:
        app.test_client().get(f"/invitations/{ours.id}/the-token-of-a-link")
    (line,) = logs
    assert line["rule"] == "/invitations/<uuid:organization_id>/<token>"
    assert line["organization_id"] == str(ours.id)
    assert "the-token-of-a-link" not in str(line)


def test_a_part_of_a_page_is_told_the_same_sentence(client):
    sent = {"status": "done", "csrf_token": form_token(client)}
    nowhere = "/mail/conversations/00000000-0000-0000-0000-000000000000/status"
    answer = client.post(nowhere, data=sent, headers={"HX-Request": "true"})
    assert answer.status_code == 404
    assert answer.json["error"] == WORDS[404][1]


def at_once(kind):
    return IntegrityError("INSERT …", {}, kind("the secret of the house"))


@pytest.mark.parametrize(
    "error",
    [
        at_once(postgres.UniqueViolation),
        at_once(postgres.ForeignKeyViolation),
        OperationalError("UPDATE …", {}, postgres.DeadlockDetected("the secret of the house")),
        StaleDataError("the secret of the house"),
        InvalidRequestError("Could not refresh instance 'the secret of the house'"),
    ],
    ids=["made", "deleted", "waited for", "changed", "gone"],
)
def test_the_second_of_two_who_do_the_same_is_told_what_to_do(app, client, monkeypatch, error):
    broken(app, monkeypatch, "contacts.index", error)
    with capture_logs() as logs:
        answer = client.get("/contacts/")
    assert answer.status_code == 409
    assert "nothing was changed here. Go back, look at it as it is now" in answer.text
    assert "the secret" not in answer.text + str(logs)
    assert [one["log_level"] for one in logs] == ["warning"]


@pytest.mark.parametrize("error", [at_once(postgres.NotNullViolation), InvalidRequestError("nonsense")])
def test_other_refusals_of_the_database_are_faults_of_ours(app, client, monkeypatch, error):
    broken(app, monkeypatch, "contacts.index", error)
    assert client.get("/contacts/").status_code == 500
