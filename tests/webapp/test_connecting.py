"""The mailbox page proposes connection settings, and changes nothing unasked."""

import json

import pytest
from bs4 import BeautifulSoup

from mailboxes.setup import checking
from tests.factories import csrf_token, make_mailbox, make_user, sign_in
from tests.webapp.critic import criticise

NEW = "/configuration/mailboxes/new"
DISCOVER = "/configuration/mailboxes/discover"


@pytest.fixture
def client(app, ours, theirs, names):
    return sign_in(app, ours.admin)


def ask(client, address, url=DISCOVER):
    token = csrf_token(client.get("/security/").text)
    answer = client.post(url, data={"address": address}, headers={"X-CSRFToken": token})
    assert answer.status_code == 200, answer.text
    return BeautifulSoup(answer.text, "html.parser")


def values_of(page):
    return {one["name"]: one.get("value", "") for one in page.select("#mailbox-form input[name]")}


def test_what_is_found_is_shown_with_its_source(client):
    page = ask(client, "info@gmx.de")
    shown = page.get_text(" ", strip=True)
    assert "From the list of known providers: GMX" in shown
    assert "imap.gmx.net, port 993, SSL/TLS" in shown
    assert "Switch on IMAP" in shown
    fields = json.loads(page.select_one("button[data-fill]")["data-fill"])
    assert fields["imap_host"] == "imap.gmx.net"
    assert fields["imap_user"] == "info@gmx.de"


def test_the_dns_of_a_domain_is_asked(client, names, monkeypatch):
    monkeypatch.setattr("mailboxes.discovery.discovering._permitted", lambda proposal, _places: proposal)
    names.add("_imaps._tcp.firm.test", "SRV", "0 1 993 imap.elsewhere.test.")
    shown = ask(client, "info@firm.test").get_text(" ", strip=True)
    assert "From the DNS of firm.test" in shown
    assert "leads to another domain" in shown


def test_a_choice_that_makes_no_sense_fills_nothing_in(client):
    token = csrf_token(client.get("/security/").text)
    for chosen in ("[" * 4_000, "{", "7"):
        answer = client.post(NEW, data={"csrf_token": token, "label": "Kept label", "use": chosen})
        assert answer.status_code in (200, 422)
        assert values_of(BeautifulSoup(answer.text, "html.parser"))["label"] == "Kept label"


def test_a_server_inside_is_not_told_from_none(client, names):
    names.add("_imaps._tcp.inside.test", "SRV", "0 1 993 10.0.0.1.")
    texts = {
        ask(client, f"info@{domain}").get_text(" ", strip=True).replace(domain, "…")
        for domain in ("inside.test", "nowhere.test")
    }
    assert texts == {
        "No settings found for info@…. Your provider's help pages name host, port and encryption."
    }


def test_without_script_the_form_comes_back_with_proposals_and_with_what_was_typed(client):
    token = csrf_token(client.get(NEW).text)
    typed = {
        "csrf_token": token,
        "label": "Info",
        "address": "info@gmx.de",
        "imap_host": "typed.by.hand",
    }
    answer = client.post(NEW, data={**typed, "discover": "1"})
    criticise(answer.text, NEW)
    page = BeautifulSoup(answer.text, "html.parser")
    assert values_of(page)["imap_host"] == "typed.by.hand"
    chosen = page.select_one("button[name=use]")["value"]
    answer = client.post(NEW, data={**typed, "use": chosen, "smtp_port": "25"})
    criticise(answer.text, NEW)
    filled = values_of(BeautifulSoup(answer.text, "html.parser"))
    assert filled["label"] == "Info"
    assert (filled["imap_host"], filled["imap_port"]) == ("imap.gmx.net", "993")
    assert (filled["smtp_host"], filled["smtp_port"]) == ("mail.gmx.net", "465")
    assert filled["imap_user"] == "info@gmx.de"


@pytest.mark.parametrize(
    "chosen",
    ["", "nonsense", "[1]", '{"label": "Evil"}', '{"imap_host": {"a": 1}}', r'{"imap_host": "\ud800"}'],
)
def test_a_choice_that_was_tampered_with_fills_nothing_else(client, chosen):
    token = csrf_token(client.get(NEW).text)
    answer = client.post(NEW, data={"csrf_token": token, "label": "Info", "use": chosen})
    assert answer.status_code == 200
    assert values_of(BeautifulSoup(answer.text, "html.parser"))["label"] == "Info"


def test_a_mailbox_that_is_there_gets_proposals_too(client, ours):
    mailbox = make_mailbox(ours, address="info@gmx.de")
    url = f"/configuration/mailboxes/{mailbox.id}"
    token = csrf_token(client.get(url).text)
    answer = client.post(url, data={"csrf_token": token, "address": "info@gmx.de", "discover": "1"})
    criticise(answer.text, url)
    assert "imap.gmx.net" in answer.text


def test_an_organization_looks_for_few_at_a_time(client, ours, monkeypatch):
    monkeypatch.setitem(checking._under_way, ours.id, checking.MOST_AT_ONCE)
    assert "Try again in a minute" in ask(client, "info@gmx.de").get_text(" ", strip=True)


def test_a_system_administrator_is_offered_them_too(app, ours, names):
    client = sign_in(app, make_user(name="Sys", is_system_admin=True))
    assert "imap.gmx.net" in ask(client, "info@gmx.de", "/system/mailboxes/discover").get_text()


def test_nobody_else_may_ask(app, ours, names):
    client = sign_in(app, ours.member)
    token = csrf_token(client.get("/security/").text)
    for url in (DISCOVER, "/system/mailboxes/discover"):
        answer = client.post(url, data={"address": "info@gmx.de"}, headers={"X-CSRFToken": token})
        assert answer.status_code == 403
