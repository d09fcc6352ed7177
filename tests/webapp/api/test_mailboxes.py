"""Mailboxes and rules by the API: in the words of a file, by the acts of the pages."""

import pytest
from sqlalchemy import select

from mailboxes.accounts import Account
from mailboxes.connections import password_of
from mailboxes.global_mailboxes import following
from mailboxes.rules import AutoResponseRule
from mailboxes.system_mailboxes import Mailbox
from mailboxes.templates import TemplateValues, save_template
from tenants.audit import Actor, AuditEntry
from tenants.database import db, inside
from tests.factories import make_mailbox, make_member, with_token
from tests.mailboxes.global_mailboxes.saying import make_global

SECRET = "hunter2hunter2"
NEW = {
    "address": "support@example.test",
    "label": "Support",
    "account": {
        "imap": {"host": "imap.example.test", "user": "support", "password": SECRET},
        "folders": ["INBOX", "Sent"],
    },
    "access": [{"role": "Member", "level": "reply"}],
}
RULE = {
    "name": "Invoices",
    "conditions": [{"field": "subject", "operator": "contains", "value": "invoice"}],
    "response": {"type": "plain", "texts": {"en": {"subject": "Auto: thanks", "content": "It is here."}}},
}


@pytest.fixture
def new(ours):
    """What a program says of a new mailbox."""
    settings = {"owner": ours.member.user.address, "priority": "high", "status": "open", "tags": ["web"]}
    return {**NEW, "processing": {"action": "case", "settings": settings}}


@pytest.fixture
def program(app, ours, theirs):
    return with_token(app, ours.admin, "mailboxes:write")


def test_a_mailbox_is_made_with_its_connection_processing_and_access(program, ours, new):
    made = program.post("/api/v1/mailboxes", json=new)
    assert made.status_code == 201, made.text
    assert SECRET not in made.text
    assert made.json["account"]["imap"]["has_password"] is True
    assert made.json["access"] == [{"role": "Member", "level": "reply"}]
    with inside(ours.id):
        mailbox = db.session.scalars(select(Mailbox)).one()
        account = db.session.scalars(select(Account)).one()
        assert password_of(account, "imap") == SECRET
        acts = db.session.scalars(select(AuditEntry.act).where(AuditEntry.act.startswith("mailbox."))).all()
    assert (mailbox.label, mailbox.action, mailbox.action_settings["priority"]) == ("Support", "case", "high")
    assert acts == ["mailbox.created"]
    assert program.get(f"/api/v1/mailboxes/{mailbox.id}").json == made.json


def test_what_is_not_said_stays_and_a_list_is_replaced(program, ours, new):
    made = program.post("/api/v1/mailboxes", json=new).json
    person = make_member(ours.id).user.address
    account = {"smtp": {"enabled": True, "host": "smtp.example.test"}, "imap": {"password": SECRET}}
    changes = {"account": account, "access": [{"person": person}]}
    changed = program.patch(f"/api/v1/mailboxes/{made['id']}", json=changes)
    assert changed.status_code == 200, changed.text
    assert changed.json["access"] == [{"person": person, "level": "read"}]
    assert changed.json["account"]["smtp"]["host"] == "smtp.example.test"
    for name in ("label", "processing", "aliases"):
        assert changed.json[name] == made[name]
    assert changed.json["account"]["imap"] == made["account"]["imap"]


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"account": {"imap": {"host": "imap.other.test"}}}, "#/account/imap/password"),
        ({"account": {"imap": {"port": "many"}}}, "#/account/imap/port"),
        ({"account": {"imap": {"password": "${POSTROOM_SECRET_KEY}", "host": ""}}}, "#/account/imap/host"),
        ({"access": [{"role": "Nobody", "level": "read"}]}, "#/access"),
        ({"access": [{"level": "read"}]}, "#/access/0"),
        ({"processing": {"action": "dance"}}, "#/processing/action"),
        ({"rules": []}, "#/rules"),
    ],
)
def test_what_is_wrong_is_told_at_its_place_and_changes_nothing(program, new, changes, pointer):
    made = program.post("/api/v1/mailboxes", json=new).json
    refused = program.patch(f"/api/v1/mailboxes/{made['id']}", json=changes)
    assert refused.status_code == 422
    assert [one["pointer"] for one in refused.json["errors"]] == [pointer]
    assert program.get(f"/api/v1/mailboxes/{made['id']}").json == made


