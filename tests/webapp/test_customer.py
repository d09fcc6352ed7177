"""*Write as a customer*: the demo's page, and that nobody else has it."""

import dataclasses
import time
from email import message_from_bytes, policy
from urllib.parse import quote

import pytest

from mailboxes.conversion.claims import LEAD
from mailboxes.crm.leads import make_lead
from mailboxes.threads import ThreadRecord
from mailboxes.timeline import record
from tenants.configuration.layers import override
from tenants.database import db, now, uuid7
from tests.factories import csrf_token, make_mailbox, make_message, make_user, sign_in
from tests.webapp.critic import criticise
from tests.world import permitted_ports

WRITE = "/demo/write/"
NOTICES = "/demo/notices/"


@pytest.fixture
def demo(app, smtp_sink, tmp_path):
    """The application as the demo starts it, with a mail server for the world."""
    permitted_ports(app, smtp_sink.port)
    kept = app.config["POSTROOM"]
    app.config["POSTROOM"] = dataclasses.replace(
        kept,
        is_demo=True,
        customer_smtp_url=f"smtp://127.0.0.1:{smtp_sink.port}",
        customer_mail_directory=str(tmp_path),
    )
    yield tmp_path
    app.config["POSTROOM"] = dataclasses.replace(kept, is_demo=False)


@pytest.fixture
def mailbox(ours):
    return make_mailbox(ours, address="support@nordwind.example", label="Support", action="lead")


def write(client, **given):
    token = csrf_token(client.get(WRITE).text)
    values = {
        "sender": "Nora Field <nora@field.example>",
        "mailbox": "support@nordwind.example",
        "kind": "person",
        "subject": "A question",
        "text": "When do you open?",
    }
    return client.post(WRITE, data={"csrf_token": token, **values, **given})


def deliver_to_customer(folder, sender, address="nora@field.example", subject="Auto: A question"):
    place = folder / quote(address, safe="@")
    place.mkdir(exist_ok=True)
    raw = f"From: {sender}\r\nSubject: {subject}\r\nMessage-ID: <answer@nordwind.example>\r\n\r\nAt nine.\r\n"
    (place / f"{time.time_ns():020d}-0a1b2c3d.eml").write_bytes(raw.encode())


def test_the_page_exists_in_the_demo_only(app, ours, mailbox):
    client = sign_in(app, ours.member)
    assert client.get(WRITE).status_code == 404
    assert client.get(f"{WRITE}{uuid7()}").status_code == 404
    assert "Write as a customer" not in client.get("/leads/").text


def test_the_demo_links_to_it_and_the_page_is_good_html(app, demo, ours, mailbox):
    client = sign_in(app, ours.member)
    assert "Write as a customer" in client.get("/leads/").text
    criticise(client.get(WRITE).text, WRITE)
    for chosen in ("0", "²", "9" * 5_000):
        criticise(client.get(f"{WRITE}?example={chosen}").text, WRITE)


def test_a_letter_goes_to_the_mail_server_as_the_world_writes(app, demo, ours, mailbox, smtp_sink):
    answer = write(sign_in(app, ours.member), subject="Ünïcode\r\nX-Evil: 1")
    assert answer.status_code == 302
    (sent,) = smtp_sink.messages
    letter = message_from_bytes(sent.content, policy=policy.default)
    assert (sent.sender, sent.recipients) == ("nora@field.example", ("support@nordwind.example",))
    assert letter["From"] == "Nora Field <nora@field.example>"
    assert letter["Subject"] == "Ünïcode X-Evil: 1"
    assert letter["X-Evil"] is None
    assert letter["Message-ID"].strip("<>").partition("@")[0] in answer.location


def test_a_newsletter_says_that_it_is_one(app, demo, ours, mailbox, smtp_sink):
    write(sign_in(app, ours.member), kind="newsletter")
    letter = message_from_bytes(smtp_sink.messages[0].content, policy=policy.default)
    assert letter["List-Id"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"sender": "Nora <nora@gmail.com>"}, "ends in .example"),
        ({"sender": "nobody"}, "Write it like Nora Field"),
        ({"text": ""}, "Write something."),
        ({"mailbox": "support@neighbour.example"}, "Not a valid choice"),
    ],
)
def test_what_cannot_be_sent_is_told_at_its_field(app, demo, ours, mailbox, smtp_sink, given, words):
    answer = write(sign_in(app, ours.member), **given)
    assert answer.status_code == 422
    assert words in answer.text
    assert smtp_sink.messages == []


def test_a_mail_server_that_refuses_is_quoted(app, demo, ours, mailbox, smtp_sink):
    smtp_sink.fail("RCPT", "550 5.1.1 No such user")
    answer = write(sign_in(app, ours.member))
    assert answer.status_code == 422
    assert "No such user" in answer.text


