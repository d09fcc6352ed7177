"""Live updates: who hears what, and when it ends."""

import asyncio
import json
import os
import subprocess
import sys
import time
from contextlib import suppress

import pytest
from redis.asyncio import Redis

from mailboxes.system_mailboxes import MailboxGrant
from tenants.database import db
from tenants.users import SESSION_IDLE, sign_out_everywhere
from tests.factories import csrf_token, make_mailbox, sign_in
from webapp import events
from webapp.events import Application, Hub, Listener, Subscription
from workers import queues


def cookie_of(client):
    return f"postroom={client.get_cookie('postroom').value}"


class Page:
    """A page that listens, as an ASGI server would carry it."""

    def __init__(self, application, cookie="", method="GET", kind=""):
        self.application = application
        headers = ((b"cookie", cookie), (b"sec-fetch-dest", kind))
        self.scope = {
            "type": "http",
            "path": "/events",
            "method": method,
            "headers": [(name, value.encode()) for name, value in headers if value],
        }
        self.sent: asyncio.Queue = asyncio.Queue()
        self.closed = asyncio.Event()

    async def __aenter__(self):
        self.task = asyncio.create_task(self.application(self.scope, self._receive, self.sent.put))
        start = await self._next()
        self.status, self.headers = start["status"], dict(start["headers"])
        return self

    async def __aexit__(self, *_):
        self.closed.set()
        await asyncio.wait_for(self.task, 10)

    async def event(self):
        """The next event, as the browser reads it."""
        while True:
            text = (await self._next())["body"].decode()
            if text.startswith("data: "):
                return json.loads(text.removeprefix("data: "))

    async def end(self):
        """Wait until the server ends it."""
        await asyncio.wait_for(asyncio.shield(self.task), 10)

    async def _next(self):
        return await asyncio.wait_for(self.sent.get(), 10)

    async def _receive(self):
        await self.closed.wait()
        return {"type": "http.disconnect"}


@pytest.fixture
def application(app):
    return Application(app)


@pytest.fixture
def tell(app):
    """Say something until somebody has been told: a subscription takes a moment to reach Redis."""

    async def say_until_heard(page, world, mailbox, kind="message"):
        async def say():
            while True:
                queues.tell_pages(world.id, mailbox.id, kind)
                await asyncio.sleep(0.05)

        saying = asyncio.create_task(say())
        try:
            return await page.event()
        finally:
            saying.cancel()

    return say_until_heard


def run(application, story):
    async def whole_story():
        try:
            await asyncio.wait_for(story(), 60)
        finally:
            await application._hub.close()

    asyncio.run(whole_story())


def test_a_page_hears_of_the_mailboxes_its_member_may_read(app, application, ours, tell):
    mailbox = make_mailbox(ours)
    cookie = cookie_of(sign_in(app, ours.member))

    async def story():
        async with Page(application, cookie) as page:
            assert page.status == 200
            assert await tell(page, ours, mailbox) == {"mailbox": str(mailbox.id), "kind": "message"}

    run(application, story)


def test_a_page_that_is_only_open_keeps_nobody_signed_in(app, ours, theirs, time_machine_clock):
    client = sign_in(app, ours.member)
    news = {"HX-Request": "true", "X-Unasked": "1"}  # as parts.js says of what nobody pressed
    for _ in range(3):
        assert client.get("/events/subscription").status_code == 200
        assert client.get("/mail/", headers=news, follow_redirects=True).status_code == 200
        time_machine_clock.shift(SESSION_IDLE.total_seconds() * 0.3)
    assert client.get("/mail/", follow_redirects=True).request.path != "/sign-in"  # somebody is there again
    time_machine_clock.shift(SESSION_IDLE.total_seconds() * 0.9)
    assert client.get("/events/subscription").status_code == 200
    time_machine_clock.shift(SESSION_IDLE.total_seconds() * 0.2)
    assert client.get("/events/subscription").status_code in (302, 401)


def test_what_somebody_sends_keeps_them_signed_in_whatever_it_says(app, ours, theirs, time_machine_clock):
    client, news = sign_in(app, ours.member), {"X-Unasked": "1"}
    time_machine_clock.shift(SESSION_IDLE.total_seconds() * 0.9)
    token = csrf_token(client.get("/security/", headers=news).text)
    chosen = {"csrf_token": token, "organization": str(ours.id)}
    assert client.post("/choose-organization", data=chosen, headers=news).status_code == 302
    time_machine_clock.shift(SESSION_IDLE.total_seconds() * 0.9)
    assert client.get("/security/").status_code == 200


