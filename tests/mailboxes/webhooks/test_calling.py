"""Webhooks are called: signed, at least once, by nobody twice at a time, and no receiver holds up another."""

import dataclasses
import re
import threading
from collections import Counter
from datetime import timedelta
from functools import partial
from ipaddress import ip_network
from pathlib import Path

import pytest
from sqlalchemy import update

from mailboxes import egress, https, rotation
from mailboxes.crm import cases, leads
from mailboxes.notices.table import Notice
from mailboxes.webhooks import calling, setup
from mailboxes.webhooks.calling import call_due, organizations_with_due_calls
from mailboxes.webhooks.keeping import forget_old_calls
from mailboxes.webhooks.setup import WebhookValues
from mailboxes.webhooks.table import FAILED, TOLD, WAITING, Webhook, WebhookCall
from mailboxes.webhooks.telling import tell
from tenants.audit import AuditEntry
from tenants.database import db, now
from tenants.permissions import PERMISSIONS
from tests.factories import make_mailbox, make_message
from tests.mailboxes.webhooks.conftest import ADA
from tests.queries import counted_queries
from tests.web_server import Reply, web_server
from tests.world import permitted_ports

DOCUMENT = Path(__file__).parents[3] / "docs" / "webhooks.md"
HOUR = timedelta(hours=1)


@pytest.fixture
def happen(inside):
    """``happen(world)``: a case is opened there."""

    def happen(world, subject="Broken"):
        with inside(world):
            case = cases.open_case({"subject": subject}, "Ada")
            db.session.commit()
        return case

    return happen


@pytest.fixture
def later(inside):
    """``later(world, time)``: what waits has waited so much longer, and its webhooks as well."""

    def later(world, time=HOUR):
        with inside(world):
            db.session.execute(update(WebhookCall).values(next_attempt_at=WebhookCall.next_attempt_at - time))
            db.session.execute(
                update(Webhook).values(
                    quiet_until=Webhook.quiet_until - time, failing_since=Webhook.failing_since - time
                )
            )
            db.session.commit()

    return later


@pytest.fixture
def kept(inside):
    """``kept(webhook)``: what is stored of it now."""

    def kept(world, webhook):
        with inside(world):
            return db.session.get_one(Webhook, (world.id, webhook.id))

    return kept


@pytest.fixture
def administer(inside):
    """``administer(world, webhook, act, …)``: what a page does."""

    def administer(world, webhook, act, *given):
        with inside(world):
            done = act(db.session.get_one(Webhook, (world.id, webhook.id)), *given, by=ADA)
            db.session.commit()
        return done

    return administer


@pytest.fixture
def is_from_postroom():
    """The example of the documentation."""
    [example] = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    names = {}
    exec(example, names)
    return names["is_from_postroom"]


def letters(inside, world):
    with inside(world):
        return [(one.kind, one.recipient) for one in db.session.query(Notice).order_by(Notice.id)]


def test_a_call_is_signed_and_told_once(ours, theirs, receiver, listen, happen, call, log, is_from_postroom):
    _, secret = listen(ours)
    listen(theirs)
    case = happen(ours)
    call(ours), call(ours), call(theirs)
    [request] = receiver.requests
    assert is_from_postroom(secret, request.headers, request.body)
    assert not is_from_postroom(secret, request.headers, request.body + b" ")
    made_up = {**request.headers, "webhook-signature": "v1,Café"}
    assert not is_from_postroom(secret, made_up, request.body)
    [told] = log(ours)
    assert (told.state, told.status, told.answer, told.attempts) == (TOLD, 200, "thanks", 1)
    [body] = receiver.bodies
    assert body["id"] == request.headers["webhook-id"] == str(told.id)
    assert (body["type"], body["sequence"]) == ("case.made", told.sequence)
    assert body["data"] == {"case": {"id": str(case.id), "url": f"http://localhost:8025/cases/{case.id}"}}


def test_what_people_wrote_is_told_only_with_text(inside, ours, receiver, listen, call, log):
    listen(ours)
    listen(ours, name="Archive", has_text=True)
    mailbox = make_mailbox(ours)
    message = make_message(ours, mailbox, subject="Lamps", text="They are broken")
    with inside(ours):
        given = {"message": message.id, "conversation": message.thread_id}
        tell("message.received", mailbox_id=mailbox.id, **given)
        lead = leads.make_lead({"name": "Wilma"}, "Ada")
        db.session.delete(lead)  # what is gone when it is told is not told of
        db.session.commit()
    call(ours)
    told = {(body["type"], "text" in str(body)): body["data"] for body in receiver.bodies}
    assert told["message.received", False]["message"] == {"id": str(message.id)}
    assert told["message.received", True]["message"]["text"].strip() == "They are broken"
    assert "Wilma" not in str(receiver.bodies)
    assert "broken" not in str([one.details for one in log(ours)])


