"""Live updates: server-sent events beside the pages, and no thread held for those who listen.

`asgi_app` wraps the pages. It answers ``/events`` itself: it asks a guarded route of the pages, in a
thread and with the cookies of the request, which organization and mailboxes the person may hear of,
and forwards what `workers.queues.tell_pages` says about these. It asks again every few seconds, so
that an ended session and a grant taken away end the telling too.

    postroom web
"""

import asyncio
import gc
import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import structlog
from flask import Blueprint, Flask, g
from flask.typing import ResponseReturnValue
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError
from werkzeug.test import EnvironBuilder, run_wsgi_app

from mailboxes.access import readable_ids
from tenants.application import settings_of
from tenants.database import db
from tenants.logs import configure_logs
from tenants.settings import Settings
from webapp.api.door import BEGINNING, member_of
from webapp.guards import member_required
from webapp.serving import Pages
from webapp.serving.connection import SHOWN_NOWHERE, Receive, Scope, Send, gone, refuse
from workers import queues

blueprint = Blueprint("events", __name__)
log = structlog.get_logger()

PATH = "/events"
ASKED_AGAIN_AFTER = 12.0  # seconds until the right to listen is asked for again; also the heartbeat
REDIS_PAUSE = 1.0  # seconds between tries while Redis is away
CLOSED_AGAIN_AFTER = 0.1  # seconds
MOST_PAGES = 50  # of one member in this process: each asks again for its right to listen
MOST_WAITING = 100  # events that wait for a slow client before it is told to look at everything
PAGE_THREADS = 32
ASKING_THREADS = 4


@blueprint.get(f"{PATH}/subscription")
@member_required
def subscription() -> ResponseReturnValue:
    """What this member's pages may hear of: the organization's channel, the readable mailboxes, states."""
    mailboxes = [str(id) for id in db.session.scalars(readable_ids(g.member))]
    return {
        "channel": queues.channel_of(g.organization.id),
        "member": str(g.member.id),
        "mailboxes": mailboxes,
        "hears_states": "mailbox.manage" in g.permissions,
    }


def asgi_app() -> "Application":
    """The whole application, set up from the environment; for an ASGI server."""
    from webapp import create_app

    settings = Settings.from_environment()
    configure_logs(settings.log_level)  # each process of several makes its own application, and begins here
    app = create_app(settings)
    gc.freeze()  # what stays for good is not looked through again while somebody waits for a page
    return Application(app)


@dataclass(frozen=True)
class Subscription:
    """What somebody may hear of: what is in these mailboxes; and how all of them are, who manages them."""

    channel: str
    member: str
    mailboxes: frozenset[str]
    hears_states: bool = False

    def includes(self, event: dict[str, str]) -> bool:
        """Whether an event is for them; one that names no mailbox is for everybody."""
        if event["kind"] == queues.STATE:
            return self.hears_states
        return "mailbox" not in event or event["mailbox"] in self.mailboxes


@dataclass(eq=False)
class Listener:
    """A page that listens. What it cannot take in time is replaced by one event: look at everything."""

    subscription: Subscription
    waiting: asyncio.Queue[dict[str, str]] = field(default_factory=lambda: asyncio.Queue(MOST_WAITING))

    def tell(self, event: dict[str, str]) -> None:
        """Queue an event, if this listener may hear of it."""
        if not self.subscription.includes(event):
            return
        if self.waiting.full():
            while not self.waiting.empty():
                self.waiting.get_nowait()
            event = {"kind": "everything"}
        self.waiting.put_nowait(event)