def test_every_process_of_the_pages_logs_json_without_secrets(environment):
    program = (
        "from webapp.events import asgi_app; import structlog; asgi_app();"
        "structlog.get_logger().warning('ready', some_password='hunter2')"
    )
    told = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    line = json.loads((told.stderr or told.stdout).splitlines()[-1])
    assert (line["event"], line["some_password"]) == ("ready", "(hidden)")


def test_a_page_hears_of_nothing_else(app, application, ours, theirs, tell):
    mailbox = make_mailbox(ours)
    closed = make_mailbox(ours, readers=(ours.admin,))
    strange = make_mailbox(theirs)
    cookie = cookie_of(sign_in(app, ours.member))

    async def story():
        async with Page(application, cookie) as page:
            await tell(page, ours, mailbox, "warm up")
            queues.tell_pages(ours.id, closed.id, "secret")
            queues.tell_pages(theirs.id, strange.id, "secret")
            queues.tell_pages(ours.id, strange.id, "secret")
            queues.tell_pages(ours.id, mailbox.id, "last")
            heard = []
            while not heard or heard[-1]["kind"] != "last":
                heard.append(await page.event())
            assert {event["kind"] for event in heard} <= {"warm up", "last"}

    run(application, story)


def test_a_member_listens_on_as_many_pages_as_people_look_at(app, application, ours, monkeypatch):
    monkeypatch.setattr("webapp.events.MOST_PAGES", 1)
    mine, others = (cookie_of(sign_in(app, who)) for who in (ours.member, ours.admin))

    async def story():
        async with Page(application, mine) as first:
            assert first.status == 200
            async with Page(application, mine) as second, Page(application, others) as other:
                assert (second.status, other.status) == (429, 200)
        async with Page(application, mine) as again:
            assert again.status == 200

    run(application, story)


def test_strangers_hear_nothing(app, application, ours):
    async def story():
        for cookie, method in (("", "GET"), ("postroom=nonsense", "GET"), ("", "POST")):
            async with Page(application, cookie, method) as page:
                assert page.status in (401, 405)
                await page.end()

    run(application, story)


def test_a_script_listens_and_no_picture_or_document_does(app, application, ours, theirs):
    cookie = cookie_of(sign_in(app, ours.member))

    async def story():
        for kind, status in (("empty", 200), ("image", 404), ("document", 404), ("iframe", 404)):
            async with Page(application, cookie, kind=kind) as page:
                assert page.status == status
                assert page.headers[b"x-content-type-options"] == b"nosniff"
                assert b"frame-ancestors 'none'" in page.headers[b"content-security-policy"]

    run(application, story)


def test_a_process_lets_go_of_redis_although_a_cancellation_was_lost(application):
    async def story():
        async def loses_one():
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            await asyncio.Event().wait()

        application._hub._task = asyncio.create_task(loses_one())
        await asyncio.sleep(0)
        closing = asyncio.create_task(application._hub.close())
        assert await asyncio.wait({closing}, timeout=10) == ({closing}, set())

    run(application, story)


def test_the_telling_ends_with_the_session(app, application, ours, tell, monkeypatch):
    monkeypatch.setattr(events, "ASKED_AGAIN_AFTER", 0.2)
    mailbox = make_mailbox(ours)
    cookie = cookie_of(sign_in(app, ours.member))

    async def story():
        async with Page(application, cookie) as page:
            await tell(page, ours, mailbox)
            sign_out_everywhere(ours.member.user)
            db.session.commit()
            await page.end()

    run(application, story)


def test_a_grant_taken_away_is_noticed(app, application, ours, tell, monkeypatch, inside):
    monkeypatch.setattr(events, "ASKED_AGAIN_AFTER", 0.2)
    kept, lost = make_mailbox(ours), make_mailbox(ours)
    cookie = cookie_of(sign_in(app, ours.member))

    def take_away():
        with inside(ours):
            for grant in db.session.query(MailboxGrant).filter_by(
                mailbox_id=lost.id, membership_id=ours.member.id
            ):
                db.session.delete(grant)
            db.session.commit()

    async def story():
        async with Page(application, cookie) as page:
            await tell(page, ours, lost)
            await asyncio.to_thread(take_away)
            found = await application._ask(page.scope)
            assert found.mailboxes == {str(kept.id)}

    run(application, story)


