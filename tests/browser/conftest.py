"""A real server and a real browser: what pages do once scripts, styles and policies are in force."""

import dataclasses
import os
import threading
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from flask import Flask
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect, sync_playwright

from tenants.organizations import Membership
from tests.factories import sign_in
from tests.services import missing
from tests.showroom import Showroom, furnish, open_doors
from webapp.events import Application

CHROMIUM = Path("/usr/bin/chromium-headless-shell")  # without windows of its own, which take most of the time
# No host but ours, and no graphics card, which would be imitated by the processor.
ARGUMENTS = ("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--disable-gpu")
ANSWERED = ("requestfinished", "requestfailed")
BLOCKED = "csp"  # what a policy stops is never asked for
expect.set_options(timeout=20_000)  # a busy machine is slow, not wrong


class Quiet:
    """The application, and whether it is answering somebody: a database is emptied only when nobody asks."""

    def __init__(self, application: Application) -> None:
        self.application = application
        self.lock = threading.Condition()
        self.under_way = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.application(scope, receive, send)
            return
        with self.lock:
            self.under_way += 1
        try:
            await self.application(scope, receive, send)
        finally:
            with self.lock:
                self.under_way -= 1
                self.lock.notify_all()

    def wait(self) -> None:
        """Until every answer is given."""
        with self.lock:
            assert self.lock.wait_for(lambda: self.under_way == 0, timeout=20), "a request never ended"


@pytest.fixture(scope="session")
def quiet_application(_application: Flask) -> Quiet:
    """The whole application as the live server runs it."""
    return Quiet(Application(_application))


@pytest.fixture(scope="session")
def live_server(quiet_application: Quiet) -> Iterator[str]:
    """The address of the whole application behind uvicorn, on a port of this machine."""
    config = uvicorn.Config(
        quiet_application,
        host="127.0.0.1",
        port=0,
        log_level="warning",
        timeout_graceful_shutdown=2,
        ws="none",
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    started = threading.Event()
    while not server.started and thread.is_alive():
        started.wait(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(20)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium. Ends with this folder: while it runs, nothing else may run an event loop in this thread."""
    if not CHROMIUM.exists():
        missing("Chromium", "apt-get install -y chromium-headless-shell")
    arguments = [*ARGUMENTS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=arguments)
        yield chromium
        chromium.close()


Kept = dict[tuple[Any, ...], list[BrowserContext]]


@pytest.fixture(scope="package")
def kept(browser: Browser) -> Iterator[Kept]:
    """Contexts without a window, by what they were made with: style and script are loaded already."""
    contexts: Kept = defaultdict(list)
    yield contexts
    for context in (context for all in contexts.values() for context in all):
        context.close()


@dataclass
class Visit:
    """A browser window on our server. Collects what should never happen."""

    context: BrowserContext
    page: Page
    url: str
    made_with: tuple[Any, ...]
    strange_requests: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)

    def open(self, path: str) -> Page:
        """Go to a page of ours."""
        self.page.goto(self.url + path)
        return self.page

    def leave(self) -> None:
        """Close every page; the context is free for another window."""
        for page in self.context.pages:
            page.close()
        for name in ANSWERED:
            self.context.remove_listener(name, self.note)

    def note(self, request: Request) -> None:
        """Keep what goes elsewhere."""
        is_ours = request.url.startswith((self.url, "data:", "blob:"))
        if not is_ours and request.failure != BLOCKED:
            self.strange_requests.append(request.url)


@pytest.fixture
def visit(
    app: Flask, live_server: str, quiet_application: Quiet, browser: Browser, kept: Kept
) -> Iterator[Any]:
    """``visit(member, width=…)`` opens a window in which this member has signed in.

    Requests to anywhere else find no host and are counted; a page with a script error or a broken policy
    fails the test.
    """
    visits: list[Visit] = []

    def begin(member: Membership | None, width: int = 1440, height: int = 900, **given: Any) -> Visit:
        made_with = (width, height, *sorted(given.items()))
        context = (
            kept[made_with].pop()
            if kept[made_with]
            else browser.new_context(viewport={"width": width, "height": height}, **given)
        )
        made = Visit(context, context.new_page(), live_server, made_with)
        _forget(made)
        if member is not None:
            token = sign_in(app, member).get_cookie("postroom").value
            context.add_cookies([{"name": "postroom", "value": token, "url": live_server}])
        _watch(made)
        visits.append(made)
        return made

    yield begin
    for made in visits:
        made.leave()
        kept[made.made_with].append(made.context)
    quiet_application.wait()
    assert [fault for made in visits for fault in made.faults] == []


def _forget(made: Visit) -> None:
    """Let the window know of nothing that was done in its context before, but style and script."""
    made.context.set_offline(False)
    made.context.clear_cookies()
    session = made.context.new_cdp_session(made.page)
    session.send("Storage.clearDataForOrigin", {"origin": made.url, "storageTypes": "all"})
    session.detach()


def _watch(made: Visit) -> None:
    def dismiss(dialog: Any) -> None:
        made.dialogs.append(dialog.message)
        dialog.dismiss()

    for name in ANSWERED:
        made.context.on(name, made.note)  # to route them would switch the browser's cache off
    made.page.on("dialog", dismiss)
    made.page.on("pageerror", lambda error: made.faults.append(str(error)))
    made.page.on("console", lambda message: _note(made, message))


def _note(made: Visit, message: Any) -> None:
    is_policy = "Content Security Policy" in message.text or "Content-Security-Policy" in message.text
    if message.type == "error" and is_policy and "/body" not in str(message.location):
        made.faults.append(message.text)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever stands in this folder needs the browser."""
    for item in items:
        if "tests/browser/" in str(item.path):
            item.add_marker(pytest.mark.browser)


@pytest.fixture
def showroom(app: Flask, once: Any) -> Showroom:
    """A furnished installation, made once for all tests that go through its pages."""
    room: Showroom = once("showroom", lambda: furnish(app))
    open_doors(app, room)
    return room


@pytest.fixture
def server(app: Flask, dovecot: Any, certificates: Any, loopback: Any, monkeypatch: Any) -> Any:
    """A mail server that this installation may read from."""
    settings = app.config["POSTROOM"]
    reachable = dataclasses.replace(
        settings,
        ca_file=str(certificates.ca_file),
        permitted_ports=settings.permitted_ports | {dovecot.tls_port},
        permitted_networks=loopback.networks,
    )
    monkeypatch.setitem(app.config, "POSTROOM", reachable)
    return dovecot