class Hub:
    """One subscription to Redis for all listeners of this process. Keeps trying while Redis is away."""

    def __init__(self, redis_url: str) -> None:
        self._url = redis_url
        self._listeners: dict[str, set[Listener]] = {}
        self._task: asyncio.Task[None] | None = None
        self._pubsub: PubSub | None = None

    async def add(self, listener: Listener) -> None:
        """Begin to tell a listener."""
        channel = listener.subscription.channel
        listeners = self._listeners.setdefault(channel, set())
        listeners.add(listener)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._listen())
        elif len(listeners) == 1:
            await self._on_redis("subscribe", channel)

    def is_full_for(self, subscription: Subscription) -> bool:
        """Whether this member has as many pages here as one person looks at."""
        listeners = self._listeners.get(subscription.channel, set())
        return sum(one.subscription.member == subscription.member for one in listeners) >= MOST_PAGES

    async def remove(self, listener: Listener) -> None:
        """Tell a listener no more."""
        channel = listener.subscription.channel
        listeners = self._listeners.get(channel, set())
        listeners.discard(listener)
        if not listeners and self._listeners.pop(channel, None) is not None:
            await self._on_redis("unsubscribe", channel)

    async def close(self) -> None:
        """Let go of Redis."""
        while self._task is not None and not self._task.done():
            self._task.cancel()  # again where asyncio.wait_for lost it, as Python below 3.12 may
            await asyncio.wait({self._task}, timeout=CLOSED_AGAIN_AFTER)

    async def _on_redis(self, command: str, channel: str) -> None:
        if self._pubsub is not None:
            with suppress(RedisError, OSError):  # the loop below connects anew, with all channels
                await getattr(self._pubsub, command)(channel)

    async def _listen(self) -> None:
        is_first = True
        while True:
            try:
                async with Redis.from_url(self._url) as redis, redis.pubsub() as pubsub:
                    channels = set(self._listeners) or {queues.CHANGES}
                    await pubsub.subscribe(*channels)
                    self._pubsub = pubsub
                    if late := set(self._listeners) - channels:  # added while that was under way
                        await pubsub.subscribe(*late)
                    if not is_first:
                        self._tell_all({"kind": "everything"})  # what was said meanwhile is lost
                    is_first = False
                    async for message in pubsub.listen():
                        self._forward(message)
            except (RedisError, OSError) as error:
                log.warning("live updates wait for Redis", error=type(error).__name__)
            is_first = False
            self._pubsub = None
            await asyncio.sleep(REDIS_PAUSE)

    def _forward(self, message: dict[str, Any]) -> None:
        if message["type"] != "message":
            return
        listeners = self._listeners.get(message["channel"].decode(), set())
        with suppress(ValueError, TypeError, LookupError, RecursionError):  # none of ours has said it
            said = json.loads(message["data"])
            event = {"mailbox": str(said["mailbox"]), "kind": str(said["kind"])}
            for listener in tuple(listeners):
                listener.tell(event)

    def _tell_all(self, event: dict[str, str]) -> None:
        for listeners in self._listeners.values():
            for listener in tuple(listeners):
                listener.tell(event)