def test_an_answer_is_kept_only_where_it_cannot_repeat_what_people_wrote(
    inside, ours, receiver, listen, call, log, administer
):
    webhook, _ = listen(ours, has_text=True)
    receiver.answers = [lambda request: Reply(request.body, status=500)]
    message = make_message(ours, make_mailbox(ours), subject="Lamps")
    with inside(ours):
        tell("message.received", message=message.id)
        db.session.commit()
    administer(ours, webhook, setup.send_test)
    call(ours)
    assert "Lamps" in str(receiver.bodies)
    assert [(one.kind, bool(one.answer)) for one in log(ours)] == [
        ("message.received", False),
        ("webhook.test", True),
    ]


def test_what_is_not_chosen_any_more_is_not_told_though_it_waits(
    inside, ours, receiver, listen, call, log, administer
):
    webhook, _ = listen(ours)
    mailbox, other = make_mailbox(ours), make_mailbox(ours)
    with inside(ours):
        for kind, one in (
            ("message.received", mailbox),
            ("message.received", other),
            ("reply.sent", mailbox),
        ):
            tell(kind, mailbox_id=one.id)
        db.session.commit()
    fewer = WebhookValues("Warehouse", receiver.url, ("message.received",), frozenset({mailbox.id}))
    administer(ours, webhook, partial(setup.change_webhook, may=PERMISSIONS), fewer)
    administer(ours, webhook, setup.send_test)
    call(ours)
    assert [one.state for one in log(ours)] == [TOLD, FAILED, FAILED, TOLD]
    assert {body["type"] for body in receiver.bodies} == {"message.received", "webhook.test"}


def test_what_fails_is_told_again_with_the_same_id_and_then_no_more(
    ours, receiver, listen, happen, call, log, later, kept
):
    webhook, _ = listen(ours)
    receiver.answers = [Reply(b"\x00no", status=500), Reply(status=204)]
    happen(ours)
    call(ours), call(ours)
    [waiting] = log(ours)
    assert (waiting.state, waiting.status, waiting.answer) == (WAITING, 500, "�no")
    assert waiting.next_attempt_at > now()
    for _ in range(2):
        later(ours)
        call(ours)
    assert len({request.headers["webhook-id"] for request in receiver.requests}) == 1
    assert [(one.state, one.attempts) for one in log(ours)] == [(TOLD, 2)]
    assert kept(ours, webhook).failing_since is None


def test_nobody_makes_an_attempt_that_another_one_makes(inside, ours, receiver, listen, happen, call, log):
    def answer(request):
        with inside(ours):
            call_due()
        return Reply()

    listen(ours)
    receiver.answers = [answer]
    happen(ours)
    call(ours)
    assert len(receiver.requests) == 1


def test_what_a_dead_job_was_about_to_tell_is_due_again(inside, ours, receiver, listen, happen, call, later):
    listen(ours)
    happen(ours)
    with inside(ours):
        assert len(list(calling._claimed(Counter()))) == 1
    assert organizations_with_due_calls() == []
    later(ours)
    assert organizations_with_due_calls() == [ours.id]
    call(ours)
    assert len(receiver.requests) == 1


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Reply(status=302, headers={"Location": "http://169.254.169.254/"}), "redirects"),
        (Reply(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhal"), "too early"),
        (Reply(raw=b"SSH-2.0-OpenSSH\r\n"), "understood"),
        (Reply(raw=b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000), ""),
    ],
    ids=["redirect", "cut", "no http", "endless header"],
)
def test_an_answer_that_is_none_is_a_failure(ours, receiver, listen, happen, call, log, answer, said):
    listen(ours)
    receiver.answers = [answer]
    happen(ours)
    call(ours)
    [waiting] = log(ours)
    assert waiting.state == WAITING
    assert said in waiting.error
    assert waiting.error
    assert len(receiver.requests) == 1


def test_of_a_huge_answer_the_beginning_is_read(ours, receiver, listen, happen, call, log):
    listen(ours)
    receiver.answers = [Reply(b"x" * 5_000_000)]
    happen(ours)
    call(ours)
    [told] = log(ours)
    assert (told.state, len(told.answer)) == (TOLD, calling.SHOWN_CHARACTERS)


