"""*Check connection* on the mailbox page, against real servers and with everything that can be wrong."""

import dataclasses
import socket

import pytest
from bs4 import BeautifulSoup
from sqlalchemy import select

from mailboxes.accounts import Folder
from mailboxes.connection_check import CheckReport
from mailboxes.setup import MailboxValues, checking
from tenants.database import db
from tenants.errors import InvalidError
from tests.factories import csrf_token, make_mailbox
from tests.faults.imap_server import ScriptedImap
from tests.webapp.critic import criticise
from tests.webapp.reading import form_values

NEW = "/configuration/mailboxes/new"


@pytest.fixture
def reach(app, certificates, loopback, monkeypatch):
    """``reach(port)`` lets the page connect to a server of this test run."""

    def permit(*ports):
        settings = app.config["POSTROOM"]
        changed = dataclasses.replace(
            settings,
            ca_file=str(certificates.ca_file),
            permitted_ports=settings.permitted_ports | set(ports),
            permitted_networks=loopback.networks,
        )
        monkeypatch.setitem(app.config, "POSTROOM", changed)

    return permit


def typed(client, port, url=NEW, **fields):
    return {
        "csrf_token": csrf_token(client.get(url).text),
        "label": "Support",
        "address": "support@acme.test",
        "is_enabled": "y",
        "imap_enabled": "y",
        "imap_host": "localhost",
        "imap_port": str(port),
        "imap_encryption": "tls",
        "imap_user": "support",
        "imap_password": "secret",
        "history": "inherit",
        "action": "nothing",
        "automation_from": "2026-01-01T00:00",
        **fields,
    }


def check(client, data):
    answer = client.post(NEW, data={**data, "check": "1"})
    criticise(answer.text, NEW)
    return BeautifulSoup(answer.text, "html.parser")


def steps_of(page):
    return {
        step.select_one(".step-name").text: step.get_text(" ", strip=True)
        for step in page.select("#check-result .step")
    }


def said(page):
    found = page.select_one("[data-announce]")
    return found["data-announce"] if found else ""


@pytest.mark.dovecot
def test_folders_are_retrieved_and_saving_chooses_them(client, reach, dovecot, inside, ours, theirs):
    reach(dovecot.tls_port)
    user = dovecot.new_user()
    dovecot.append(user, "Orders/2026", b"Subject: One\r\n\r\nx\r\n")
    data = typed(client, dovecot.tls_port, imap_user=user)
    page = check(client, data)
    assert all("OK" in text for text in steps_of(page).values())
    assert said(page) == "The connection works. Choose the folders to read."
    ticked = {box["value"]: box.has_attr("checked") for box in page.select("#folders input[name=folders]")}
    assert ticked["INBOX"]
    assert ticked["Sent"]
    assert not ticked["Orders/2026"]
    kept = form_values(str(page), NEW)
    assert (kept["label"], kept["imap_user"]) == ("Support", user)
    assert kept["imap_password"] == ""
    folder_list = page.select_one("input[name=folder_list]")["value"]
    saved = client.post(NEW, data={**data, "folder_list": folder_list, "folders": ["INBOX", "Orders/2026"]})
    assert saved.status_code == 302
    with inside(ours):
        rows = db.session.execute(select(Folder.name, Folder.is_synced)).all()
        assert {name for name, is_synced in rows if is_synced} == {"INBOX", "Orders/2026"}
        assert {"Sent", "Trash"} <= {name for name, _ in rows}
    with inside(theirs):
        assert db.session.scalar(select(Folder)) is None
    token = csrf_token(client.get(saved.location).text)
    again = client.post(saved.location + "/check", data={"csrf_token": token})  # with what is stored
    criticise(again.text, saved.location)
    assert said(BeautifulSoup(again.text, "html.parser")).startswith("The connection works.")


@pytest.mark.dovecot
def test_a_wrong_password_is_said_at_the_sign_in(client, reach, dovecot):
    reach(dovecot.tls_port)
    page = check(client, typed(client, dovecot.tls_port, imap_user=dovecot.new_user(), imap_password="wrong"))
    steps = steps_of(page)
    assert "Failed" in steps["IMAP · Sign-in"]
    assert "password" in steps["IMAP · Sign-in"].lower()
    assert "Not tried" in steps["IMAP · Folders"]
    assert said(page).startswith("The check failed. IMAP, Sign-in")


def test_a_wrong_host_is_said(client, reach):
    reach(993)
    steps = steps_of(check(client, typed(client, 993, imap_host="imap.nowhere.invalid")))
    assert "Failed" in steps["IMAP · Host name"]


def test_a_closed_port_is_said(client, reach):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    reach(port)
    steps = steps_of(check(client, typed(client, port)))
    assert "Failed" in steps["IMAP · Connection"]
    assert "port" in steps["IMAP · Connection"]


def test_an_expired_certificate_is_said_and_the_password_stays_here(client, reach, certificates):
    with ScriptedImap(certificates.expired()) as server:
        reach(server.tls_port)
        steps = steps_of(check(client, typed(client, server.tls_port)))
        assert b"secret" not in server.received
    assert "Failed" in steps["IMAP · Encryption"]
    assert "expired" in steps["IMAP · Encryption"]


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("imap_password", "", "Type the password"),
        ("imap_enabled", None, "Switch on IMAP, SMTP or both"),
    ],
)
def test_what_makes_a_check_impossible_is_said_where_the_result_would_be(client, field, value, sentence):
    data = {name: text for name, text in typed(client, 993, **{field: value}).items() if text is not None}
    page = check(client, data)
    assert sentence in page.select_one("#check-result").get_text(" ", strip=True)


def test_without_a_folder_and_with_a_taken_label_nothing_is_saved(client, ours):
    make_mailbox(ours, label="Support")
    for fields, sentence in (
        ({"label": "Other"}, "Choose at least one folder"),
        ({"label": "Other", "folders": ["of another server"]}, "Choose at least one folder"),
        ({"folders": ["INBOX"]}, "Another mailbox is called Support"),
    ):
        answer = client.post(NEW, data=typed(client, 993, **fields))
        assert answer.status_code == 422
        criticise(answer.text, NEW)
        assert sentence in answer.text


def test_an_organization_tries_few_connections_at_a_time(inside, ours, theirs, monkeypatch):
    values = MailboxValues(imap_host="imap.slow.test", imap_user="support", imap_password="secret")
    tried = []

    def while_others_are_tried(imap, smtp, policy):
        tried.append(imap.host)
        if len(tried) < checking.MOST_AT_ONCE:
            checking.check(values, None)
        else:
            with pytest.raises(InvalidError, match="right now"):
                checking.check(values, None)
            with inside(theirs):
                monkeypatch.setattr(checking, "check_connection", lambda *_: CheckReport(()))
                checking.check(values, None)
        return CheckReport(())

    monkeypatch.setattr(checking, "check_connection", while_others_are_tried)
    with inside(ours):
        checking.check(values, None)
        checking.check(values, None)  # those before have ended
    assert len(tried) == checking.MOST_AT_ONCE
