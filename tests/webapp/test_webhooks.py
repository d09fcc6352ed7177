"""Administrators set up webhooks, see what was told, and have it told again."""

import re

import pytest
from sqlalchemy import select, update

from mailboxes.webhooks.calling import call_due
from mailboxes.webhooks.table import FAILED, WAITING, Webhook, WebhookCall
from tenants.audit import AuditEntry
from tenants.database import db
from tenants.permissions import Role
from tests.factories import csrf_token, make_mailbox, sign_in
from tests.webapp.reading import form_values
from workers import queues

URL = "/configuration/webhooks/"
SECRET = re.compile(r"whsec_[A-Za-z0-9+/=]{44}")


@pytest.fixture
def ada(app, ours, theirs):
    return sign_in(app, ours.admin)


def post(client, path, /, **typed):
    page = client.get(URL).text
    return client.post(path, data={"csrf_token": csrf_token(page), **typed})


def add(client, **typed):
    right = {
        "name": "Warehouse",
        "url": "https://example.com/h",
        "kinds": ["case.made"],
        "scope": "everything",
    }
    return post(client, f"{URL}new", **{**right, **typed})


def stored(inside, world):
    with inside(world):
        return db.session.query(Webhook).order_by(Webhook.name).all()


def test_the_secret_is_shown_once_and_so_is_each_that_follows(inside, ours, theirs, ada):
    first = SECRET.findall(add(ada).text)
    [webhook] = stored(inside, ours)
    second = SECRET.findall(post(ada, f"{URL}{webhook.id}/secret").text)
    assert len({*first, *second}) == 2
    for page in ("", "new", webhook.id, f"{webhook.id}/secret", f"{webhook.id}/calls"):
        assert not SECRET.search(ada.get(f"{URL}{page}").text)
    with inside(ours):
        acts = db.session.scalars(select(AuditEntry.act).order_by(AuditEntry.id)).all()
    assert acts == ["webhook.made", "webhook.secret_rotated"]
    assert stored(inside, theirs) == []


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"url": "http://example.com/"}, "cannot be used here"),
        ({"url": "https://me:secret@example.com/"}, "without a user or password"),
        ({"url": "https://example.com:22/"}, "cannot be used here"),
        ({"url": "file:///etc/passwd"}, "begins with https://"),
        ({"kinds": []}, "at least one event"),
        ({"kinds": ["case.eaten"]}, "at least one event"),
        ({"scope": "chosen"}, "at least one mailbox"),
        ({"scope": "chosen", "mailboxes": "nobody@example.com"}, "no mailbox nobody@example.com"),
    ],
)
def test_what_cannot_be_called_or_told_is_refused_at_its_field(inside, ours, ada, typed, words):
    answer = add(ada, **typed)
    assert (answer.status_code, words in answer.text) == (422, True)
    assert stored(inside, ours) == []


def test_a_neighbours_mailbox_cannot_be_chosen(inside, ours, theirs, ada):
    ours_own, others = make_mailbox(ours), make_mailbox(theirs)
    assert add(ada, scope="chosen", mailboxes=others.address).status_code == 422
    assert add(ada, scope="chosen", mailboxes=f"{ours_own.address}\n").status_code == 200
    assert not stored(inside, ours)[0].is_everywhere


def test_with_text_needs_what_the_text_needs_also_to_lead_it_elsewhere(inside, ours, ada):
    add(ada, has_text="y")
    with inside(ours):
        db.session.execute(
            update(Role)
            .where(Role.system_key == "administrator")
            .values(permissions=["organization.configure"])
        )
        db.session.commit()
    [webhook] = stored(inside, ours)
    assert add(ada, name="Other", has_text="y").status_code == 422
    assert add(ada, name="Other").status_code == 200
    elsewhere = {
        "name": "Warehouse",
        "url": "https://example.org/",
        "kinds": ["case.made"],
        "scope": "everything",
    }
    assert post(ada, f"{URL}{webhook.id}", **elsewhere).status_code == 422
    assert [one.url for one in stored(inside, ours)] == ["https://example.com/h"] * 2
    assert post(ada, f"{URL}{webhook.id}/active", active="0").status_code == 302


def test_a_test_is_rung_for_at_once_and_what_failed_is_sent_again(inside, ours, ada):
    add(ada)
    [webhook] = stored(inside, ours)
    post(ada, f"{URL}{webhook.id}/test")
    assert [job.args for job in queues.queue(queues.WEBHOOKS).jobs] == [[str(ours.id)]]
    with inside(ours):
        call_due()  # to a host that is looked up in vain
        made = {"webhook_id": webhook.id, "kind": "case.made", "state": FAILED, "answer": "<b>away</b>"}
        db.session.add(WebhookCall(give_up_at=webhook.made_at, status=500, **made))
        db.session.commit()
        ids = db.session.scalars(select(WebhookCall.id)).all()
    log = ada.get(f"{URL}{webhook.id}/calls?state=failed").text
    assert "&lt;b&gt;away" in log
    post(ada, f"{URL}{webhook.id}/calls", selected=[str(id) for id in ids])
    with inside(ours):
        calls = db.session.query(WebhookCall).order_by(WebhookCall.kind).all()
    assert [(one.kind, one.state) for one in calls] == [("case.made", WAITING), ("webhook.test", FAILED)]


def test_what_a_member_does_is_rung_for_at_once(app, inside, ours, ada):
    add(ada)
    member = sign_in(app, ours.member)
    page = member.get("/cases/new").text
    right = {"subject": "Broken", "csrf_token": csrf_token(page)}
    assert member.post("/cases/new", data={**form_values(page, "/cases/new"), **right}).status_code == 302
    assert [job.args for job in queues.queue(queues.WEBHOOKS).jobs] == [[str(ours.id)]]