class Application:
    """The pages as an ASGI application, with ``/events`` beside them."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self._pages = Pages(app, PAGE_THREADS, self._whose)
        self._hub = Hub(settings_of(app).redis_url)
        self._asking = ThreadPoolExecutor(ASKING_THREADS, thread_name_prefix="subscription")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection (ASGI 3)."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http" and scope["path"] == PATH:
            await self._events(scope, receive, send)
        elif scope["type"] == "http":
            await self._pages(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                await self._hub.close()
                self._asking.shutdown(wait=False)
                return

    async def _events(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = _refused(scope) or await self._ask(scope)
        if not isinstance(found, Subscription):
            await refuse(send, found, "Nothing to hear.")
            return
        if self._hub.is_full_for(found):
            await refuse(send, HTTPStatus.TOO_MANY_REQUESTS, "Too many pages listen already.")
            return
        listener = Listener(found)
        await self._hub.add(listener)
        leaving = asyncio.create_task(gone(receive))
        try:
            await _start(send)
            await self._tell(listener, scope, send, leaving)
        finally:
            leaving.cancel()
            await self._hub.remove(listener)
            with suppress(OSError):
                await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _tell(self, listener: Listener, scope: Scope, send: Send, leaving: asyncio.Task[None]) -> None:
        """Until the page is closed, or may hear of this organization no more."""
        clock = asyncio.get_running_loop()
        ask_at = clock.time() + ASKED_AGAIN_AFTER
        while not leaving.done():
            event = await _next(listener, leaving, ask_at - clock.time())
            if event is not None:
                await _say(send, f"data: {json.dumps(event)}\n\n")
            if clock.time() >= ask_at:
                found = await self._ask(scope)
                if not isinstance(found, Subscription) or found.channel != listener.subscription.channel:
                    return
                listener.subscription = found
                ask_at = clock.time() + ASKED_AGAIN_AFTER
                await _say(send, ": still here\n\n")

    async def _whose(self, scope: Scope) -> tuple[str, ...] | None:
        """The person and the organization of a request; nothing of who works in none, None of strangers."""
        if scope["path"].startswith(BEGINNING):
            return await self._whose_token(scope)
        found = await self._ask(scope)
        if isinstance(found, Subscription):
            return found.member, found.channel
        return None if found == HTTPStatus.UNAUTHORIZED else ()

    async def _whose_token(self, scope: Scope) -> tuple[str, ...] | None:
        """Of a program: the member it acts as, and the organization."""
        given = dict(scope["headers"]).get(b"authorization", b"").decode("latin-1")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._asking, self._ask_api, given)

    async def _ask(self, scope: Scope) -> Subscription | int:
        """What the person behind these cookies may hear of, or the status that says why nothing."""
        cookies = "; ".join(value.decode("latin-1") for name, value in scope["headers"] if name == b"cookie")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._asking, self._ask_pages, cookies)

    def _ask_api(self, authorization: str) -> tuple[str, ...] | None:
        with self.app.app_context():
            found = member_of(authorization)
        return (str(found.id), queues.channel_of(found.organization_id)) if found is not None else None

    def _ask_pages(self, cookies: str) -> Subscription | int:
        headers = [("Cookie", cookies), ("Accept", "application/json"), ("HX-Request", "true")]
        builder = EnvironBuilder(
            path=f"{PATH}/subscription", base_url=settings_of(self.app).base_url, headers=headers
        )
        body, status, _ = run_wsgi_app(self.app.wsgi_app, builder.get_environ(), buffered=True)
        if not status.startswith("200"):
            return int(status[:3]) if status[:1] == "4" else 503
        said = json.loads(b"".join(body))
        return Subscription(
            said["channel"], said["member"], frozenset(said["mailboxes"]), said["hears_states"]
        )


def _refused(scope: Scope) -> int | None:
    """The status for what is no script that listens: a picture would load for good on its connection."""
    if scope["method"] != "GET":
        return HTTPStatus.METHOD_NOT_ALLOWED
    wanted_as = dict(scope["headers"]).get(b"sec-fetch-dest", b"empty")
    return None if wanted_as == b"empty" else HTTPStatus.NOT_FOUND


async def _next(listener: Listener, leaving: asyncio.Task[None], seconds: float) -> dict[str, str] | None:
    """The next event; None when the time is over or the page is gone."""
    waiting = asyncio.ensure_future(listener.waiting.get())
    done, _ = await asyncio.wait(
        {waiting, leaving}, timeout=max(seconds, 0), return_when=asyncio.FIRST_COMPLETED
    )
    if waiting in done:
        return waiting.result()
    waiting.cancel()
    return None


async def _start(send: Send) -> None:
    headers = [
        (b"content-type", b"text/event-stream; charset=utf-8"),
        (b"x-accel-buffering", b"no"),
        *SHOWN_NOWHERE,
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await _say(send, "retry: 3000\n\n")


async def _say(send: Send, text: str) -> None:
    await send({"type": "http.response.body", "body": text.encode(), "more_body": True})