def test_a_receiver_that_hangs_holds_up_no_other_and_is_left_alone(
    monkeypatch, ours, theirs, receiver, listen, happen, call, log, kept, certificates, app
):
    monkeypatch.setattr(calling, "SECONDS", 3.0)  # waited for, and enough for the others on a busy machine
    is_over = threading.Event()

    def hang(_):
        is_over.wait(30)
        return Reply()

    with web_server(hang, certificates.good) as port:
        permitted_ports(app, port)
        hanging, _ = listen(ours, name="Hanging", url=f"https://localhost:{port}/")
        listen(ours)
        for _ in range(6):
            happen(ours)
        call(ours)
        is_over.set()
    assert len(receiver.requests) == 6
    states = [one.state for one in log(ours) if one.webhook_id == hanging.id]
    assert states == [WAITING] * 6
    assert sum(one.attempts for one in log(ours) if one.webhook_id == hanging.id) <= calling.PLACES
    assert kept(ours, hanging).quiet_until > now()
    assert organizations_with_due_calls() == []


def test_however_slow_many_receivers_are_each_webhook_has_places_of_its_own(
    app, ours, receiver, listen, happen, call, log, certificates
):
    is_told = threading.Event()

    def slow(_):
        is_told.wait(30)
        return Reply()

    def quick(_):
        is_told.set()
        return Reply()

    receiver.answers = [quick]
    with web_server(slow, certificates.good) as port:
        permitted_ports(app, port)
        for number in range(4):
            listen(ours, name=f"Slow {number}", url=f"https://localhost:{port}/")
        listen(ours)
        for _ in range(4):
            happen(ours)
        call(ours)
    assert Counter((one.state, one.attempts) for one in log(ours)) == {(TOLD, 1): 20}


def test_an_address_inside_is_not_reached_whatever_a_name_server_says(
    app, monkeypatch, ours, receiver, listen, happen, call, log
):
    asked = []

    def rebinding(name, port):
        asked.append(name)
        return ["93.184.216.34", "127.0.0.1"] if len(asked) == 1 else ["127.0.0.1"]

    listen(ours)
    monkeypatch.setattr(egress, "system_addresses", rebinding)
    settings = app.config["POSTROOM"]
    app.config["POSTROOM"] = dataclasses.replace(settings, permitted_networks=())
    happen(ours)
    call(ours)
    assert (receiver.requests, asked) == ([], ["localhost"])
    assert [one.error for one in log(ours)] == ["This server cannot be used."]


def test_plain_http_is_used_only_in_networks_that_the_installation_has_opened(loopback):
    asked = []
    with web_server(lambda request: asked.append(request) or Reply(), None) as port:
        url = f"http://localhost:{port}/"
        https.request("POST", url, loopback, may_be_plain=True)
        elsewhere = egress.EgressPolicy((ip_network("10.0.0.0/8"),), loopback.ports)
        for policy, may_be_plain in ((loopback, False), (elsewhere, True)):
            with pytest.raises(egress.EgressRefusedError):
                https.request("POST", url, policy, may_be_plain=may_be_plain)
        with pytest.raises(egress.EgressRefusedError):
            https.request(
                "POST", url, loopback, may_be_plain=True, resolver=lambda *_: ["93.184.216.34", "127.0.0.1"]
            )
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("said", "least", "most"),
    [
        ("7200", 1.9, 2.1),
        ("999999", 5.9, 6.1),
        ("soon", 0, 0.1),
        ("Sat, 28 Nov 2026 09:00:00 +99999999999999999999", 0, 0.1),
    ],
)
def test_a_receiver_that_asks_for_time_gets_it_within_bounds(
    ours, receiver, listen, happen, call, log, said, least, most
):
    listen(ours)
    receiver.answers = [Reply(status=429, headers={"Retry-After": said})]
    happen(ours)
    call(ours)
    [waiting] = log(ours)
    assert least * HOUR <= waiting.next_attempt_at - now() + timedelta(seconds=30) <= most * HOUR + HOUR / 60


def test_a_receiver_that_is_gone_pauses_its_webhook_and_administrators_hear_once(
    inside, ours, theirs, receiver, listen, happen, call, log, kept, administer
):
    webhook, _ = listen(ours)
    receiver.answers = [Reply(status=410), Reply()]
    happen(ours)
    call(ours)
    happen(ours)
    call(ours)
    assert kept(ours, webhook).paused_because == "gone"
    assert letters(inside, ours) == [("webhook.paused", ours.admin.user.address)]
    assert [one.state for one in log(ours)] == [FAILED]
    administer(ours, webhook, setup.resume_webhook)
    assert administer(ours, webhook, setup.send_again, [one.id for one in log(ours)]) == 1
    call(ours)
    assert [one.state for one in log(ours)] == [TOLD]
    assert [kind for kind, _ in letters(inside, ours)] == ["webhook.paused", "webhook.ok"]
    assert letters(inside, theirs) == []