def test_nothing_of_the_environment_is_filled_in(program, new):
    """As a file would: whoever may set up a mailbox here may not read the server's secrets."""
    imap = {**NEW["account"]["imap"], "user": "${PATH}"}
    named = {**new, "label": "${PATH}", "account": {**NEW["account"], "imap": imap}}
    made = program.post("/api/v1/mailboxes", json=named).json
    assert (made["label"], made["account"]["imap"]["user"]) == ("${PATH}", "${PATH}")


def test_the_connection_of_a_global_mailbox_is_neither_told_nor_changed(program, app, ours, theirs):
    following.follow(make_global(ours, theirs))
    with inside(ours.id):
        id = db.session.scalars(select(Mailbox.id)).one()
    told = program.get(f"/api/v1/mailboxes/{id}").json
    assert (told["scope"], told["account"]) == ("system", None)
    assert program.patch(f"/api/v1/mailboxes/{id}", json={"label": "Mine"}).status_code == 403
    assert program.post(f"/api/v1/mailboxes/{id}/check").status_code == 403


def test_a_mailbox_is_paused_resumed_fetched_and_deleted(program, ours):
    mailbox = make_mailbox(ours)
    address = f"/api/v1/mailboxes/{mailbox.id}"
    assert program.post(f"{address}/pause").json["state"] == "paused"
    assert program.get(address).json["enabled"] is False
    assert program.post(f"{address}/resume").json["state"] != "paused"
    assert program.post(f"{address}/sync").status_code == 200
    refused = program.delete(f"{address}?label=Another")
    assert (refused.status_code, refused.json["errors"][0]["parameter"]) == (400, "label")
    assert program.delete(f"{address}?label={mailbox.label}").status_code == 204
    assert program.get(address).status_code == 404


def test_rules_are_added_moved_changed_and_removed(program, ours):
    with inside(ours.id):
        save_template(TemplateValues("Thanks", texts={"en": ("Hi", "Thank you")}), by=Actor("Ada"))
        db.session.commit()
    address = f"/api/v1/mailboxes/{make_mailbox(ours).id}/rules"
    first = program.post(address, json=RULE)
    assert first.status_code == 201, first.text
    assert first.json["response"] == RULE["response"]
    second = program.post(address, json={"name": "All", "template": "Thanks", "position": 1}).json
    assert [rule["name"] for rule in program.get(address).json["data"]] == ["All", "Invoices"]
    moved = program.patch(f"{address}/{second['id']}", json={"position": 2, "active": False}).json
    assert (moved["position"], moved["active"], moved["template"]) == (2, False, "Thanks")
    assert program.patch(f"{address}/{second['id']}", json={"position": 10**30}).json["position"] == 2
    assert program.patch(f"{address}/{second['id']}", json={"position": -(10**30)}).json["position"] == 1
    changed = program.patch(f"{address}/{first.json['id']}", json={"template": "Thanks"}).json
    assert (changed["template"], changed["response"]) == ("Thanks", None)
    assert program.delete(f"{address}/{second['id']}").status_code == 204
    with inside(ours.id):
        assert db.session.scalars(select(AutoResponseRule.name)).all() == ["Invoices"]


@pytest.mark.parametrize(
    ("rule", "pointer"),
    [
        ({"name": "x"}, "#/template"),
        ({"name": "x", "template": "Nothing"}, "#/template"),
        ({"name": "x", "template": "A", "response": RULE["response"]}, None),
        (
            {**RULE, "conditions": [{"field": "subject", "operator": "sounds like"}]},
            "#/conditions/0/operator",
        ),
        ({**RULE, "conditions": [{"field": "subject", "operator": "contains", "value": ""}]}, "#/conditions"),
        ({**RULE, "response": {"texts": {"en": {"subject": "x", "content": "{{ x }}"}}}}, "#/response/texts"),
    ],
)
def test_what_is_wrong_with_a_rule_is_told_at_its_place(program, ours, rule, pointer):
    refused = program.post(f"/api/v1/mailboxes/{make_mailbox(ours).id}/rules", json=rule)
    assert refused.status_code == 422, refused.text
    assert [one["pointer"] for one in refused.json.get("errors", [])] == ([pointer] if pointer else [])