def test_all_pages_of_a_process_share_one_subscription(app, application, ours, tell):
    mailbox = make_mailbox(ours)
    cookie = cookie_of(sign_in(app, ours.member))

    async def story():
        async with Page(application, cookie) as one, Page(application, cookie) as other:
            await tell(one, ours, mailbox)
            await tell(other, ours, mailbox)
            async with Redis.from_url(app.config["POSTROOM"].redis_url) as redis:
                counts = await redis.pubsub_numsub(queues.channel_of(ours.id))
            assert [number for _, number in counts] == [1]

    run(application, story)


def test_a_subscription_that_broke_begins_anew_and_pages_look_at_everything(
    app, application, ours, tell, monkeypatch
):
    monkeypatch.setattr(events, "REDIS_PAUSE", 0.05)
    mailbox = make_mailbox(ours)
    cookie = cookie_of(sign_in(app, ours.member))

    async def story():
        async with Page(application, cookie) as page:
            await tell(page, ours, mailbox)
            await application._hub._pubsub.connection.disconnect(nowait=True)
            queues.redis().execute_command("CLIENT", "KILL", "TYPE", "pubsub")
            heard = await page.event()
            while heard["kind"] != "everything":
                heard = await page.event()
            assert (await tell(page, ours, mailbox))["mailbox"] == str(mailbox.id)

    run(application, story)


@pytest.mark.parametrize("said", [b"{}", b"[]", b"7", b"\xff", b"nonsense", b"[" * 100_000], ids=range(6))
def test_what_makes_no_sense_is_told_nobody_and_ends_nothing(said):
    hub = Hub("redis://nowhere.invalid")
    listener = Listener(Subscription("changes:one", "me", frozenset({"box"})))
    asyncio.run(hub.add(listener))
    for data in (said, b'{"mailbox": "box", "kind": "message"}'):
        hub._forward({"type": "message", "channel": b"changes:one", "data": data})
    assert listener.waiting.get_nowait() == {"mailbox": "box", "kind": "message"}
    assert listener.waiting.empty()


def test_a_slow_page_is_told_to_look_at_everything():
    async def story():
        listener = Listener(Subscription("changes:x", "me", frozenset({"m"})))
        for _ in range(events.MOST_WAITING + 1):
            listener.tell({"mailbox": "m", "kind": "message"})
        assert listener.waiting.qsize() == 1
        assert listener.waiting.get_nowait() == {"kind": "everything"}

    asyncio.run(story())


def test_the_server_starts_and_stops(app):
    async def story():
        application = Application(app)
        sent = []
        messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]

        async def receive():
            return messages.pop(0)

        async def send(message):
            sent.append(message["type"])

        await application({"type": "lifespan"}, receive, send)
        assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]

    asyncio.run(story())


def test_a_subscription_is_asked_for_by_members_only(app, ours, theirs):
    mailbox = make_mailbox(ours)
    make_mailbox(theirs)
    said = sign_in(app, ours.member).get("/events/subscription").get_json()
    channel, member = f"changes:{ours.id}", str(ours.member.id)
    readable = [str(mailbox.id)]
    assert said == {"channel": channel, "member": member, "mailboxes": readable, "hears_states": False}
    assert sign_in(app, ours.admin).get("/events/subscription").get_json()["hears_states"]
    assert app.test_client().get("/events/subscription").status_code == 302


def test_a_hub_without_redis_keeps_trying():
    async def story():
        hub = Hub("redis://127.0.0.1:1/0")
        await hub.add(Listener(Subscription("changes:x", "me", frozenset())))
        started = time.monotonic()
        while hub._pubsub is None and time.monotonic() - started < 0.3:
            await asyncio.sleep(0.05)
        assert not hub._task.done()
        await hub.close()

    asyncio.run(story())


def test_how_a_mailbox_is_reaches_whoever_manages_mailboxes_and_nobody_else():
    state, message = ({"mailbox": "m", "kind": kind} for kind in ("state", "messages"))
    reader = Subscription("c", "reader", frozenset({"m"}))
    manager = Subscription("c", "manager", frozenset(), hears_states=True)
    assert [reader.includes(state), reader.includes(message)] == [False, True]
    assert [manager.includes(state), manager.includes(message)] == [True, False]