def test_a_day_of_failures_pauses_a_webhook(inside, ours, receiver, listen, happen, call, log, later, kept):
    webhook, _ = listen(ours)
    receiver.answers = [Reply(status=500)]
    happen(ours)
    call(ours)
    later(ours, timedelta(hours=23))
    call(ours)
    assert kept(ours, webhook).is_active
    happen(ours, "Another")
    later(ours, timedelta(hours=2))
    call(ours)
    assert kept(ours, webhook).paused_because == "failing"
    assert {one.state for one in log(ours)} == {FAILED}
    assert [kind for kind, _ in letters(inside, ours)] == ["webhook.paused"]


def test_after_failures_in_a_row_one_event_is_tried_until_one_is_taken(
    ours, receiver, listen, happen, call, log, later
):
    listen(ours)
    receiver.answers = [Reply(status=503)]
    for _ in range(10):
        happen(ours)
    call(ours)
    asked = len(receiver.requests)
    assert asked <= calling.PLACES + calling.FAILURES
    later(ours)
    call(ours)
    assert len(receiver.requests) == asked + 1
    receiver.answers = [Reply()]
    later(ours)
    call(ours), call(ours)
    assert {one.state for one in log(ours)} == {TOLD}


def test_a_paused_webhook_is_told_a_test_and_nothing_that_waited(
    ours, receiver, listen, happen, call, log, administer
):
    webhook, _ = listen(ours)
    happen(ours)
    administer(ours, webhook, setup.pause_webhook)
    administer(ours, webhook, setup.send_test)
    assert organizations_with_due_calls() == [ours.id]
    call(ours)
    assert [body["type"] for body in receiver.bodies] == ["webhook.test"]
    assert [one.state for one in log(ours)] == [FAILED, TOLD]


def test_pausing_is_quick_however_much_waits_and_jobs_end_that_in_portions(
    monkeypatch, app, ours, receiver, listen, happen, call, log, later, administer
):
    monkeypatch.setattr(calling, "AT_ONCE", 2)
    webhook, _ = listen(ours)
    for _ in range(3):
        happen(ours)
    later(ours, -HOUR)
    with counted_queries(app) as statements:
        administer(ours, webhook, setup.pause_webhook)
    assert [one for one in statements if "webhook_calls" in one] == []
    for failed in (2, 3):
        assert organizations_with_due_calls() == [ours.id]
        call(ours)
        assert Counter(one.state for one in log(ours))[FAILED] == failed
    assert organizations_with_due_calls() == []
    assert receiver.requests == []


def test_while_a_secret_is_rotated_both_sign_and_neither_is_anywhere(
    inside, ours, receiver, listen, happen, call, log, administer, is_from_postroom
):
    webhook, former = listen(ours)
    secret = administer(ours, webhook, setup.rotate_secret)
    happen(ours)
    call(ours)
    [request] = receiver.requests
    assert is_from_postroom(secret, request.headers, request.body)
    assert is_from_postroom(former, request.headers, request.body)
    with inside(ours):
        db.session.execute(update(Webhook).values(former_until=now()))
        db.session.commit()
        stored = [
            vars(one) for table in (Webhook, WebhookCall, AuditEntry) for one in db.session.query(table)
        ]
    happen(ours)
    call(ours)
    assert not is_from_postroom(former, receiver.requests[1].headers, receiver.requests[1].body)
    for one in (former, secret):
        assert one.removeprefix("whsec_") not in str(stored)


def test_new_keys_encrypt_the_secrets_anew(app, ours, receiver, listen, happen, call, administer):
    webhook, _ = listen(ours)
    administer(ours, webhook, setup.rotate_secret)
    settings = app.config["POSTROOM"]
    keys = {**settings.encryption_keys, "2": b"n" * 32}
    app.config["POSTROOM"] = dataclasses.replace(settings, encryption_keys=keys)
    assert rotation.reencrypt_all() == 2
    app.config["POSTROOM"] = dataclasses.replace(settings, encryption_keys={"2": b"n" * 32})
    happen(ours)
    call(ours)
    assert receiver.requests[0].headers["webhook-signature"].count("v1,") == 2


def test_the_log_forgets_what_ended_long_ago(inside, ours, theirs, receiver, listen, happen, call, log):
    listen(ours)
    happen(ours)
    call(ours)
    happen(ours)
    with inside(ours):
        db.session.execute(update(WebhookCall).values(occurred_at=now() - timedelta(days=31)))
        db.session.commit()
    happen(ours)
    call(ours)
    forget_old_calls()
    assert len(log(ours)) == 1