def test_only_readable_mailboxes_are_offered(app, demo, ours, theirs, mailbox):
    make_mailbox(theirs, address="support@neighbour.example")
    make_mailbox(ours, address="secret@nordwind.example", readers=())
    page = sign_in(app, ours.member).get(WRITE).text
    assert "support@nordwind.example" in page
    assert "neighbour.example" not in page
    assert "secret@nordwind.example" not in page


def test_a_letter_that_has_not_arrived_is_watched(app, demo, ours, mailbox):
    page = sign_in(app, ours.member).get(f"{WRITE}{uuid7()}")
    criticise(page.text, WRITE)
    assert "on its way" in page.text
    assert 'hx-trigger="every 1s"' in page.text


def test_the_way_of_a_letter_is_shown_to_its_end(app, demo, ours, mailbox, inside):
    letter_id = uuid7()
    message = make_message(
        ours,
        mailbox,
        sender="Nora Field <nora@field.example>",
        message_id=f"{letter_id}@field.example",
        work="done",
        arrived_at=now(),
    )
    with inside(ours):
        lead = make_lead({"name": "A question", "owner_id": ours.admin.id}, "automation")
        db.session.add(ThreadRecord(thread_id=message.thread_id, kind=LEAD, lead_id=lead.id))
        record(message, "converted", "converted", "The mailbox makes leads.")
        record(message, "rules", "answered", "The rule “Welcome” answers.")
        db.session.commit()
    client = sign_in(app, ours.member)
    waiting = client.get(f"{WRITE}{letter_id}").text
    assert "The rule “Welcome” answers." in waiting
    assert f"/leads/{lead.id}" in waiting
    assert "every 1s" in waiting
    deliver_to_customer(demo, "Support <support@nordwind.example>")
    over = client.get(f"{WRITE}{letter_id}", headers={"HX-Request": "true"}).text
    assert "At nine." in over
    assert "every 1s" not in over
    assert "<html" not in over


def test_an_answer_of_the_customer_continues_the_conversation(app, demo, ours, mailbox, smtp_sink):
    letter_id = uuid7()
    make_message(
        ours,
        mailbox,
        sender="Nora Field <nora@field.example>",
        message_id=f"{letter_id}@field.example",
        arrived_at=now(),
    )
    deliver_to_customer(demo, "support@nordwind.example")
    (file,) = (demo / "nora@field.example").iterdir()
    client = sign_in(app, ours.member)
    page = client.get(f"{WRITE}?letter={letter_id}&received={file.stem}").text
    assert "&gt; At nine." in page
    assert "&lt;answer@nordwind.example&gt;" in page
    write(client, in_reply_to="<answer@nordwind.example>", references="<a@b.example> not-an-id")
    letter = message_from_bytes(smtp_sink.messages[0].content, policy=policy.default)
    assert letter["In-Reply-To"] == "<answer@nordwind.example>"
    assert letter["References"] == "<a@b.example> <answer@nordwind.example>"


def test_what_another_organization_sent_to_the_same_customer_is_not_shown(app, demo, ours, theirs, mailbox):
    make_mailbox(theirs, address="support@neighbour.example")
    letter_id = uuid7()
    make_message(
        ours,
        mailbox,
        sender="Nora Field <nora@field.example>",
        message_id=f"{letter_id}@field.example",
        arrived_at=now(),
    )
    deliver_to_customer(demo, "support@neighbour.example", subject=theirs.canary)
    page = sign_in(app, ours.member).get(f"{WRITE}{letter_id}").text
    assert theirs.canary not in page


def test_a_letter_to_the_neighbour_is_unknown_here(app, demo, ours, theirs, mailbox):
    letter_id = uuid7()
    foreign = make_mailbox(theirs)
    make_message(theirs, foreign, message_id=f"{letter_id}@field.example", text=theirs.canary)
    page = sign_in(app, ours.member).get(f"{WRITE}{letter_id}").text
    assert "on its way" in page
    assert theirs.canary not in page


def test_notices_are_read_by_whom_they_are_for_and_by_system_administrators(demo, app, ours, theirs):
    override("notice.sender_address", "postroom@postroom.example", "system", by="Sam")
    db.session.commit()
    for person in (ours.admin.user, theirs.admin.user):
        deliver_to_customer(demo, "postroom@postroom.example", person.address, f"For {person.address}")
    deliver_to_customer(demo, "support@nordwind.example", ours.admin.user.address, "No notice")
    own, others = (f"For {person.address}" for person in (ours.admin.user, theirs.admin.user))
    page = sign_in(app, ours.admin.user).get(NOTICES).text
    assert own in page
    assert others not in page
    assert "No notice" not in page
    page = sign_in(app, make_user(name="Sys", is_system_admin=True)).get(NOTICES).text
    assert own in page
    assert others in page
    criticise(page, NOTICES)


def test_notices_are_pages_of_the_demo_only(app, ours):
    assert sign_in(app, ours.admin.user).get(NOTICES).status_code == 404
